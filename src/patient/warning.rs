//! What a person must know about data that was read, beyond the data itself.

use std::fmt;
use std::path::PathBuf;

/// A sentence about one file or folder of the input: what is odd about it and what was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataWarning {
    /// The file (or the folder of the series) it is about.
    pub path: PathBuf,
    /// What is odd and what was done about it, in words for a person; without the path.
    pub message: String,
}

impl DataWarning {
    /// A warning about `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for DataWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.message, self.path.display())
    }
}
