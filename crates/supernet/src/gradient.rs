//! The gradient of the loss along one path.

use burn::tensor::{Gradients, Tensor};
use serde::{Deserialize, Serialize};
use space::Arch;

use crate::checkpoint::to_host;
use crate::optimizer::{self, Sum};
use crate::{Network, Pass, SupernetError};

/// What a gradient keeps of its way forward until its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The activations that the way back needs, but for those that are as fast to compute again.
    Activations,
    /// What enters each part of the network: on the way back the part is computed again, so that the activations of
    /// one are in memory at a time (Chen et al. 2016), for the time of one more way forward. On the processor the
    /// same bits.
    PartInputs,
}

/// A way forward along one path of a network, and back.
pub(crate) struct RoundTrip<'a, N> {
    pub(crate) network: &'a N,
    pub(crate) arch: &'a Arch,
    /// By the statistics of the batch.
    pub(crate) pass: Pass<'static>,
}

/// What a way forward and back gives.
pub(crate) struct Backward {
    /// Without a graph, `[1]`; where it lies, since to wait for it here would hold up what follows on a card.
    pub(crate) loss: Tensor<1>,
    /// Of the parameters on the path.
    pub(crate) gradients: Sum,
    /// Without a graph, `[b, classes]`.
    pub(crate) logits: Tensor<2>,
}

impl<N: Network> RoundTrip<'_, N> {
    /// Goes forward, and back from the loss of the logits.
    ///
    /// # Shapes
    ///
    /// - `images`: `[b, c, h, w]`, without a graph
    pub(crate) fn run(
        self,
        images: Tensor<4>,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
        kept: Kept,
    ) -> Backward {
        match kept {
            Kept::Activations => self.keeping_activations(images, loss),
            Kept::PartInputs => self.keeping_part_inputs(images, loss),
        }
    }

    fn keeping_activations(
        mut self,
        images: Tensor<4>,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> Backward {
        let Self { network, arch, pass } = &mut self;
        let logits = network.forward(Tensor::from_inner(images), arch, pass);
        let value = logits.clone().inner();
        let (loss, found) = back(loss(logits));
        let mut gradients = Sum::new();
        optimizer::add(&mut gradients, *network, found);
        Backward { loss, gradients, logits: value }
    }

    fn keeping_part_inputs(
        mut self,
        images: Tensor<4>,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> Backward {
        let Self { network, arch, pass } = &mut self;
        let (n_parts, without_graph) = (network.n_parts(), network.valid());
        let mut x = images;
        let mut entered = Vec::with_capacity(n_parts);
        for part in 0..n_parts {
            pass.enter(part, n_parts);
            entered.push((x.clone(), pass.again()));
            x = without_graph.forward_part(part, x, arch, pass);
        }

        let x = Tensor::from_inner(x).require_grad();
        let logits = network.forward_head(x.clone(), pass);
        let value = logits.clone().inner();
        let (loss, mut found) = back(loss(logits));
        let mut slope = x.grad_remove(&mut found);
        let mut gradients = Sum::new();
        optimizer::add(&mut gradients, *network, found);
        for (part, (x, mut pass)) in entered.into_iter().enumerate().rev() {
            // Before a part that gives zeros whatever enters it nothing has a gradient.
            let Some(of_output) = slope else { break };
            let x = Tensor::from_inner(x).require_grad();
            let output = network.forward_part(part, x.clone(), arch, &mut pass);
            let mut found = back_from(output, of_output);
            slope = x.grad_remove(&mut found);
            optimizer::add(&mut gradients, *network, found);
        }
        Backward { loss, gradients, logits: value }
    }
}

/// The loss without its graph, and its gradients.
fn back(loss: Tensor<1>) -> (Tensor<1>, Gradients) {
    (loss.clone().inner(), loss.backward())
}

/// The losses along some paths as numbers; an error if one is none.
pub(crate) fn numbers(losses: Vec<Tensor<1>>, archs: &[Arch]) -> Result<Vec<f64>, SupernetError> {
    let losses = to_host(Tensor::cat(losses, 0)).into_iter().map(f64::from);
    let check = |(loss, arch): (f64, &Arch)| {
        let fault = || SupernetError::Loss { loss, arch: arch.clone() };
        loss.is_finite().then_some(loss).ok_or_else(fault)
    };
    losses.zip(archs).map(check).collect()
}

/// The gradients of whatever the output was made of, from its own.
///
/// # Shapes
///
/// - `output` and `slope`: `[b, c, h, w]`
fn back_from(output: Tensor<4>, slope: Tensor<4>) -> Gradients {
    // burn goes back from a scalar that has a graph, which an output of zeros has not.
    let anchor = Tensor::<1>::zeros([1], &output.device()).require_grad();
    ((output * Tensor::from_inner(slope)).sum() + anchor).backward()
}
