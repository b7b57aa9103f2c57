//! What a step lowers.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::Lesson;

/// What another network answers.
pub(crate) struct Teacher {
    /// Without a graph, `[b, classes]`.
    pub(crate) probabilities: Tensor<2>,
    /// Of the loss that is against them.
    pub(crate) share: f64,
}

/// The mean loss over the images, in nats.
pub(crate) fn loss(
    lesson: &Lesson<'_>,
    teacher: Option<&Teacher>,
    logits: Tensor<2>,
    label_smoothing: f64,
) -> Tensor<1> {
    let device = logits.device();
    let against =
        |own: &[i32]| cross_entropy(logits.clone(), on_device(own, &device), label_smoothing);
    let hard = match lesson.mixed {
        None => against(&lesson.batch.labels),
        Some((others, share)) => {
            against(&lesson.batch.labels) * share + against(others) * (1.0 - share)
        }
    };
    let Some(Teacher { probabilities, share }) = teacher else { return hard };
    let probabilities = Tensor::from_inner(probabilities.clone());
    let soft = -(log_softmax(logits, 1) * probabilities).sum_dim(1).mean();
    hard * (1.0 - share) + soft * *share
}

/// Labels where the logits are.
pub(crate) fn on_device(labels: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(labels.to_vec(), [labels.len()]), device)
}

/// Mean cross-entropy in nats against labels of which `smoothing` is spread over all classes.
pub(crate) fn cross_entropy(
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    smoothing: f64,
) -> Tensor<1> {
    let [b, _] = logits.dims();
    let log_probabilities = log_softmax(logits, 1);
    let right = log_probabilities.clone().gather(1, labels.reshape([b, 1])).mean();
    if smoothing <= 0.0 {
        return -right;
    }
    -(right * (1.0 - smoothing) + log_probabilities.mean() * smoothing)
}
