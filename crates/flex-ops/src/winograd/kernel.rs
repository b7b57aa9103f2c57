//! Transformed weights.

use lanes::{Isa, Lanes, Work};

use super::{POINTS, TAPS};
use crate::Direction;
use crate::geometry::ROWS;
use crate::pieces::{Piece, in_pieces};

/// G g Gᵀ of the weights of a convolution, `[blocks of outputs][POINTS][n_in][ROWS]`; missing outputs are zeros.
pub(crate) struct Kernel {
    weights: Vec<f32>,
    n_in: usize,
}

impl Kernel {
    /// From weights `[n_out, n_in, 3, 3]`.
    pub(crate) fn forward(isa: Isa, weights: &[f32], [n_out, n_in]: [usize; 2]) -> Self {
        Self::new(isa, Direction::Forward, weights, [n_out, n_in])
    }

    /// From the same weights, turned around, for the gradients of inputs.
    pub(crate) fn backward(isa: Isa, weights: &[f32], [n_out, n_in]: [usize; 2]) -> Self {
        Self::new(isa, Direction::Backward, weights, [n_in, n_out])
    }

    fn new(isa: Isa, direction: Direction, weights: &[f32], [n_out, n_in]: [usize; 2]) -> Self {
        let size = POINTS * n_in * ROWS;
        let of_block = |(): &mut (), block: usize, piece: &mut Piece<'_>| {
            let outputs = block * ROWS..n_out.min((block + 1) * ROWS);
            let to = piece.take(size);
            isa.run(Block { direction, weights, outputs, n: [n_out, n_in], to });
        };
        let weights = in_pieces(n_out.div_ceil(ROWS) * size, size, || (), of_block).0;
        Self { weights, n_in }
    }

    /// For each `ROWS` outputs `[POINTS][n_in][ROWS]`.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks_exact(POINTS * self.n_in * ROWS)
    }
}

/// One block of outputs.
struct Block<'a> {
    direction: Direction,
    weights: &'a [f32],
    outputs: std::ops::Range<usize>,
    n: [usize; 2],
    to: &'a mut [f32],
}

impl Work for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { direction, weights, outputs, n: [n_out, n_in], to } = self;
        let kernels = weights.as_chunks::<TAPS>().0;
        let to = to.as_chunks_mut::<ROWS>().0;
        for input in 0..n_in {
            // Outputs beside each other: every sum is one of vectors.
            let mut taps = [[0.0; ROWS]; TAPS];
            for (row, output) in outputs.clone().enumerate() {
                let kernel = match direction {
                    Direction::Forward => kernels[output * n_in + input],
                    Direction::Backward => {
                        let mut kernel = kernels[input * n_out + output];
                        kernel.reverse();
                        kernel
                    }
                };
                for (tap, weight) in taps.iter_mut().zip(kernel) {
                    tap[row] = weight;
                }
            }
            let mut columns = [[[0.0; ROWS]; 4]; 3];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = transformed([&taps[j], &taps[3 + j], &taps[6 + j]]);
            }
            let [a, b, c] = &columns;
            for (i, ((a, b), c)) in a.iter().zip(b).zip(c).enumerate() {
                for (j, values) in transformed([a, b, c]).into_iter().enumerate() {
                    to[(4 * i + j) * n_in + input] = values;
                }
            }
        }
    }
}

/// G g.
#[inline(always)]
fn transformed([a, b, c]: [&[f32; ROWS]; 3]) -> [[f32; ROWS]; 4] {
    let mut points = [*a, *a, *a, *c];
    for i in 0..ROWS {
        let (outer, inner) = (0.5 * (a[i] + c[i]), 0.5 * b[i]);
        points[1][i] = outer + inner;
        points[2][i] = outer - inner;
    }
    points
}
