//! How the planes of one convolution lie in memory.

use lanes::LANES;

/// Positions that a wide tile computes at once.
pub(crate) const TILE: usize = 32;

/// Channels whose weights lie beside each other: those of a wide tile.
pub(crate) const ROWS: usize = 8;

/// A convolution padded by half its kernel.
///
/// Images are copied into planes with a border of zeros, unless none is needed or
/// [tiles](crate::winograd) serve. With a stride of s a plane is s² *phases*: phase (i, j) holds
/// every s-th pixel of every s-th row, from row i and column j of the border on.
/// So a tap of the kernel always reads neighbors in memory. Output planes have rows as long as those
/// of a phase, so that a tap is a constant distance away; what a row of the output holds beyond the
/// width of the image is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
}

/// The places that a convolution computes: rows of them in a plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Numbers from one row of the plane to the next.
    pub(crate) pitch: usize,
    /// Rows and columns.
    pub(crate) size: [usize; 2],
}

impl Window {
    /// How many places there are.
    pub(crate) fn area(self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Numbers of a plane that holds them and what lies between two rows, whole vectors.
    pub(crate) fn plane(self) -> usize {
        (self.size[0] * self.pitch).next_multiple_of(LANES)
    }

    /// Copies the places of every plane out of it.
    #[inline(always)]
    pub(crate) fn crop(self, planes: &[f32], places: &mut [f32]) {
        // Rows that follow each other are one.
        let width = if self.pitch == self.size[1] { self.area() } else { self.size[1] };
        let planes = planes.chunks_exact(self.plane());
        for (plane, places) in planes.zip(places.chunks_exact_mut(self.area())) {
            for (row, values) in places.chunks_exact_mut(width).enumerate() {
                values.copy_from_slice(&plane[row * self.pitch..][..width]);
            }
        }
    }
}

/// Pixels of an image whose gradient comes from the same taps: every s-th of every s-th row.
pub(crate) struct Phase {
    /// The first row and column in the image.
    origin: [usize; 2],
    /// Where the gradients of the pixels lie.
    pub(crate) window: Window,
    /// The taps that read these pixels.
    pub(crate) taps: Vec<usize>,
    /// For each of them, the distance from a pixel to the gradient that it takes.
    pub(crate) offsets: Vec<usize>,
}

impl Geometry {
    fn border(self) -> usize {
        self.kernel / 2
    }

    /// Numbers of a row of a phase, and of an output plane.
    pub(crate) fn pitch(self) -> usize {
        (self.width + 2 * self.border()).div_ceil(self.stride)
    }

    /// Places by which the last tap reaches beyond an output position within a phase.
    fn reach(self) -> usize {
        (self.kernel - 1) / self.stride
    }

