//! What can be wrong with a description, and what to do about it.

use crate::expert::Expert;

/// Everything that this crate refuses.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Intervals were asked for no expert at all.
    #[error("there must be at least one expert")]
    NoExperts,
    /// More experts than timesteps, or than the counter of random draws can tell apart.
    #[error("{experts} experts cannot share {steps} timesteps; there can be at most {most}")]
    TooManyExperts {
        /// How many were asked for.
        experts: usize,
        /// How many timesteps there are.
        steps: usize,
        /// How many there can be.
        most: usize,
    },
    /// An expert would own nothing.
    #[error(
        "the interval of {expert} is empty: it would hold the timesteps from {from} to {to}; upper \
         ends must rise from expert to expert"
    )]
    EmptyInterval {
        /// Whose interval.
        expert: Expert,
        /// Its first timestep.
        from: usize,
        /// Its last timestep.
        to: usize,
    },
    /// Nobody owns some timesteps.
    #[error("timesteps {from} to {to}, before the interval of {expert}, belong to nobody")]
    Gap {
        /// The expert after the gap.
        expert: Expert,
        /// The first timestep of the gap.
        from: usize,
        /// The last timestep of the gap.
        to: usize,
    },
    /// Two experts own the same timesteps.
    #[error(
        "the interval of {expert} starts at timestep {from}, but the one before it ends at {end}; \
         give the intervals in rising order and without overlap"
    )]
    Overlap {
        /// The second of the two experts.
        expert: Expert,
        /// Its first timestep.
        from: usize,
        /// The last timestep of the expert before.
        end: usize,
    },
    /// The intervals do not end where the schedule does.
    #[error(
        "the interval of {expert}, the last, ends at timestep {end}, but there are {steps} timesteps"
    )]
    WrongEnd {
        /// The last expert.
        expert: Expert,
        /// Its last timestep.
        end: usize,
        /// The last timestep there is.
        steps: usize,
    },
    /// An index outside the table.
    #[error("index {index} is outside 0..{steps}")]
    IndexOutOfRange {
        /// The index.
        index: usize,
        /// How many there are.
        steps: usize,
    },
    /// An expert that does not exist.
    #[error("there is no {expert}: there are {experts}, counted from 1")]
    UnknownExpert {
        /// The expert asked for.
        expert: Expert,
        /// How many there are.
        experts: usize,
    },
    /// Experts are counted from 1.
    #[error("experts are counted from 1; there is no expert 0")]
    ExpertZero,
    /// Timesteps are counted from 1.
    #[error("timesteps are counted from 1; timestep 0 is the clean image, which nobody denoises")]
    TimestepZero,
    /// A probability outside [0, 1].
    #[error("p of {expert} is {value}; a probability lies between 0 and 1")]
    Probability {
        /// Whose probability (expert 1 for a constant one).
        expert: Expert,
        /// What was given.
        value: f64,
    },
    /// As many probabilities as experts are needed.
    #[error("{given} values of p were given for {experts} experts; give one for each")]
    ProbabilityCount {
        /// How many were given.
        given: usize,
        /// How many experts there are.
        experts: usize,
    },
    /// Complement assignment with an expert that owns every timestep.
    #[error(
        "{expert} owns every timestep, so there is no complement to draw from with probability \
         1 - p = {rest}; use p = 1 or another assignment"
    )]
    NoComplement {
        /// The only expert.
        expert: Expert,
        /// The probability with which the complement would be drawn.
        rest: f64,
    },
    /// A table that boundaries are made from has an unusable entry.
    #[error("the {table} at index {index} is {value}; {needed}")]
    BadValue {
        /// What the table holds.
        table: &'static str,
        /// Where.
        index: usize,
        /// What stands there.
        value: f64,
        /// What should.
        needed: &'static str,
    },
    /// A similarity matrix that is not square.
    #[error("a similarity matrix has one row and one column per timestep; {len} is no square")]
    NotSquare {
        /// How many entries were given.
        len: usize,
    },
    /// Groups that are not the rows of one batch.
    #[error("the groups are not a batch taken apart: row {row} is missing or stands twice")]
    NotAPartition {
        /// The first row that is wrong.
        row: usize,
    },
    /// Another number of answers than rows.
    #[error("{expert} was given {rows} rows and gave back {answers} answers")]
    AnswerCount {
        /// Whose answers.
        expert: Expert,
        /// How many rows it was given.
        rows: usize,
        /// How many answers came back.
        answers: usize,
    },
    /// Another number of groups of answers than groups of rows.
    #[error("{groups} experts were asked, but {answers} sets of answers came back")]
    GroupCount {
        /// How many groups there are.
        groups: usize,
        /// How many sets of answers.
        answers: usize,
    },
    /// Another number of networks than intervals.
    #[error("{networks} networks were given for {experts} intervals; give one for each")]
    NetworkCount {
        /// How many networks.
        networks: usize,
        /// How many intervals.
        experts: usize,
    },
}
