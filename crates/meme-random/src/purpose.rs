//! What a draw is for.

/// What a draw is for: one field of its address, so that two uses of the same seed and image never
/// see the same numbers.
///
/// The numbers are part of every saved run: they are never reused and never renumbered.
/// They stay below 2^15, because the bit above them belongs to
/// [`Permutation`](crate::Permutation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// Initial weights of a network.
    Initialisation = 1,
    /// The timestep of a training image.
    Timestep = 2,
    /// Who gets which share of a batch: how timesteps are assigned to the images of a batch where
    /// they are drawn together.
    Assignment = 3,
    /// The noise added to a training image.
    Noise = 4,
    /// The order of images within an epoch.
    Shuffle = 5,
    /// Which images belong to training and which to validation.
    Split = 6,
    /// Mirroring of a training image.
    Flip = 7,
    /// Dropout masks.
    Dropout = 8,
    /// The noise from which a sample starts.
    Sample = 9,
    /// The noise that a stochastic sampler adds on its way.
    SampleStep = 10,
    /// Timesteps and noise of the validation loss.
    Validation = 11,
    /// Built-in synthetic faces.
    Faces = 12,
    /// Weights of a random feature network.
    Features = 13,
    /// Resampling for confidence intervals.
    Bootstrap = 14,
    /// Anything that only a test asks for.
    Test = 15,
}

impl Purpose {
    /// Every purpose, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::Initialisation,
        Self::Timestep,
        Self::Assignment,
        Self::Noise,
        Self::Shuffle,
        Self::Split,
        Self::Flip,
        Self::Dropout,
        Self::Sample,
        Self::SampleStep,
        Self::Validation,
        Self::Faces,
        Self::Features,
        Self::Bootstrap,
        Self::Test,
    ];

    /// The number that stands in the counter.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}
