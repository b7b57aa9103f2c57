//! Pieces of known length of longer slices.

/// `N` numbers from `start` on.
#[inline(always)]
pub(crate) fn chunk<const N: usize>(values: &[f32], start: usize) -> &[f32; N] {
    values[start..start + N].as_array().expect("the slice has this length")
}

/// The same, to be written.
#[inline(always)]
pub(crate) fn chunk_mut<const N: usize>(values: &mut [f32], start: usize) -> &mut [f32; N] {
    values[start..start + N].as_mut_array().expect("the slice has this length")
}
