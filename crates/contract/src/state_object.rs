//! Objects of filter state that are made of a text, by the kinds that configurations name.

use std::any::Any;

use crate::formatter::append_quoted_json;
use crate::hash::xxh64;
use crate::stream_info::FilterStateObject;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that hash policies can use.
    HashedText,
    /// The name of a cluster.
    Name,
    /// Anything but `true` is false.
    Flag,
    /// True or false, by any of the usual words; of others nothing is made.
    Bool,
    /// Of what is no number nothing is made.
    Number,
    /// A number of 32 bits; of others nothing is made.
    Number32,
}

impl Kind {
    /// The kind that a maker of objects makes.
    pub fn named(maker: &str) -> Option<Self> {
        Some(match maker {
            "envoy.string" => Kind::Text,
            "envoy.hashable_string" => Kind::HashedText,
            "envoy.bool" => Kind::Bool,
            "envoy.tcp_proxy.cluster" => Kind::Name,
            "envoy.tcp_proxy.disable_tunneling" => Kind::Flag,
            "envoy.ratelimit.hits_addend" => Kind::Number32,
            "envoy.tcp_proxy.per_connection_idle_timeout_ms" => Kind::Number,
            _ => return None,
        })
    }

    /// The object, if the text can be one.
    pub fn make(self, text: &str) -> Option<Box<dyn FilterStateObject>> {
        let text = match self {
            Kind::Text | Kind::HashedText | Kind::Name => text.to_owned(),
            Kind::Flag => (text == "true").to_string(),
            Kind::Bool => truth_of(text)?.to_string(),
            Kind::Number => text.parse::<u64>().ok()?.to_string(),
            Kind::Number32 => text.parse::<u32>().ok()?.to_string(),
        };
        Some(Box::new(Object { kind: self, text }))
    }
}

/// Whether a word, in any case, means true or false.
fn truth_of(word: &str) -> Option<bool> {
    let is_any = |words: [&str; 5]| words.iter().any(|it| it.eq_ignore_ascii_case(word));
    if is_any(["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else if is_any(["false", "f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

struct Object {
    kind: Kind,
    text: String,
}

impl FilterStateObject for Object {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(self.text.clone())
    }

    fn serialize_as_json(&self) -> Option<String> {
        match self.kind {
            Kind::Text | Kind::HashedText => {
                let mut json = Vec::new();
                append_quoted_json(self.text.as_bytes(), &mut json);
                String::from_utf8(json).ok()
            }
            Kind::Flag | Kind::Bool | Kind::Number32 => Some(self.text.clone()),
            // As protobuf writes numbers of 64 bits.
            Kind::Number => Some(format!("\"{}\"", self.text)),
            Kind::Name => None,
        }
    }

    fn text(&self) -> Option<&str> {
        matches!(self.kind, Kind::Text | Kind::HashedText).then_some(&self.text)
    }

    fn flag(&self) -> Option<bool> {
        match self.kind {
            Kind::Flag | Kind::Bool => Some(self.text == "true"),
            Kind::Text | Kind::HashedText | Kind::Name | Kind::Number | Kind::Number32 => None,
        }
    }

    fn hash(&self) -> Option<u64> {
        (self.kind == Kind::HashedText).then(|| xxh64(self.text.as_bytes(), 0))
    }
}
