//! From protobuf to JSON: what a service answers becomes what a client reads.
//!
//! Fields come in the order of their numbers. What is wrong is told in the words of Envoy's library; what it ends the
//! process for (entries of maps without key or value) is read as protobuf says, with defaults.

mod field;
mod message;
mod sink;
mod special;

use crate::descriptor::{MessageId, Pool};

/// How JSON is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// With line ends and blanks.
    pub whitespace: bool,
    /// With fields that have their defaults.
    pub defaults: bool,
    /// With the numbers of enums.
    pub enums_as_numbers: bool,
    /// With the names that the file has.
    pub file_names: bool,
}

/// Why a message can't be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The words.
    pub words: String,
    /// Whether it is a type that nobody knows, not a message that is wrong.
    pub is_unknown_type: bool,
}

impl Fault {
    fn of(words: impl Into<String>) -> Self {
        Fault {
            words: words.into(),
            is_unknown_type: false,
        }
    }
}

/// A message as JSON.
pub fn json(pool: &Pool, id: MessageId, message: &[u8], print: Print) -> Result<Vec<u8>, Fault> {
    let mut sink = sink::Sink::new(print.whitespace);
    message::put(&mut sink, pool, id, message, print, 0)?;
    Ok(sink.finish())
}
