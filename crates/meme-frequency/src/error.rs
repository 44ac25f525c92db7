//! What can be wrong, with its place.

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in a frequency analysis.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A map has no pixels.
    #[error("a map of {height} x {width} has no pixels")]
    NoPixels {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A map has another size than those before it.
    #[error("a map of {found_height} x {found_width} cannot join maps of {height} x {width}")]
    Size {
        /// Rows expected.
        height: usize,
        /// Columns expected.
        width: usize,
        /// Rows found.
        found_height: usize,
        /// Columns found.
        found_width: usize,
    },
    /// A map holds something that has no spectrum.
    #[error(
        "map {plane} holds {value} at row {row}, column {column}; only finite numbers have a spectrum"
    )]
    Value {
        /// Which map of the call, counted over samples and channels.
        plane: usize,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A result was asked for before anything was added.
    #[error("no map was added, so there is no mean")]
    NothingAdded,
    /// Two accumulators measure differently and cannot be merged.
    #[error("spectra measured with {ours} and with {theirs} windows cannot be merged")]
    Window {
        /// Window of the one.
        ours: crate::Window,
        /// Window of the other.
        theirs: crate::Window,
    },
    /// A parameter is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// An alpha-bar is not between 0 and 1 or rises with the index.
    #[error("alpha_bar[{index}] is {value}; they must lie in 0..1 and must not rise")]
    AlphaBar {
        /// Its index.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A fit has too few points.
    #[error(
        "a power law needs at least two frequencies with positive power, and there are {count}"
    )]
    Points {
        /// Points there are.
        count: usize,
    },
    /// There are more experts than timesteps.
    #[error("{experts} experts cannot share {steps} timesteps")]
    Experts {
        /// Experts asked for.
        experts: usize,
        /// Timesteps there are.
        steps: usize,
    },
}
