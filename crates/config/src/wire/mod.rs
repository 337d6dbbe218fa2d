//! Messages from protobuf's binary format: `.pb` files, resources from a server.
//!
//! What is not in the API's tables is refused, as Envoy refuses unknown fields. Limits: 100 nested
//! messages, and as many values as the bytes can hold. Values from bytes have no place in a text.
//!
//! Difference from Envoy: bytes that are no message are an error (Envoy takes what it could read).

mod message;
mod reader;
#[cfg(test)]
mod tests;
mod wellknown;

use nuncio_api as api;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;
use crate::tree::Message;

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

/// Decodes a message; on error the findings say why.
pub fn decode(
    descriptor: api::Message,
    bytes: &[u8],
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let root = descriptor.full_name();
    match message::decode(descriptor, bytes, DEPTH) {
        Ok(message) => return Some(message),
        Err(Broken::Format(why)) => {
            diagnostics.error(Span::NONE, format!("no message `{root}`: {why}"));
        }
        Err(Broken::UnknownField(message, number)) => {
            let name = message.full_name();
            let at = if name == root { "root" } else { root };
            diagnostics
                .error(Span::NONE, format!("there is no field number {number} in `{name}`"))
                .envoy(format!(
                    "Protobuf message (type {name}({at}) with unknown field set {{{number}}}) has unknown fields"
                ));
        }
        Err(Broken::UnknownType(type_url)) => {
            diagnostics.error(Span::NONE, format!("there is no type `{type_url}`"));
        }
        Err(Broken::TypedStruct(findings)) => {
            findings
                .into_iter()
                .for_each(|finding| diagnostics.push(finding));
        }
    }
    None
}
