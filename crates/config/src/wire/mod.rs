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

/// What becomes of fields that a message does not have.
pub(crate) enum Unknown<'f> {
    /// They are an error.
    Refused,
    /// They are passed over, and told here.
    Told(&'f mut Vec<UnknownField>),
}

/// A field that a message does not have.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct UnknownField {
    message: api::Message,
    number: u32,
}

impl UnknownField {
    /// What is said of it, and how Envoy says it where it is an error in a message of type `root`.
    pub fn finding(&self, root: &str) -> Diagnostic {
        let UnknownField { message, number } = self;
        let name = message.full_name();
        let at = if name == root { "root" } else { root };
        Diagnostic::error(Span::NONE, format!("there is no field number {number} in `{name}`")).with_envoy(
            format!(
                "Protobuf message (type {name}({at}) with unknown field set {{{number}}}) has unknown fields"
            ),
        )
    }
}

impl Unknown<'_> {
    fn found(&mut self, message: api::Message, number: u32) -> Result<(), Broken> {
        match self {
            Unknown::Refused => Err(Broken::UnknownField(message, number)),
            Unknown::Told(found) => {
                found.push(UnknownField { message, number });
                Ok(())
            }
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
            diagnostics.push(UnknownField { message, number }.finding(root));
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
