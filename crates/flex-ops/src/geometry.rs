//! How the planes of one convolution lie in memory.

/// Positions that one tile computes at once.
pub(crate) const TILE: usize = 32;

/// Numbers that a vector register of the widest instruction set holds.
pub(crate) const LANES: usize = 16;

/// Channels that one tile computes at once.
pub(crate) const ROWS: usize = 8;

/// A convolution of stride 1 that keeps height and width.
///
/// Images are copied into planes with a border of zeros as wide as half the kernel. Output planes
/// have the same width, so that a tap of the kernel is a constant distance in memory; what a row of
/// the output holds beyond the width of the image is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel: usize,
}

impl Geometry {
    fn border(self) -> usize {
        self.kernel / 2
    }

    fn padded_width(self) -> usize {
        self.width + 2 * self.border()
    }

    pub(crate) fn n_taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Numbers of an image's channel.
    pub(crate) fn area(self) -> usize {
        self.height * self.width
    }

    /// Numbers of an output plane, whole tiles.
    pub(crate) fn output_plane(self) -> usize {
        (self.height * self.padded_width()).next_multiple_of(TILE)
    }

    /// Numbers of a padded plane; every tile at every tap lies within.
    pub(crate) fn padded_plane(self) -> usize {
        self.output_plane() + self.offset(self.n_taps() - 1)
    }

    /// The distance from an output position to what a tap reads there.
    pub(crate) fn offset(self, tap: usize) -> usize {
        tap / self.kernel * self.padded_width() + tap % self.kernel
    }

    /// The distance from an output position to the same pixel in a padded plane.
    pub(crate) fn center(self) -> usize {
        self.border() * (self.padded_width() + 1)
    }

    /// Copies a channel into a padded plane whose border is zero already.
    #[inline(always)]
    pub(crate) fn pad(self, channel: &[f32], plane: &mut [f32], map: impl Fn(f32) -> f32) {
        let (width, padded) = (self.width, self.padded_width());
        for (row, pixels) in channel.chunks_exact(width).enumerate() {
            let start = self.center() + row * padded;
            for (to, from) in plane[start..start + width].iter_mut().zip(pixels) {
                *to = map(*from);
            }
        }
    }

    /// Copies an output plane into a channel.
    #[inline(always)]
    pub(crate) fn crop(self, plane: &[f32], channel: &mut [f32]) {
        let (width, padded) = (self.width, self.padded_width());
        for (row, pixels) in channel.chunks_exact_mut(width).enumerate() {
            pixels.copy_from_slice(&plane[row * padded..row * padded + width]);
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
    pub(crate) fn forward(weights: &[f32], n_out: usize, n_in: usize, n_taps: usize) -> Self {
        Self::pack(n_out, n_in, n_taps, |o, i, tap| weights[(o * n_in + i) * n_taps + tap])
    }

    /// The transposed convolution, which takes gradients of outputs to gradients of inputs.
    pub(crate) fn backward(weights: &[f32], n_out: usize, n_in: usize, n_taps: usize) -> Self {
        Self::pack(n_in, n_out, n_taps, |i, o, tap| {
            weights[(o * n_in + i) * n_taps + n_taps - 1 - tap]
        })
    }

    fn pack(
        n_out: usize,
        n_in: usize,
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
