//! What a suite file says: rows to be compared, and the claims that the comparison is to settle.

use serde::{Deserialize, Serialize};
use toml::Table;

/// Rows to be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name on the command line.
    pub name: String,
    /// Its title in reports.
    pub title: String,
    /// The question it answers.
    pub about: String,
    /// Rows that `reproduce` runs unless `--rows` says otherwise.
    pub default_rows: Vec<String>,
    /// The row that ratios are taken to.
    pub reference: String,
    /// Numbers of sampling steps at which every trained row is measured besides its own.
    #[serde(default)]
    pub steps: Vec<usize>,
    /// The rows in the order of the paper's table.
    pub rows: Vec<SuiteRow>,
    /// What the paper says of these rows.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// The suite whose experiment this one changes, where it has not one of its own.
    pub(super) like: Option<String>,
    /// What all rows share.
    #[serde(default)]
    pub(super) experiment: Table,
}

/// One row of a suite and what the paper prints for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteRow {
    /// The row's name.
    pub row: String,
    /// The built-in row that it changes; the one of its own name where absent.
    pub base: Option<String>,
    /// The paper's numbers; none where the row is not the paper's.
    pub paper: Option<Paper>,
    /// What it changes.
    #[serde(default)]
    pub(super) experiment: Table,
}

/// Numbers printed in the paper, as printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Parameters.
    pub parameters: Option<String>,
    /// Multiply-adds.
    pub macs: Option<String>,
    /// FID as the paper measured it.
    pub fid: Option<f64>,
    /// How sure these numbers are.
    pub certainty: String,
}

/// Something the paper says of two rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The claim in words.
    pub text: String,
    /// What is compared.
    pub kind: ClaimKind,
    /// The row that is said to be better.
    pub row: String,
    /// The row that it is compared with.
    pub than: String,
    /// How many times faster, for [`ClaimKind::Faster`].
    pub times: Option<f64>,
}

/// What a claim compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimKind {
    /// The measured time of a sampling step at the paper's size.
    Faster,
    /// The distance of generated to real pictures.
    Closer,
    /// How much more high frequency the first expert's feature maps hold than the last one's.
    Spectra,
}
