//! Messages of protobuf and of JSON as lines of text, `path: value`, by the table of messages beside this file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::control_plane::protobuf::take_varint;

const SCHEMA: &str = include_str!("schema.txt");
/// What is different each time.
const HIDDEN: &str = "<...>";

/// A message in words.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// What is said of all entries.
    pub(super) about: Vec<String>,
    /// Its entries.
    pub(super) entries: Vec<Vec<String>>,
}

enum Raw<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The message of this name.
pub(super) fn message(name: &str, bytes: &[u8]) -> Words {
    let mut words = Words::default();
    let about = words.lines(name, "", bytes);
    words.about = about;
    words
}

/// Members of a list in JSON, each an entry.
pub(super) fn json(bytes: &[u8]) -> Words {
    let mut words = Words::default();
    let Ok(Value::Array(members)) = serde_json::from_slice(bytes) else {
        words
            .about
            .push(String::from_utf8_lossy(bytes).into_owned());
        return words;
    };
    for member in &members {
        let mut lines = Vec::new();
        words.json_lines("", member, &mut lines);
        lines.sort();
        words.entries.push(lines);
    }
    words
}

fn fields_of(name: &str) -> BTreeMap<u64, (&'static str, &'static str)> {
    let lines = SCHEMA.lines().filter(|line| !line.starts_with('#'));
    let mut lines = lines.filter_map(|line| line.split_once(": "));
    let found = lines.find(|(message, _)| *message == name);
    let fields = found.map_or("", |(_, fields)| fields).split(", ");
    fields
        .filter_map(|field| {
            let mut parts = field.split(' ');
            let number = parts.next()?.parse().ok()?;
            Some((number, (parts.next()?, parts.next()?)))
        })
        .collect()
}

fn take_field<'b>(rest: &mut &'b [u8]) -> Option<(u64, Raw<'b>)> {
    let tag = take_varint(rest)?;
    let length = match tag & 7 {
        0 => return Some((tag >> 3, Raw::Number(take_varint(rest)?))),
        1 => 8,
        5 => 4,
        _ => usize::try_from(take_varint(rest)?).ok()?,
    };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    let raw = match tag & 7 {
        2 => Raw::Bytes(bytes),
        _ => {
            let padded: Vec<u8> = bytes.iter().copied().chain([0; 8]).take(8).collect();
            Raw::Number(u64::from_le_bytes(padded.try_into().ok()?))
        }
    };
    Some((tag >> 3, raw))
}

/// Key and value of an entry of a map, or of an attribute.
fn pair(bytes: &[u8]) -> (String, &[u8]) {
    let (mut rest, mut key, mut value) = (bytes, String::new(), &[][..]);
    while let Some((number, Raw::Bytes(bytes))) = take_field(&mut rest) {
        match number {
            1 => key = String::from_utf8_lossy(bytes).into_owned(),
            _ => value = bytes,
        }
    }
    (key, value)
}

fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// Numbers of eight bytes each.
fn unpacked(kind: &str, bytes: &[u8]) -> String {
    let (numbers, _) = bytes.as_chunks();
    let numbers = numbers.iter().map(|bytes| match kind {
        "packedf64" => f64::from_le_bytes(*bytes).to_string(),
        _ => u64::from_le_bytes(*bytes).to_string(),
    });
    numbers.collect::<Vec<_>>().join(" ")
}

impl Words {
    fn lines(&mut self, name: &str, path: &str, mut rest: &[u8]) -> Vec<String> {
        let fields = fields_of(name);
        let (mut lines, mut sorted) = (Vec::new(), Vec::new());
        while let Some((number, raw)) = take_field(&mut rest) {
            let Some((field, kind)) = fields.get(&number) else {
                lines.push(format!("{path}{name} has an unknown field {number}"));
                continue;
            };
            let path = format!("{path}{field}");
            match (kind.strip_prefix("map"), *kind, raw) {
                (_, "skip", _) => {}
                (_, "hidden", _) => lines.push(format!("{path}: {HIDDEN}")),
                (Some(kind), _, Raw::Bytes(bytes)) => {
                    let (key, value) = pair(bytes);
                    let path = format!("{path}[{key}]");
                    match kind.strip_prefix(':') {
                        Some(kind) => sorted.extend(self.lines(kind, &format!("{path}."), value)),
                        None => sorted.push(format!("{path}: {}", quoted(value))),
                    }
                }
                (_, "pairs", Raw::Bytes(bytes)) => {
                    let (key, value) = pair(bytes);
                    sorted.extend(self.lines("AnyValue", &format!("{path}[{key}]."), value));
                }
                (_, kind, raw) => lines.extend(self.plain(kind, path, &raw)),
            }
        }
        sorted.sort();
        lines.extend(sorted);
        lines
    }

    fn plain(&mut self, kind: &str, path: String, raw: &Raw<'_>) -> Vec<String> {
        let one = |value: String| vec![format!("{path}: {value}")];
        match raw {
            Raw::Number(value) => one(match kind {
                "double" => f64::from_bits(*value).to_string(),
                "bool" => (*value != 0).to_string(),
                _ => value.to_string(),
            }),
            Raw::Bytes(bytes) if kind == "text" => one(quoted(bytes)),
            Raw::Bytes(bytes) if kind.starts_with("packed") => one(unpacked(kind, bytes)),
            Raw::Bytes(bytes) if kind == "id" => {
                let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                one(id)
            }
            Raw::Bytes(bytes) => match kind.strip_prefix('*') {
                Some(kind) => {
                    let lines = self.lines(kind, "", bytes);
                    self.entries.push(lines);
                    Vec::new()
                }
                None => {
                    let entries = self.entries.len();
                    let lines = self.lines(kind, &format!("{path}."), bytes);
                    match lines.is_empty() && self.entries.len() == entries {
                        true => vec![format!("{path}: nothing")],
                        false => lines,
                    }
                }
            },
        }
    }

    fn json_lines(&mut self, path: &str, value: &Value, lines: &mut Vec<String>) {
        let name = path.rsplit('.').next().unwrap_or_default();
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let path = match path {
                        "" => name.clone(),
                        path => format!("{path}.{name}"),
                    };
                    self.json_lines(&path, member, lines);
                }
            }
            Value::Array(members) => {
                for member in members {
                    self.json_lines(&format!("{path}[]"), member, lines);
                }
            }
            _ if matches!(name, "timestamp" | "duration" | "start_time" | "end_time") => {
                lines.push(format!("{path}: {HIDDEN}"));
            }
            Value::String(id) if matches!(name, "traceId" | "id" | "parentId") => {
                lines.push(format!("{path}: {id}"));
            }
            value => lines.push(format!("{path}: {value}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_lines_and_its_entries() {
        let bytes = b"\x0a\x05\x12\x03log\x12\x06\x0a\x04\x10\x02\x1a\x00";
        let words = message("StreamAccessLogsMessage", bytes);
        assert_eq!(words.about, ["identifier.log_name: \"log\""]);
        assert_eq!(words.entries, [["protocol_version: 2", "request: nothing"]]);
    }

    #[test]
    fn what_is_not_in_the_table_is_said() {
        let words = message("Identifier", b"\x48\x01");
        assert_eq!(words.about, ["Identifier has an unknown field 9"]);
    }
}
