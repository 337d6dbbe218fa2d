//! Messages as text for the pins.

use std::fmt::Write as _;

use nuncio_testkit::bytes;
use nuncio_testkit::message::{Framing, Message};
use regex::Regex;
use serde_json::Value;

use crate::case::Show;
use crate::coding;

/// Longer bodies are shown by length and start only.
const LONG_BODY: usize = 8 * 1024;

/// A message, one line a header, each line indented by `prefix`.
#[must_use]
pub fn message(message: &Message, prefix: &str, show: &Show) -> String {
    let mut text = String::new();
    for line in message.lines() {
        let line = bytes::show(line);
        let hidden = matches!(
            show,
            Show::Nothing | Show::SortedLines | Show::JsonShape | Show::JsonValues | Show::Lines(_)
        ) || (*show == Show::Decoded && message.header("content-encoding").is_some());
        let hidden = hidden && line.to_ascii_lowercase().starts_with("content-length:");
        let shown = if hidden { "content-length: #" } else { &line };
        let _ = writeln!(text, "{prefix}{shown}");
    }
    if message.framing != Framing::None || !message.body.is_empty() {
        body(message, prefix, show, &mut text);
    }
    for trailer in &message.trailers {
        let _ = writeln!(text, "{prefix}trailer {}", bytes::show(trailer));
    }
    if let Some(why) = &message.cut_short {
        let _ = writeln!(text, "{prefix}body cut short: {why:?}");
    }
    text
}

fn body(message: &Message, prefix: &str, show: &Show, text: &mut String) {
    let lines: Vec<String> = match show {
        Show::Nothing => return,
        Show::Length => vec![format!("body of {} bytes", message.body.len())],
        Show::Text => text_lines(&message.body),
        Show::SortedLines => {
            let mut lines = text_lines(&message.body);
            lines.sort();
            lines
        }
        Show::JsonShape => {
            let mut paths = json_paths(&message.body, kind);
            paths.dedup();
            paths
        }
        Show::JsonValues => json_paths(&message.body, Value::to_string),
        Show::Lines(pattern) => matching_lines(&message.body, pattern),
        Show::Decoded => decoded_lines(message),
    };
    for line in lines {
        let _ = writeln!(text, "{prefix}| {line}");
    }
}

fn decoded_lines(message: &Message) -> Vec<String> {
    let codings = message.header("content-encoding").unwrap_or_default();
    match coding::decode(&codings, &message.body) {
        Ok(body) => text_lines(&body),
        Err(error) => vec![format!("not {codings}: {error}")],
    }
}

/// The lines of a body; a long one is shown by length and start only.
#[must_use]
pub fn text_lines(body: &[u8]) -> Vec<String> {
    if body.len() > LONG_BODY {
        let start = bytes::show(&body[..32]);
        return vec![format!("body of {} bytes that begins {start}", body.len())];
    }
    body.split_inclusive(|&byte| byte == b'\n')
        .map(bytes::show)
        .collect()
}

/// A log file: text as it is, bytes that are no UTF-8 escaped.
#[must_use]
pub fn log(contents: &[u8]) -> String {
    let mut text = String::with_capacity(contents.len());
    for chunk in contents.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&bytes::show(chunk.invalid()));
    }
    text
}

fn matching_lines(body: &[u8], pattern: &str) -> Vec<String> {
    let regex = match Regex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => return vec![format!("bad pattern: {error}")],
    };
    let text = String::from_utf8_lossy(body);
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| regex.is_match(line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn json_paths(body: &[u8], show: impl Fn(&Value) -> String) -> Vec<String> {
    match serde_json::from_slice(body) {
        Ok(value) => {
            let mut paths = Vec::new();
            collect_paths(&value, "", &show, &mut paths);
            paths.sort();
            paths
        }
        Err(error) => vec![format!("not JSON: {error}")],
    }
}

fn kind(value: &Value) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    kind.to_owned()
}

fn collect_paths(
    value: &Value,
    path: &str,
    show: &impl Fn(&Value) -> String,
    paths: &mut Vec<String>,
) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                collect_paths(item, &format!("{path}[]"), show, paths);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                collect_paths(member, &format!("{path}.{name}"), show, paths);
            }
        }
        _ => {
            paths.push(format!("{path} {}", show(value)));
        }
    }
}
