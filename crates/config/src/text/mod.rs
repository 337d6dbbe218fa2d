//! YAML and JSON text to one tree of [`Node`]s, each with its span.
//!
//! The dialects are Envoy's: YAML as yaml-cpp and Envoy's `parseYamlNode` read it, JSON as protobuf's
//! lenient reader does. Limits: [`Limits`]. Differences from Envoy: an alias inside of the node that it
//! names is refused (Envoy overflows its stack), and aliases may not expand without bound.

mod json;
mod node;
pub(crate) mod proto;
mod scalar;
mod yaml;

pub use node::{Entry, Kind, Node};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Format, Source};
use crate::span::Span;

/// What an unquoted scalar of YAML means.
pub(crate) fn typed_as_yaml(text: &str) -> Kind {
    scalar::plain(text)
}

/// How much a text may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one text, and of its values with those that aliases repeat; 128 MiB unless told.
    pub text_bytes: usize,
    /// Nested lists and maps, through aliases too; 100, as protobuf's JSON reader has it.
    pub depth: usize,
    /// Values in one text, those that aliases repeat included; 8 million unless told.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            text_bytes: 128 << 20,
            depth: 100,
            nodes: 8_000_000,
        }
    }
}

/// Parses a text; `index` is the source's number in spans. On error one diagnostic is added.
///
/// What Envoy passes over in silence (a second document, a repeated key) becomes a warning.
pub fn parse(
    source: &Source,
    index: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    if source.text.len() > limits.text_bytes {
        let span = Span::new(index, 0, 0);
        let text = format!("the text is larger than {} bytes", limits.text_bytes);
        diagnostics.push(Diagnostic::error(span, text));
        return None;
    }
    let outcome = match source.format {
        Format::Yaml => yaml::parse(&source.text, index, limits, diagnostics),
        Format::Json => json::parse(&source.text, index, limits),
        Format::ProtoText => proto::parse(&source.text, index, limits),
        Format::ProtoBinary => {
            let text = "protobuf's binary format is no text";
            Err(Box::new(Diagnostic::error(Span::new(index, 0, 0), text)))
        }
    };
    outcome
        .map_err(|diagnostic| diagnostics.push(*diagnostic))
        .ok()
}
