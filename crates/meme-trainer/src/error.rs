//! What can go wrong while training.

use std::path::PathBuf;

/// Why training stopped or could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loss or a gradient was NaN or infinite; nothing was updated.
    #[error(
        "{what} is not finite ({value}): {place}, in the update of images {first}..{end} with \
         seed {seed}; the update was not made, the last good state is kept; lower the learning \
         rate or look at these images"
    )]
    NotFinite {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// The value found.
        value: f64,
        /// The first image it was found at, or the parameters whose gradients it was found in.
        place: String,
        /// Image counter of the first image of the batch.
        first: u64,
        /// One past the last image counter of the batch.
        end: u64,
        /// Seed of every draw.
        seed: u64,
    },
    /// The run folder was made by another configuration.
    #[error(
        "{folder} holds a run of another configuration:\n{difference}\n\
         use another folder, change the configuration back, or say that the change is meant"
    )]
    OtherConfiguration {
        /// The run folder.
        folder: PathBuf,
        /// One line for every field that differs.
        difference: String,
    },
    /// There are checkpoints, and all of them are damaged or cannot be read.
    #[error(
        "{folder} holds a run, but none of its checkpoints is good:\n{reasons}\n\
         make them readable again, or move the folder away to begin anew"
    )]
    NoGoodCheckpoint {
        /// The run folder.
        folder: PathBuf,
        /// One line for each checkpoint.
        reasons: String,
    },
    /// A number in the training configuration makes no sense.
    #[error("train.{field}: {rule}, but it is {value}")]
    Configuration {
        /// The field.
        field: &'static str,
        /// What must hold.
        rule: &'static str,
        /// What was given.
        value: String,
    },
    /// A value of the data is NaN or infinite.
    #[error(
        "array {index} of the data holds {value} at position {position} (image counter {image}): \
         no noise was added to it and no update was made; mend or remove it"
    )]
    DataNotFinite {
        /// Which array of the data.
        index: usize,
        /// Where in the array, in its order `[C, H, W]`.
        position: usize,
        /// The value found.
        value: f32,
        /// Counter of the image that was to be trained on.
        image: u64,
    },
    /// The data cannot serve this objective.
    #[error("{what}")]
    Data {
        /// What does not fit.
        what: String,
    },
    /// A checkpoint's manifest lacks something or does not make sense.
    #[error("{checkpoint}: manifest field `{field}` is missing or malformed")]
    Manifest {
        /// The checkpoint folder.
        checkpoint: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The loader thread ended without a word.
    #[error("the data loader stopped before image {image}")]
    LoaderGone {
        /// The image counter that was waited for.
        image: u64,
    },
    /// The thread that writes checkpoints ended without a word.
    #[error("the thread that writes checkpoints panicked; the checkpoint before it is good")]
    WriterGone,
    /// A thread that trained a network ended without a word.
    #[error("the thread that trained {name} panicked; its last checkpoint is good")]
    TrainingGone {
        /// What was trained.
        name: String,
    },
    /// Reading or preparing a batch failed.
    #[error(transparent)]
    Images(#[from] meme_data::Error),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] meme_torch::Error),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] meme_checkpoint::Error),
    /// The router refused.
    #[error(transparent)]
    Router(#[from] meme_router::Error),
    /// The objective's own failure, from the network for instance.
    #[error("{0}")]
    Objective(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps a failure of the caller's network or data.
    pub fn objective(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Objective(Box::new(error))
    }
}