    /// Whether an output sees one pixel, that in its place.
    pub(crate) fn is_pointwise(self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    pub(crate) fn n_taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Numbers of an image's channel.
    pub(crate) fn area(self) -> usize {
        self.height * self.width
    }

    /// Height and width of the output.
    pub(crate) fn output_size(self) -> [usize; 2] {
        [self.height, self.width].map(|side| (side - 1) / self.stride + 1)
    }

    /// Numbers of an output's channel.
    pub(crate) fn output_area(self) -> usize {
        let [height, width] = self.output_size();
        height * width
    }

    /// Where the outputs lie.
    pub(crate) fn window(self) -> Window {
        Window { pitch: self.pitch(), size: self.output_size() }
    }

    /// Numbers of an output plane, whole vectors.
    pub(crate) fn output_plane(self) -> usize {
        self.window().plane()
    }

    /// Numbers of one phase of an image; every tile at every tap lies within.
    fn phase_plane(self) -> usize {
        let rows = (self.height + 2 * self.border()).div_ceil(self.stride);
        (rows * self.pitch()).max(self.output_plane() + self.reach() * (self.pitch() + 1))
    }

    /// Numbers of the padded planes of one channel.
    pub(crate) fn padded_plane(self) -> usize {
        self.stride * self.stride * self.phase_plane()
    }

    /// The distances from an output position to what each tap reads there.
    pub(crate) fn offsets(self) -> Vec<usize> {
        let offset = |tap: usize| {
            let [row, column] = [tap / self.kernel, tap % self.kernel];
            let phase = row % self.stride * self.stride + column % self.stride;
            phase * self.phase_plane() + self.place([row, column])
        };
        (0..self.n_taps()).map(offset).collect()
    }

    /// The distance of a row and column of the padded image from the start of its phase.
    fn place(self, [row, column]: [usize; 2]) -> usize {
        row / self.stride * self.pitch() + column / self.stride
    }

    /// The distance from the start of a plane of output gradients to the first of them.
    pub(crate) fn lead(self) -> usize {
        self.reach() * (self.pitch() + 1)
    }

    /// Numbers of a padded plane of output gradients; every tile at every tap of every phase lies
    /// within.
    pub(crate) fn slopes_plane(self) -> usize {
        let last = self.border().div_ceil(self.stride) * (self.pitch() + 1);
        self.lead() + last + self.image_plane().max(self.output_plane())
    }

    /// Numbers of a plane of image gradients, one phase in whole vectors.
    pub(crate) fn image_plane(self) -> usize {
        (self.height.div_ceil(self.stride) * self.pitch()).next_multiple_of(LANES)
    }

    /// All pixels of an image, phase by phase.
    pub(crate) fn phases(self) -> Vec<Phase> {
        let (border, stride) = (self.border(), self.stride);
        let of = |row: usize, column: usize| {
            // The first pixel of the image in this phase, in the padded image.
            let start = [row, column].map(|first| {
                if border <= first {
                    first
                } else {
                    first + (border - first).next_multiple_of(stride)
                }
            });
            let origin = start.map(|padded| padded - border);
            let taps: Vec<usize> = (0..self.n_taps())
                .filter(|tap| {
                    tap / self.kernel % stride == row && tap % self.kernel % stride == column
                })
                .collect();
            let back = |&tap: &usize| {
                self.lead() + self.place(start) - self.place([tap / self.kernel, tap % self.kernel])
            };
            let offsets = taps.iter().map(back).collect();
            let count = |side: usize, origin: usize| side.saturating_sub(origin).div_ceil(stride);
            let size = [count(self.height, origin[0]), count(self.width, origin[1])];
            Phase { origin, window: Window { pitch: self.pitch(), size }, taps, offsets }
        };
        (0..stride * stride).map(|phase| of(phase / stride, phase % stride)).collect()
    }

    /// Copies a channel into padded planes whose border is zero already.
    #[inline(always)]
    pub(crate) fn pad(self, channel: &[f32], planes: &mut [f32], map: impl Fn(f32) -> f32) {
        let (border, stride) = (self.border(), self.stride);
        // Rows without a border are one.
        let width = if self.is_pointwise() { self.area() } else { self.width };
        for (row, pixels) in channel.chunks_exact(width).enumerate() {
            for first in 0..stride {
                let padded = [row + border, first + border];
                let phase = padded[0] % stride * stride + padded[1] % stride;
                let start = phase * self.phase_plane() + self.place(padded);
                let to = planes[start..].iter_mut();
                // A step of 1 known to the compiler is vectorized.
                if stride == 1 {
                    for (to, from) in to.zip(pixels) {
                        *to = map(*from);
                    }
                } else {
                    for (to, from) in to.zip(pixels.iter().skip(first).step_by(stride)) {
                        *to = map(*from);
                    }
                }
            }
        }
    }

    /// Copies a channel of output gradients into a padded plane whose border is zero already.
    #[inline(always)]
    pub(crate) fn pad_slopes(self, channel: &[f32], plane: &mut [f32]) {
        let width = if self.is_pointwise() { self.area() } else { self.output_size()[1] };
        for (row, slopes) in channel.chunks_exact(width).enumerate() {
            let start = self.lead() + row * self.pitch();
            plane[start..start + width].copy_from_slice(slopes);
        }
    }

    /// Copies the gradients of one phase to their pixels in a channel.
    #[inline(always)]
    pub(crate) fn scatter(self, phase: &Phase, gradients: &[f32], channel: &mut [f32]) {
        let [first_row, first_column] = phase.origin;
        let rows = channel.chunks_exact_mut(self.width).skip(first_row).step_by(self.stride);
        for (pixels, from) in rows.zip(gradients.chunks_exact(phase.window.size[1])) {
            let pixels = pixels.iter_mut().skip(first_column).step_by(self.stride);
            for (to, from) in pixels.zip(from) {
                *to = *from;
            }
        }
    }
}

/// The weights of a convolution in the order in which tiles read them:
/// `[blocks of output channels][input channels][taps][ROWS]`, missing channels as zeros.
pub(crate) struct Packed {
    pub(crate) weights: Vec<f32>,
    pub(crate) n_in: usize,
}

impl Packed {
    /// From weights `[n_out, n_in, k, k]`.
    pub(crate) fn forward(weights: &[f32], [n_out, n_in]: [usize; 2], n_taps: usize) -> Self {
        let weight = |o, i, tap| weights[(o * n_in + i) * n_taps + tap];
        Self::pack([n_out, n_in], n_taps, weight)
    }

    /// Some taps of the transposed convolution, which takes gradients of outputs to gradients of
    /// inputs.
    pub(crate) fn backward(
        weights: &[f32],
        [n_out, n_in]: [usize; 2],
        n_taps: usize,
        taps: &[usize],
    ) -> Self {
        let weight = |i, o, tap: usize| weights[(o * n_in + i) * n_taps + taps[tap]];
        Self::pack([n_in, n_out], taps.len(), weight)
    }

    fn pack(
        [n_out, n_in]: [usize; 2],
        n_taps: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let mut weights = Vec::with_capacity(n_out.next_multiple_of(ROWS) * n_in * n_taps);
        for block in (0..n_out).step_by(ROWS) {
            for input in 0..n_in {
                for tap in 0..n_taps {
                    let row =
                        |output| if output < n_out { weight(output, input, tap) } else { 0.0 };
                    weights.extend((block..block + ROWS).map(row));
                }
            }
        }
        Self { weights, n_in }
    }
}
