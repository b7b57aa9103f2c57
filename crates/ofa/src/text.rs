//! Architectures as text: `7e6 5e6 3e4 (3e4) | …`, blocks beyond the depth in parentheses.

use space::{Arch, ArchFault, OpId};

use crate::Ofa;
use crate::choice::{Choice, N_EDGES, Values};
use crate::stage::{N_STAGES, STAGE_BLOCKS};

const FORM: &str =
    "7e6 5e6 3e4 (3e4) | … with five stages of four blocks, those beyond the depth in parentheses";

/// The text of an architecture.
pub(crate) fn format(space: &Ofa, arch: &Arch) -> String {
    let block = |stage: usize, number: usize| {
        let block = stage * STAGE_BLOCKS + number;
        let text = format!("{}e{}", space.kernel(arch, block), space.expand(arch, block));
        if number < space.depth(arch, stage) { text } else { format!("({text})") }
    };
    let stage =
        |stage| (0..STAGE_BLOCKS).map(|number| block(stage, number)).collect::<Vec<_>>().join(" ");
    (0..N_STAGES).map(stage).collect::<Vec<_>>().join(" | ")
}

/// The architecture of a text.
pub(crate) fn parse(space: &Ofa, text: &str) -> Result<Arch, ArchFault> {
    let stages: Vec<Vec<&str>> =
        text.split('|').map(|stage| stage.split_whitespace().collect()).collect();
    if stages.len() != N_STAGES || stages.iter().any(|blocks| blocks.len() != STAGE_BLOCKS) {
        return Err(ArchFault::Form(FORM));
    }
    let mut ops = vec![OpId(0); N_EDGES];
    for (stage, blocks) in stages.into_iter().enumerate() {
        let depth = blocks.iter().take_while(|block| !block.starts_with('(')).count();
        let choice = Choice::Depth { stage };
        ops[choice.edge().0] = op(choice, space.values(choice), depth)?;
        for (number, block) in blocks.into_iter().enumerate() {
            let inner = block.strip_prefix('(').and_then(|block| block.strip_suffix(')'));
            let block = if number < depth { Some(block) } else { inner };
            let (kernel, expand) = block
                .and_then(|block| block.split_once('e'))
                .and_then(|(kernel, expand)| Some((kernel.parse().ok()?, expand.parse().ok()?)))
                .ok_or(ArchFault::Form(FORM))?;
            let block = stage * STAGE_BLOCKS + number;
            for (choice, number) in
                [(Choice::Kernel { block }, kernel), (Choice::Expand { block }, expand)]
            {
                ops[choice.edge().0] = op(choice, space.values(choice), number)?;
            }
        }
    }
    Ok(Arch::new(ops))
}

fn op(choice: Choice, values: &Values, number: usize) -> Result<OpId, ArchFault> {
    values.numbers.iter().position(|&known| known == number).map(OpId).ok_or_else(|| {
        ArchFault::Operation {
            name: number.to_string(),
            edge: choice.name(),
            expected: values.numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use space::{SearchSpace, Seed};

    use super::*;
    use crate::OfaConfig;

    fn space() -> Ofa {
        let config = OfaConfig {
            width: 1.0,
            expand_ratios: vec![3, 4, 6],
            depths: vec![2, 3, 4],
            stem_stride: 2,
        };
        Ofa::new(&config, 3, 224, 1000).unwrap()
    }

    proptest! {
        #[test]
        fn texts_read_back(seed: u64) {
            let space = space();
            let arch = space.full_mask().sample(&mut Seed::new(seed).rng());
            prop_assert_eq!(space.parse(&space.format(&arch)), Ok(arch));
        }
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = space().parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn other_texts_are_refused() {
        let stage = "3e6 5e4 7e3 (3e3)";
        let whole = [stage; N_STAGES].join(" | ");
        assert!(space().parse(&whole).is_ok());
        refused("", "expected the form");
        refused(&[stage; 4].join("|"), "expected the form");
        refused(&whole.replacen("7e3 (3e3)", "(7e3) 3e3", 1), "expected the form");
        refused(&whole.replacen("5e4", "5x4", 1), "expected the form");
        refused(&whole.replacen("5e4", "9e4", 1), "unknown operation `9` on edge ks_block2");
        refused(&whole.replacen("5e4", "5e5", 1), "`5` on edge er_block2, expected one of 3, 4, 6");
        let shallow = whole.replacen("5e4 7e3", "(5e4) (7e3)", 1);
        refused(&shallow, "unknown operation `1` on edge depth1");
    }
}
