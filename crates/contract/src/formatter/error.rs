//! Why a format string is refused. The texts are Envoy's, but for what Nuncio can't fill yet.

use std::fmt;

/// A format string that can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(Box<str>);

impl FormatError {
    /// An error with Envoy's text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        FormatError(text.into())
    }

    /// A command that Envoy knows and Nuncio can't fill yet.
    pub fn not_supported(command: &str) -> Self {
        FormatError(format!("%{command}% is not supported by Nuncio yet").into())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}
