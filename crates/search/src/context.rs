//! The rest of the architecture around an edge that is probed.

use rand_chacha::ChaCha8Rng;
use space::{Arch, EdgeId, Mask, SearchSpace, Seed};

/// How many contexts are drawn in search of one in which every operation counts.
const CONTEXT_DRAWS: usize = 32;

/// One random context of `edge`, with each allowed operation on the edge in turn.
///
/// The context is the first of at most 32 uniform draws in which every operation counts: the
/// architecture is connected and the edge not inert. If there is none, it is the first of those in which
/// most operations count.
/// Operations are in the order of the mask.
pub(crate) fn draw(
    space: &dyn SearchSpace,
    mask: &Mask,
    edge: EdgeId,
    rng: &mut ChaCha8Rng,
) -> Vec<Arch> {
    let ops = mask.ops(edge);
    let variants = |context: &Arch| ops.iter().map(|&op| context.with(edge, op)).collect();
    let counts = |arch: &&Arch| space.is_connected(arch) && !space.is_inert(arch, edge);
    let n_counting = |archs: &[Arch]| archs.iter().filter(counts).count();

    let mut archs: Vec<Arch> = variants(&mask.sample(rng));
    let mut most = n_counting(&archs);
    for _ in 1..CONTEXT_DRAWS {
        if most == ops.len() {
            break;
        }
        let others: Vec<Arch> = variants(&mask.sample(rng));
        let n = n_counting(&others);
        if most < n {
            (archs, most) = (others, n);
        }
    }
    archs
}

/// Whether the choice on `edge` seems to change nothing under the mask: it is inert in every one of 32
/// uniform draws.
pub(crate) fn is_inert(space: &dyn SearchSpace, mask: &Mask, edge: EdgeId) -> bool {
    let mut rng = Seed::new(0).child(&format!("inert/edge-{}", edge.0)).rng();
    (0..CONTEXT_DRAWS).all(|_| space.is_inert(&mask.sample(&mut rng), edge))
}

#[cfg(test)]
mod tests {
    use space::OpId;

    use super::*;
    use crate::toy::{NONE_EDGE, Toy};

    #[test]
    fn contexts_connect_if_they_can_and_stay_within_the_mask() {
        let toy = Toy::new(&[3, 3, 4]);
        let mask = toy.full_mask().split(EdgeId(1), &[vec![0, 2], vec![1]]).unwrap().remove(0);
        for number in 0..20 {
            let archs = draw(&toy, &mask, EdgeId(0), &mut Seed::new(number).rng());
            assert_eq!(archs.len(), 3);
            assert!(archs.iter().all(|arch| mask.contains(arch) && toy.is_connected(arch)));
            let ops: Vec<OpId> = archs.iter().map(|arch| arch.op(EdgeId(0))).collect();
            assert_eq!(ops, [0, 1, 2].map(OpId));
        }
    }

    #[test]
    fn contexts_are_drawn_in_which_the_edge_counts() {
        let toy = Toy::new(&[3, 3, 4]);
        for number in 0..20 {
            let archs = draw(&toy, &toy.full_mask(), EdgeId(0), &mut Seed::new(number).rng());
            assert!(archs.iter().all(|arch| !toy.is_inert(arch, EdgeId(0))), "{archs:?}");
        }
    }

    #[test]
    fn an_operation_that_always_disconnects_is_drawn_all_the_same() {
        let toy = Toy::new(&[3, 3, 4]);
        let archs = draw(&toy, &toy.full_mask(), NONE_EDGE, &mut Seed::new(7).rng());
        assert_eq!(archs.iter().filter(|arch| toy.is_connected(arch)).count(), 3);
    }
}
