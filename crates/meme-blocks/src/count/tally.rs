//! Adding up what a layer costs, from its sizes alone.

use std::ops::Add;

/// Height and width of a feature map, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// The size after windows of side `window` and equal stride, the last ones cut at the edge: each side divided
    /// and rounded up.
    #[must_use]
    pub fn pooled(self, window: usize) -> Self {
        let window = window.max(1);
        Size { height: self.height.div_ceil(window), width: self.width.div_ceil(window) }
    }

    /// Twice each side.
    pub(crate) fn doubled(self) -> Self {
        Size { height: 2 * self.height, width: 2 * self.width }
    }

    pub(crate) fn pixels(self) -> u128 {
        self.height as u128 * self.width as u128
    }
}

/// Kernel, groups and bias of a convolution whose cost is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Groups; as many as channels for a depthwise one.
    pub groups: usize,
    /// Whether it adds a bias.
    pub bias: bool,
}

impl ConvShape {
    /// An ungrouped convolution with bias.
    pub fn plain(input: usize, output: usize, kernel: usize) -> Self {
        ConvShape { input, output, kernel, groups: 1, bias: true }
    }
}

/// What layers cost for one sample. Tallies add up; 128 bits hold every sum of valid descriptions.
///
/// One multiply-accumulate is one multiply-add of a convolution (a grouped one counted as grouped), a linear layer
/// or one of the two products of attention, at the size at which it is applied. Biases, norms, activations,
/// softmax, pooling, resampling and additions count nothing.
///
/// How many multiplications a Fourier transform takes depends on who computes it. By convention one of a real map of
/// N pixels, or back, counts N times the logarithm of N to base 2, rounded up, as GFNet's authors count in
/// `calc_flops.py` of their `DynamicViT`; the product of a complex number of the map with one of the filter counts four.
/// Bringing a filter to the size of a map is resampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Learned numbers.
    pub parameters: u128,
    /// Multiply-accumulates of convolutions, linear layers and Fourier filters.
    pub products: u128,
    /// Multiply-accumulates of the two matrix products of attention, linear or not.
    pub attention: u128,
}

impl Tally {
    /// A convolution that puts out maps of size `output`.
    pub fn conv(shape: ConvShape, output: Size) -> Self {
        let ConvShape { input, output: channels, kernel, groups, bias } = shape;
        let weights =
            channels as u128 * (input / groups.max(1)) as u128 * (kernel * kernel) as u128;
        Tally {
            parameters: weights + if bias { channels as u128 } else { 0 },
            products: weights * output.pixels(),
            attention: 0,
        }
    }

    /// A linear layer with bias, applied to one vector.
    pub fn linear(input: usize, output: usize) -> Self {
        Self::conv(ConvShape::plain(input, output, 1), Size { height: 1, width: 1 })
    }

    /// A normalisation with one scale and one shift a channel.
    pub fn norm(channels: usize) -> Self {
        Self::table(2 * channels)
    }

    /// Parameters that multiply nothing: an embedding's table.
    pub fn table(parameters: usize) -> Self {
        Tally { parameters: parameters as u128, ..Self::default() }
    }

    /// The products of queries with keys and of weights with values, over all positions of a map.
    pub fn attention(channels: usize, size: Size) -> Self {
        let attention = 2 * channels as u128 * size.pixels() * size.pixels();
        Tally { attention, ..Self::default() }
    }

    /// The two products of linear attention: keys with values, and queries with what these give, a square of `head_dim`
    /// numbers a side for each head.
    pub fn linear_attention(channels: usize, head_dim: usize, size: Size) -> Self {
        let attention = 2 * channels as u128 * head_dim as u128 * size.pixels();
        Tally { attention, ..Self::default() }
    }

    /// [`attention`](Self::attention) with queries at all positions of a map, and keys and values from `tokens` tokens.
    pub fn cross_attention(channels: usize, size: Size, tokens: usize) -> Self {
        let attention = 2 * channels as u128 * size.pixels() * tokens as u128;
        Tally { attention, ..Self::default() }
    }
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally {
            parameters: self.parameters + other.parameters,
            products: self.products + other.products,
            attention: self.attention + other.attention,
        }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(tallies: I) -> Tally {
        tallies.fold(Tally::default(), Add::add)
    }
}
