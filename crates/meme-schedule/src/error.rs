//! What can be wrong with a description, and what to do about it.

/// Everything that this crate refuses.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A schedule without steps.
    #[error("a schedule has at least one step; `steps` is 0")]
    NoSteps,
    /// A parameter outside its range.
    #[error("`{name}` of the {of} is {value}; {needed}")]
    Parameter {
        /// Which schedule, grid or weight.
        of: &'static str,
        /// Which of its parameters.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it should be.
        needed: &'static str,
    },
    /// A beta outside (0, 1].
    #[error(
        "beta at index {index} is {value}; betas lie above 0 and below 1, and only the last may be 1"
    )]
    Beta {
        /// Where.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// An alpha-bar table that does not fall from below 1 towards 0.
    #[error(
        "alpha-bar at index {index} is {value}; the table must fall strictly, from below 1, and only \
         its last entry may be 0"
    )]
    AlphaBar {
        /// Where.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// Zero-terminal-SNR rescaling of a single step.
    #[error("rescaling to zero terminal SNR needs at least two steps, there is one")]
    OneStep,
    /// A parametrisation that cannot be undone at some index.
    #[error(
        "a network that predicts {parametrisation} cannot serve a schedule whose last index is pure \
         noise: nothing of the image can be computed from it; use velocity or sample"
    )]
    PureNoise {
        /// What the network predicts.
        parametrisation: &'static str,
    },
    /// A grid of no steps, or of more than the schedule has.
    #[error("{steps} sampling steps were asked of a schedule of {total}; ask for 1 to {total}")]
    GridSteps {
        /// How many were asked for.
        steps: usize,
        /// How many the schedule has.
        total: usize,
    },
    /// A grid that depends on the noise levels, asked for without them.
    #[error(
        "the {grid} grid depends on the schedule's noise levels; use `Grid::on` with a schedule"
    )]
    NeedsSchedule {
        /// Which grid.
        grid: &'static str,
    },
    /// An explicit grid that does not rise within the schedule.
    #[error(
        "entry {entry} of the explicit grid is {index}; indices must rise strictly and stay below \
         {total}"
    )]
    GridIndex {
        /// Which entry, counted from 0.
        entry: usize,
        /// What stands there.
        index: usize,
        /// How many indices the schedule has.
        total: usize,
    },
    /// An explicit grid asked for another number of steps than it has.
    #[error("the explicit grid has {len} indices, but {steps} sampling steps were asked for")]
    GridLength {
        /// How many it has.
        len: usize,
        /// How many were asked for.
        steps: usize,
    },
}
