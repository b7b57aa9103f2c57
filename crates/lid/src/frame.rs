//! Centered and scaled copies of some columns, short enough for a cache.

use std::ops::Range;

use lanes::{LANES, Lanes};
use rayon::prelude::*;

use crate::Points;

/// Columns of a frame.
pub(crate) const CHUNK: usize = 512;

/// The most rows whose mean is the center. Any center is right; one near the mean keeps norms small.
const MAX_SAMPLE: usize = 16;

/// The largest power of two whose product with a deviation is taken in one step.
const MAX_EXPONENT: i32 = 126;

/// A vector of a copy, within one line of the caches.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line(pub(crate) [f32; LANES]);

impl Line {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);
}

/// How some columns are centered and scaled: `(value − center) · scale`.
pub(crate) struct Frame {
    cols: Range<usize>,
    centers: Vec<f32>,
    scale: f32,
    /// Brings a product of two scaled features back to the scale of the data.
    pub(crate) weight: f64,
}

/// Frames of all columns.
pub(crate) fn frames(points: Points<'_>) -> Vec<Frame> {
    let starts = (0..points.d()).into_par_iter().step_by(CHUNK);
    starts.map(|start| Frame::new(points, start..points.d().min(start + CHUNK))).collect()
}

impl Frame {
    /// Center and scale are taken from a sample of rows; another row may exceed it 2⁶⁰-fold before
    /// a product overflows.
    fn new(points: Points<'_>, cols: Range<usize>) -> Self {
        let n_sample = points.n().min(MAX_SAMPLE);
        let row = |at: usize| &points.row(at * points.n() / n_sample)[cols.clone()];
        let mut sums = vec![0.0_f64; cols.len()];
        for at in 0..n_sample {
            for (sum, &value) in sums.iter_mut().zip(row(at)) {
                *sum += f64::from(value);
            }
        }
        let centers: Vec<f32> = sums.iter().map(|sum| (sum / n_sample as f64) as f32).collect();
        let mut reach = 0.0_f32;
        for at in 0..n_sample {
            for (&center, &value) in centers.iter().zip(row(at)) {
                reach = reach.max((value - center).abs());
            }
        }
        // The exponent of the least power of two above the reach; none needs no scale.
        let exponent = if reach <= 0.0 || !reach.is_finite() {
            0
        } else {
            f64::from(reach).log2().floor() as i32 + 1
        };
        let exponent = exponent.max(-MAX_EXPONENT);
        // By way of f64, because the largest reach asks for a subnormal scale.
        let scale = 2.0_f64.powi(-exponent) as f32;
        Self { cols, centers, scale, weight: 4.0_f64.powi(exponent) }
    }

    /// Columns, without padding.
    pub(crate) fn n_cols(&self) -> usize {
        self.cols.len()
    }

    /// Lines of a row of the copy.
    pub(crate) fn width(&self) -> usize {
        self.cols.len().div_ceil(LANES)
    }

    /// Copies rows, centered and scaled, each to whole lines with zeros at its end; what is beyond the
    /// last row stays as it is.
    #[inline(always)]
    pub(crate) fn copy<L: Lanes>(&self, points: Points<'_>, rows: Range<usize>, to: &mut [Line]) {
        let (scale, zero) = (L::splat(self.scale), L::splat(0.0));
        let (centers, last_centers) = self.centers.as_chunks::<LANES>();
        for (row, to) in rows.zip(to.chunks_exact_mut(self.width())) {
            let (values, last_values) = points.row(row)[self.cols.clone()].as_chunks::<LANES>();
            for ((to, values), centers) in to.iter_mut().zip(values).zip(centers) {
                L::load(values).sub(L::load(centers)).mul_add(scale, zero).store(&mut to.0);
            }
            if let Some(to) = to.get_mut(values.len()) {
                let deviations = L::load_part(last_values).sub(L::load_part(last_centers));
                deviations.mul_add(scale, zero).store(&mut to.0);
            }
        }
    }
}
