//! New memory that several threads fill.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Numbers that one thread fills, from first to last.
pub(crate) struct Piece<'a> {
    rest: &'a mut [MaybeUninit<f32>],
}

impl<'a> Piece<'a> {
    /// The next `n` numbers, cleared just now, so that they are in the cache.
    #[inline(always)]
    pub(crate) fn take(&mut self, n: usize) -> &'a mut [f32] {
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(n);
        self.rest = rest;
        taken.fill(MaybeUninit::new(0.0));
        #[expect(unsafe_code, reason = "memory is not cleared twice")]
        // SAFETY: the line above.
        unsafe {
            taken.assume_init_mut()
        }
    }

    /// The next numbers, copied from these.
    #[inline(always)]
    pub(crate) fn take_copy(&mut self, numbers: &[f32]) -> &'a mut [f32] {
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(numbers.len());
        self.rest = rest;
        taken.write_copy_of_slice(numbers)
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }
}

/// `n` numbers in pieces of `size`, the last as long as there are numbers left, and what filling them
/// returns; zeros where nothing is taken.
pub(crate) fn in_pieces<S, R: Send>(
    n: usize,
    size: usize,
    scratch: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut S, usize, &mut Piece<'_>) -> R + Sync + Send,
) -> (Vec<f32>, Vec<R>) {
    let mut numbers = Vec::with_capacity(n);
    let pieces = numbers.spare_capacity_mut()[..n].par_chunks_mut(size).enumerate();
    let of_piece = |scratch: &mut S, (i, rest)| {
        let mut piece = Piece { rest };
        let result = fill(scratch, i, &mut piece);
        piece.take(piece.len());
        result
    };
    let results = pieces.map_init(scratch, of_piece).collect();
    #[expect(unsafe_code, reason = "memory is not cleared twice")]
    // SAFETY: the pieces are the first `n` numbers; `collect` has gone through all of them, and each
    // has been taken to its end.
    unsafe {
        numbers.set_len(n);
    }
    (numbers, results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_cleared_whether_taken_or_not() {
        for n in [0, 1, 6, 7] {
            let fill = |(): &mut (), i: usize, piece: &mut Piece<'_>| {
                let n = piece.len();
                let first = piece.take(1);
                assert_eq!(first[0].to_bits(), 0);
                first[0] = (i + 1) as f32;
                assert_eq!(piece.len(), n - 1);
                n
            };
            let (numbers, lengths) = in_pieces(n, 3, || (), fill);
            assert_eq!(lengths.iter().sum::<usize>(), n);
            let expected = (0..n).map(|i| if i % 3 == 0 { (i / 3 + 1) as f32 } else { 0.0 });
            assert!(numbers.iter().copied().map(f32::to_bits).eq(expected.map(f32::to_bits)));
        }
    }
}
