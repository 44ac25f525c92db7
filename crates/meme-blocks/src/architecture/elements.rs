//! What mixes positions inside the two branches of an inception mixer.

use serde::{Deserialize, Serialize};

/// What stands behind the first 1x1 convolution of a mixer's high-frequency branch. All of them act on each channel by
/// itself and keep the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HighElement {
    /// A depthwise 3x3 convolution (iFormer).
    #[default]
    Depthwise,
    /// A depthwise 3x3 convolution whose taps stand two pixels apart: it sees 5 x 5 pixels for the price of nine (Yu
    /// and Koltun, arXiv 1511.07122, whose second layer has the same step).
    Dilated,
    /// A depthwise 7x7 convolution (ConvNeXt, arXiv 2201.03545, section 2.5, finds that larger ones gain no more).
    LargeKernel,
    /// A learned filter in the frequency domain (GFNet, Rao et al., arXiv 2107.00645): each frequency of the map is
    /// multiplied by a complex number of its own. The map's edges meet: it is a circular convolution.
    ///
    /// The numbers stand for 16 x 9 frequencies, those of a 16 x 16 map, and are interpolated in between, so that a
    /// filter is the same function of cycles per pixel at any size; it reaches about 16 pixels to each side. They start
    /// as 1, which changes nothing: GFNet's noise would scatter a map before anything is learned.
    Fourier,
}

/// What stands over the pooled map of a mixer's low-frequency branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LowElement {
    /// Multi-head attention without an output projection (iFormer).
    #[default]
    Attention,
    /// The same queries, keys and values, in time linear in the positions: queries become a softmax over the numbers
    /// of a head, keys one over the positions, and their product with the values is taken from the right (Shen et al.,
    /// arXiv 1812.01243). Its weights are positive and add up to one, as attention's, and nothing is divided by a
    /// learned sum, as it is with the features elu + 1 of Katharopoulos et al. (arXiv 2006.16236).
    LinearAttention,
    /// As [`HighElement::Dilated`].
    Dilated,
    /// As [`HighElement::LargeKernel`].
    LargeKernel,
    /// As [`HighElement::Fourier`].
    Fourier,
}
