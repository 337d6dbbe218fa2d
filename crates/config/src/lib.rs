//! Configuration: text with spans, to message tree, to validated, to typed values.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod source;
pub mod span;
pub mod text;
