//! Requests of a proxy as a line of text, in which nothing depends on the build or on the order of names.

use super::protobuf::{Field, fields};

/// What a request says.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// The last word of the type.
    pub(super) kind: String,
    /// The response that it answers.
    pub(super) nonce: String,
    /// All of it.
    pub(super) line: String,
}

/// Reads a `DiscoveryRequest`, or a `DeltaDiscoveryRequest`.
#[must_use]
pub(super) fn read(bytes: &[u8], is_delta: bool) -> Request {
    let fields = fields(bytes);
    let texts = |number: u64| -> Vec<String> {
        let of = fields.iter().filter(|(found, _)| *found == number);
        let mut texts: Vec<_> = of.map(|(_, value)| value.text()).collect();
        texts.sort();
        texts
    };
    let text = |number: u64| texts(number).concat();
    let part = |number: u64| {
        let found = fields.iter().find(|(found, _)| *found == number);
        found.and_then(|(_, value)| match value {
            Field::Bytes(bytes) => Some(*bytes),
            Field::Number(_) => None,
        })
    };
    let (type_url, nonce, error, node) = match is_delta {
        true => (text(2), text(6), part(7), part(1)),
        false => (text(4), text(5), part(6), part(2)),
    };
    let kind = type_url.rsplit('.').next().unwrap_or_default().to_owned();
    let mut line = kind.clone();
    let mut say = |label: &str, value: String| {
        if !value.is_empty() {
            line.push_str(&format!(" {label}={value}"));
        }
    };
    match is_delta {
        true => {
            say("subscribe", texts(3).join(","));
            say("unsubscribe", texts(4).join(","));
            let versions = fields.iter().filter(|(found, _)| *found == 5);
            let mut versions: Vec<_> = versions.map(|(_, value)| pair(value)).collect();
            versions.sort();
            say("initial", versions.join(","));
        }
        false => {
            say("version", text(1));
            say("names", texts(3).join(","));
        }
    }
    say("nonce", nonce.clone());
    say("error", error.map(status).unwrap_or_default());
    say("node", node.map(who).unwrap_or_default());
    Request { kind, nonce, line }
}

fn pair(value: &Field<'_>) -> String {
    let Field::Bytes(bytes) = value else {
        return String::new();
    };
    let parts: Vec<_> = fields(bytes).iter().map(|(_, part)| part.text()).collect();
    parts.join(":")
}

fn status(bytes: &[u8]) -> String {
    let parts: Vec<_> = fields(bytes).iter().map(|(_, part)| part.text()).collect();
    parts.join(" ").replace('\n', "\\n")
}

/// The parts of a node that are the same for each build, and the numbers of all.
fn who(bytes: &[u8]) -> String {
    let fields = fields(bytes);
    let mut numbers: Vec<u64> = fields.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    let plain = fields
        .iter()
        .filter(|(number, _)| [1, 2, 6, 10].contains(number));
    let plain: Vec<_> = plain.map(|(_, value)| value.text()).collect();
    format!("{} (fields {})", plain.join("/"), numbers.join(","))
}
