//! Convolutions in turn against each by itself.

use burn::tensor::{Device, Tensor};
use flex_ops::{
    After, Before, Epsilon, Groups, Options, Stage, conv_norm, conv_norm_given, conv_norms,
};
use proptest::prelude::*;

use crate::inputs::Inputs;

/// Channels, side of the kernel and the rest of a stage.
type Sizes = (usize, usize, Options);

fn sizes() -> impl Strategy<Value = Sizes> {
    let groups = prop_oneof![Just(Groups::One), Just(Groups::Depthwise)];
    let before = prop_oneof![3 => Just(Before::Nothing), 1 => Just(Before::Relu)];
    let after = prop_oneof![
        Just(After::Nothing),
        Just(After::Relu),
        Just(After::Relu6),
        Just(After::HardSwish)
    ];
    let kernel = prop_oneof![Just(1usize), Just(3), Just(5)];
    let epsilon = prop_oneof![Just(Epsilon::PyTorch), Just(Epsilon::TensorFlow)];
    (1usize..20, kernel, 1usize..3, groups, before, epsilon, after).prop_map(
        |(channels, kernel, stride, groups, before, epsilon, after)| {
            (channels, kernel, Options { stride, groups, before, epsilon, after })
        },
    )
}

fn stages(mut n_in: usize, sizes: &[Sizes], inputs: &mut Inputs) -> Vec<Stage> {
    let stage = |&(channels, kernel, options): &Sizes| {
        let [n_out, n_seen] =
            if options.groups == Groups::One { [channels, n_in] } else { [n_in, 1] };
        n_in = n_out;
        Stage {
            weight: inputs.normal([n_out, n_seen, kernel, kernel], 0.1),
            affine: [(); 2].map(|()| inputs.channels(n_out)),
            given: (channels % 3 == 0).then(|| [(); 2].map(|()| inputs.channels(n_out))),
            options,
        }
    };
    sizes.iter().map(stage).collect()
}

/// The output and the statistics, each stage by itself.
fn each(mut x: Tensor<4>, stages: Vec<Stage>) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    let mut moments = Vec::new();
    for Stage { weight, affine: [scale, shift], given, options } in stages {
        if let Some(given) = given {
            x = conv_norm_given(x, weight, [scale, shift], given.clone(), options);
            moments.push(given);
        } else {
            let found = conv_norm(x, weight, scale, shift, options);
            x = found.output;
            moments.push([found.mean, found.variance]);
        }
    }
    (x, moments)
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    let values: Vec<f32> = tensor.into_data().try_to_vec().expect("32-bit floats");
    values.into_iter().map(f32::to_bits).collect()
}

proptest! {
    #[test]
    fn stages_in_turn_give_the_bits_of_each_by_itself(
        [n_images, n_in, height, width] in [0usize..4, 1..20, 1..40, 1..40],
        sizes in prop::collection::vec(sizes(), 0..5),
        seed in any::<u64>(),
    ) {
        let mut inputs = Inputs::new(seed, Device::flex());
        let x = inputs.normal([n_images, n_in, height, width], 0.1);
        let stages = stages(n_in, &sizes, &mut inputs);
        let (expected, each_moments) = each(x.clone(), stages.clone());
        let (found, moments) = conv_norms(x, stages);
        prop_assert_eq!(found.dims(), expected.dims());
        prop_assert_eq!(bits(found), bits(expected));
        prop_assert_eq!(moments.len(), each_moments.len());
        for (found, expected) in moments.into_iter().zip(each_moments) {
            prop_assert_eq!(found.map(bits), expected.map(bits));
        }
    }
}

#[test]
fn gradients_reach_every_stage() {
    let mut inputs = Inputs::new(2, Device::flex().autodiff());
    let relu6 = Options { after: After::Relu6, ..Options::PLAIN };
    let sizes =
        [(6, 1, relu6), (6, 3, Options { groups: Groups::Depthwise, ..relu6 }), (2, 1, relu6)];
    let stages: Vec<Stage> = stages(2, &sizes, &mut inputs)
        .into_iter()
        .map(|stage| Stage { weight: stage.weight.require_grad(), given: None, ..stage })
        .collect();
    let x = inputs.normal([3, 2, 5, 5], 0.1);
    let slopes = |output: Tensor<4>| {
        let gradients = output.square().sum().backward();
        let of_stage = |stage: &Stage| stage.weight.grad(&gradients).expect("it takes part");
        stages.iter().map(of_stage).map(bits).collect::<Vec<_>>()
    };
    let found = slopes(conv_norms(x.clone(), stages.clone()).0);
    let expected = slopes(each(x, stages.clone()).0);
    assert_eq!(found, expected);
    assert!(found.iter().all(|slopes| slopes.iter().any(|bits| *bits != 0)));
}
