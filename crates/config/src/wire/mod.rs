//! Messages from protobuf's binary format and to it: `.pb` files, resources from a server ([`discovery`]), requests to it.
//!
//! What is not in the API's tables is refused, as Envoy refuses unknown fields; in resources from a server it is passed
//! over and told. Limits: 100 nested
//! messages, and as many values as the bytes can hold. Values from bytes have no place in a text.
//!
//! Difference from Envoy: bytes that are no message are an error (Envoy takes what it could read).

pub mod discovery;
mod encode;
mod message;
mod reader;
#[cfg(test)]
mod tests;
mod wellknown;
mod writer;

use nuncio_api as api;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;
use crate::tree::Message;

pub use encode::encode;

/// Messages may be nested so deep, as in protobuf's own parser.
const DEPTH: usize = 100;

/// Why bytes are no message of the type.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Broken {
    /// The bytes break the format.
    Format(&'static str),
    /// A field that the message does not have.
    UnknownField(api::Message, u32),
    /// A type that an `Any` names and nobody knows.
    UnknownType(String),
    /// A structure does not read as the type that its `TypedStruct` names; the findings say why.
    TypedStruct(Vec<Diagnostic>),
}

/// How many messages with such fields are told of, and how many fields of each: the rest is passed over in silence.
const MOST_TOLD: usize = 100;

/// What becomes of fields that a message does not have.
pub(crate) enum Unknown<'f> {
    /// They are an error.
    Refused,
    /// They are passed over, and told here; with the names of the messages that the one at hand is in.
    Told(&'f mut Vec<UnknownFieldSet>, Vec<&'static str>),
}

/// Fields that a message does not have.
#[derive(Clone, PartialEq, Debug)]
pub struct UnknownFieldSet {
    message: api::Message,
    /// What it is in, from the outside.
    parents: String,
    numbers: Vec<u32>,
}

impl UnknownFieldSet {
    /// What is said of them, and how Envoy says it where they are an error.
    pub fn finding(&self) -> Diagnostic {
        let name = self.message.full_name();
        let numbers: Vec<String> = self.numbers.iter().map(ToString::to_string).collect();
        let numbers = numbers.join(", ");
        let at = match self.parents.as_str() {
            "" => "root",
            parents => parents,
        };
        Diagnostic::error(Span::NONE, format!("there is no field number {numbers} in `{name}`")).with_envoy(
            format!(
                "Protobuf message (type {name}({at}) with unknown field set {{{numbers}}}) has unknown fields"
            ),
        )
    }
}

impl Unknown<'_> {
    /// Takes one up among those of a message.
    fn found(
        &self,
        message: api::Message,
        number: u32,
        numbers: &mut Vec<u32>,
    ) -> Result<(), Broken> {
        match self {
            Unknown::Refused => Err(Broken::UnknownField(message, number)),
            Unknown::Told(..) => {
                if numbers.len() < MOST_TOLD {
                    numbers.push(number);
                }
                Ok(())
            }
        }
    }

    /// A message begins; where those of it are to be told.
    fn enter(&mut self, message: api::Message) -> usize {
        match self {
            Unknown::Refused => 0,
            Unknown::Told(found, parents) => {
                parents.push(message.full_name());
                found.len()
            }
        }
    }

    /// It ends.
    fn leave(&mut self, message: api::Message, at: usize, numbers: Vec<u32>) {
        let Unknown::Told(found, parents) = self else {
            return;
        };
        parents.pop();
        if !numbers.is_empty() && found.len() < MOST_TOLD {
            let parents = parents.join("::");
            let fields = UnknownFieldSet {
                message,
                parents,
                numbers,
            };
            found.insert(at.min(found.len()), fields);
        }
    }

    /// The same for what is in an `Any`, which is checked by itself.
    fn apart(&mut self) -> Unknown<'_> {
        match self {
            Unknown::Refused => Unknown::Refused,
            Unknown::Told(found, _) => Unknown::Told(found, Vec::new()),
        }
    }
}

/// Decodes a message; on error the findings say why.
pub fn decode(
    descriptor: api::Message,
    bytes: &[u8],
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let decoded = message::decode(descriptor, bytes, DEPTH, &mut Unknown::Refused);
    decoded
        .map_err(|broken| tell(broken, descriptor.full_name(), diagnostics))
        .ok()
}

/// Says why bytes are no message of the type `root`.
fn tell(broken: Broken, root: &str, diagnostics: &mut Diagnostics) {
    match broken {
        Broken::Format(why) => {
            diagnostics.error(Span::NONE, format!("no message `{root}`: {why}"));
        }
        Broken::UnknownField(message, number) => {
            let parents = match message.full_name() {
                name if name == root => String::new(),
                _ => root.to_owned(),
            };
            let numbers = vec![number];
            let fields = UnknownFieldSet {
                message,
                parents,
                numbers,
            };
            diagnostics.push(fields.finding());
        }
        Broken::UnknownType(type_url) => {
            diagnostics.error(Span::NONE, format!("there is no type `{type_url}`"));
        }
        Broken::TypedStruct(findings) => {
            findings
                .into_iter()
                .for_each(|finding| diagnostics.push(finding));
        }
    }
}
