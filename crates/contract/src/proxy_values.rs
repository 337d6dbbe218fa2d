//! Values (TLVs) of a PROXY header that go on to hosts: what a client's header had of them, which of them may pass, and
//! how such are written in a configuration.
//!
//! They are few and small: a header has room for 64 KiB. Envoy's documentation: listener filters, Proxy Protocol.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message};

use crate::formatter::{Format, FormatContext, SubstitutionFormatString};
use crate::stream_info::ProxyValues;

message! {
    /// A value in a configuration.
    pub struct TlvEntry: "envoy.config.core.v3.TlvEntry" {
        r#type: u32,
        value: Vec<u8>,
        format_string: Option<SubstitutionFormatString>,
    }
}

message! {
    /// Which values may pass.
    pub struct PassThrough: "envoy.config.core.v3.ProxyProtocolPassThroughTLVs" {
        match_type: MatchType,
        tlv_type: Vec<u32>,
    }
}

enumeration! {
    /// All of them, or some.
    pub enum MatchType: "envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType" {
        INCLUDE_ALL => All,
        INCLUDE => Some,
    }
}

/// [`PassThrough`], compiled.
#[derive(Clone, Debug, Default)]
pub enum Passing {
    /// None may pass.
    #[default]
    Nothing,
    /// Each may.
    All,
    /// Those of these kinds may.
    Kinds(Box<[u8]>),
}

impl Passing {
    /// Nothing passes where nobody says so.
    pub fn compile(message: Option<&PassThrough>) -> Self {
        match message {
            None => Passing::Nothing,
            Some(message) if message.match_type == MatchType::All => Passing::All,
            Some(message) => {
                let kinds = message.tlv_type.iter();
                Passing::Kinds(kinds.map(|kind| low_byte(*kind)).collect())
            }
        }
    }

    /// Whether a value of this kind may pass.
    pub fn lets_pass(&self, kind: u8) -> bool {
        match self {
            Passing::Nothing => false,
            Passing::All => true,
            Passing::Kinds(kinds) => kinds.contains(&kind),
        }
    }
}

/// What a value is made of.
#[derive(Debug)]
enum Source {
    Bytes(Box<[u8]>),
    Format(Format),
}

/// Values of a configuration, compiled.
#[derive(Debug, Default)]
pub struct ProxyValueSources(Vec<(u8, Source)>);

impl ProxyValueSources {
    /// Those that are given come first, then those that are made, as in Envoy.
    ///
    /// # Errors
    /// An entry is given and made, or neither, or its format is none.
    pub fn compile(entries: &[TlvEntry], ctx: &mut Ctx) -> Result<Self, Refused> {
        let (mut given, mut made) = (Vec::new(), Vec::new());
        for entry in entries {
            let kind = low_byte(entry.r#type);
            match (&entry.format_string, entry.value.is_empty()) {
                (Some(_), false) => {
                    let text = "Invalid TLV configuration: only one of 'value' or 'format_string' may be set.";
                    ctx.error(entry.span(), text);
                    return Err(Refused);
                }
                (None, true) => {
                    let text =
                        "Invalid TLV configuration: one of 'value' or 'format_string' must be set.";
                    ctx.error(entry.span(), text);
                    return Err(Refused);
                }
                (None, false) => given.push((kind, Source::Bytes(entry.value.as_slice().into()))),
                (Some(format), true) => made.push((kind, Source::Format(format.compile(ctx)?))),
            }
        }
        given.append(&mut made);
        Ok(ProxyValueSources(given))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each is given as it is.
    pub fn are_given(&self) -> bool {
        self.0
            .iter()
            .all(|(_, source)| matches!(source, Source::Bytes(_)))
    }

    /// The values of a connection.
    pub fn make(&self, context: &FormatContext<'_>) -> ProxyValues {
        let each = self.0.iter().map(|(kind, source)| {
            let value = match source {
                Source::Bytes(bytes) => bytes.clone(),
                Source::Format(format) => {
                    let mut text = Vec::new();
                    format.format(context, &mut text);
                    text.into_boxed_slice()
                }
            };
            (*kind, value)
        });
        ProxyValues(each.collect())
    }

    /// Those that are given as they are.
    pub fn given(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.0.iter().filter_map(|(kind, source)| match source {
            Source::Bytes(bytes) => Some((*kind, &**bytes)),
            Source::Format(_) => None,
        })
    }
}

/// Envoy keeps the low byte of a kind that does not fit into one, which its rules forbid anyway.
fn low_byte(kind: u32) -> u8 {
    let [.., low] = kind.to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_where_nobody_says_so() {
        assert!(!Passing::default().lets_pass(1));
        assert!(Passing::All.lets_pass(1));
        let some = Passing::Kinds([1, 2].into());
        assert!(some.lets_pass(2) && !some.lets_pass(3));
    }
}
