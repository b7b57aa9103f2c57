//! What the layers of a network cost, one after the other, without building it.

use crate::Cost;

/// The number of channels nearest to a scaled one that is a multiple of eight, at least eight and
/// not below nine tenths of it (Sandler et al. 2018, *MobileNetV2*).
///
/// # Examples
///
/// ```
/// assert_eq!(space::multiple_of_eight(24.0 * 1.4), 32);
/// assert_eq!(space::multiple_of_eight(16.0 * 1.2), 24); // 16 would be less than nine tenths.
/// ```
pub fn multiple_of_eight(channels: f64) -> usize {
    let eighths = ((channels + 4.0) / 8.0).floor().max(1.0);
    let rounded = if 8.0 * eighths < 0.9 * channels { eighths + 1.0 } else { eighths };
    8 * rounded as usize
}

/// Follows a feature map through the layers of a network and adds up what they cost.
///
/// Counted are the multiply-adds of convolutions and linear layers, and all trained numbers, those of
/// batch norms included.
///
/// # Examples
///
/// ```
/// use space::{Cost, Tally};
///
/// let mut tally = Tally::new([3, 8, 8]);
/// tally.conv(16, 3, 2).norm();
/// assert_eq!(tally.shape(), [16, 4, 4]);
/// assert_eq!(tally.cost(), Cost { parameters: 3 * 16 * 9 + 32, macs: 3 * 16 * 9 * 16 });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    shape: [usize; 3],
    cost: Cost,
}

impl Tally {
    /// Nothing spent yet, before a feature map of this many channels, rows and columns.
    pub fn new(shape: [usize; 3]) -> Self {
        Self { shape, cost: Cost::default() }
    }

    /// Channels, height and width after the layers so far.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// What the layers so far cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// A dense convolution without bias, padded by half of its kernel.
    pub fn conv(&mut self, n_out: usize, kernel: usize, stride: usize) -> &mut Self {
        let n_in = self.shape[0];
        self.weights(n_in * n_out * kernel * kernel, n_out, stride)
    }

    /// A convolution of each channel with its own kernel.
    pub fn depthwise(&mut self, kernel: usize, stride: usize) -> &mut Self {
        let channels = self.shape[0];
        self.weights(channels * kernel * kernel, channels, stride)
    }

    /// The trained scale and shift of each channel.
    pub fn norm(&mut self) -> &mut Self {
        self.cost.parameters += 2 * self.shape[0] as u64;
        self
    }

    /// A gate for each channel from the means of all, through `n_mid` numbers: two layers with bias
    /// (Hu et al. 2018, *Squeeze-and-Excitation Networks*).
    pub fn squeeze_excite(&mut self, n_mid: usize) -> &mut Self {
        let weights = (2 * self.shape[0] * n_mid) as u64;
        self.cost.parameters += weights + (self.shape[0] + n_mid) as u64;
        self.cost.macs += weights;
        self
    }

    /// The mean of each channel.
    pub fn global_pool(&mut self) -> &mut Self {
        self.shape = [self.shape[0], 1, 1];
        self
    }

    /// A linear layer with bias on all numbers of the feature map.
    pub fn linear(&mut self, n_out: usize) -> &mut Self {
        let weights = (self.shape.iter().product::<usize>() * n_out) as u64;
        self.cost.parameters += weights + n_out as u64;
        self.cost.macs += weights;
        self.shape = [n_out, 1, 1];
        self
    }

    /// A layer beside the others, from whose input it was counted.
    pub fn beside(&mut self, other: Cost) -> &mut Self {
        self.cost.parameters += other.parameters;
        self.cost.macs += other.macs;
        self
    }

    fn weights(&mut self, n: usize, n_out: usize, stride: usize) -> &mut Self {
        let [_, height, width] = self.shape;
        self.shape = [n_out, height.div_ceil(stride), width.div_ceil(stride)];
        self.cost.parameters += n as u64;
        self.cost.macs += n as u64 * (self.shape[1] * self.shape[2]) as u64;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_as_published() {
        let rounded = [16.0, 22.4, 44.8, 134.4, 254.8, 1.0, 11.9, 12.0].map(multiple_of_eight);
        assert_eq!(rounded, [16, 24, 48, 136, 256, 8, 16, 16]);
    }

    #[test]
    fn layers_by_hand() {
        let mut tally = Tally::new([4, 5, 5]);
        tally.depthwise(3, 2).norm().squeeze_excite(2).conv(6, 1, 1);
        assert_eq!(tally.shape(), [6, 3, 3]);
        // 4 kernels of 9, scale and shift of 4; 2 · 4 · 2 weights and 4 + 2 biases; 4 · 6 weights.
        let expected = Cost { parameters: 36 + 8 + 16 + 6 + 24, macs: 36 * 9 + 16 + 24 * 9 };
        assert_eq!(tally.cost(), expected);
        tally.global_pool().linear(10);
        assert_eq!(tally.shape(), [10, 1, 1]);
        let with_linear = Cost { parameters: expected.parameters + 70, macs: expected.macs + 60 };
        assert_eq!(tally.cost(), with_linear);
        assert_eq!(tally.beside(with_linear).cost().macs, 2 * with_linear.macs);
    }
}
