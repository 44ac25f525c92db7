//! What the program can say went wrong.

use std::path::PathBuf;

/// A failure with its exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no preset carries.
    #[error("there is no {kind} `{name}`; known: {known}{suggestion}")]
    UnknownName {
        /// `suite`, `row`, `scale`, ...
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
        /// `; did you mean ...?` or nothing.
        suggestion: String,
    },
    /// An argument that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The installation does not work.
    #[error("{0}")]
    Broken(String),
    /// A TOML text that does not say what it must.
    #[error("{file}: {message}")]
    Toml {
        /// The file, or the preset.
        file: String,
        /// The parser's message with the line.
        message: String,
    },
    /// A folder that holds a run of something else.
    #[error(
        "{folder} holds another run:\n{difference}\nuse another folder with --run, or remove that one"
    )]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        difference: String,
    },
    /// A run that was trained with other values.
    #[error(
        "{folder} was trained with other values:\n{difference}\nuse another folder with --run, \
         change them back, or say --accept-changes: training then goes on with the new ones, and \
         the run records it"
    )]
    Changed {
        /// The folder.
        folder: PathBuf,
        /// One line for each difference.
        difference: String,
    },
    /// Rows of a suite that were trained with other values.
    #[error(
        "rows in {folder} were trained with other values:\n{difference}\nchange them back, use \
         another folder with --run, or say --redo-changed: those rows are then set aside and \
         trained again, and no others"
    )]
    ChangedRows {
        /// The suite's folder.
        folder: PathBuf,
        /// One line for each difference.
        difference: String,
    },
    /// Values that cannot change in a run.
    #[error(
        "{folder} holds weights of another network, which this one cannot take over:\n{difference}\n\
         use another folder with --run"
    )]
    OtherNetwork {
        /// The folder.
        folder: PathBuf,
        /// One line for each difference.
        difference: String,
    },
    /// A folder that should hold a run and does not.
    #[error(
        "{folder} holds no run: {missing} is missing; `meme train NAME --run {folder}` or `meme reproduce` makes one"
    )]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// The file that was looked for.
        missing: String,
    },
    /// A checkpoint of another project, or for one, that cannot be taken over.
    #[error("{path}: {reason}")]
    Exchange {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An expert that has no checkpoint yet.
    #[error("{run}: expert {expert} has no checkpoint yet; train it first")]
    NotTrained {
        /// The run folder.
        run: PathBuf,
        /// The expert's number.
        expert: usize,
    },
    /// A signal asked to stop; everything is saved.
    #[error("stopped; everything is saved, the same command goes on from here")]
    Stopped,
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of a run that does not say what it must.
    #[error("{path}: {message}; remove it to have it made again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A figure that cannot be drawn.
    #[error("figure {name}: {reason}")]
    Figure {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A task of several that ran side by side.
    #[error("{task}: {source}")]
    Task {
        /// Its name.
        task: String,
        /// Its failure.
        source: Box<Error>,
    },
    /// From the pictures.
    #[error(transparent)]
    Data(#[from] meme_data::Error),
    /// From libtorch.
    #[error(transparent)]
    Torch(#[from] meme_torch::Error),
    /// From a network.
    #[error(transparent)]
    Blocks(#[from] meme_blocks::Error),
    /// From a first stage.
    #[error(transparent)]
    FirstStage(#[from] meme_autoencoder::Error),
    /// From a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] meme_checkpoint::Error),
    /// From the noise schedule.
    #[error(transparent)]
    Schedule(#[from] meme_schedule::Error),
    /// From the router.
    #[error(transparent)]
    Router(#[from] meme_router::Error),
    /// From a sampler.
    #[error(transparent)]
    Sampler(#[from] meme_sampler::Error),
    /// From the trainer.
    #[error(transparent)]
    Trainer(#[from] meme_trainer::Error),
    /// From a metric.
    #[error(transparent)]
    Metrics(#[from] meme_metrics::Error),
    /// From the frequency analysis.
    #[error(transparent)]
    Frequency(#[from] meme_frequency::Error),
}

/// The program's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// 2 for a wrong command line, 75 for a stop with everything saved, 1 for any other failure.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::UnknownName { .. } | Self::Usage(_) => 2,
            Self::Stopped => meme_trainer::STOPPED_EXIT_CODE,
            Self::Task { source, .. } => source.exit_code(),
            _ => 1,
        }
    }

    /// An unknown name, with the nearest known one where it is near.
    pub fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let nearest = known.iter().min_by_key(|candidate| distance(name, candidate));
        let suggestion = nearest
            .filter(|candidate| distance(name, candidate) <= 2)
            .map_or(String::new(), |candidate| format!("; did you mean `{candidate}`?"));
        Self::UnknownName { kind, name: name.into(), known: known.join(", "), suggestion }
    }
}

/// Wraps an I/O error with its path.
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let near = Error::unknown("suite", "ffqh", ["ffhq", "celebahq"]).to_string();
        assert_eq!(near, "there is no suite `ffqh`; known: ffhq, celebahq; did you mean `ffhq`?");
        let far = Error::unknown("suite", "cars", ["ffhq", "celebahq"]).to_string();
        assert!(!far.contains("did you mean"));
    }
}
