//! JSON as the protobuf library prints messages with Envoy's options: one space of indent, fields in the
//! order of their numbers, 64-bit integers as strings.

use std::borrow::Cow;
use std::fmt::Write;

/// A JSON value to print.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string; also 64-bit integers.
    String(String),
    /// A list.
    List(Vec<Json>),
    /// A value that is written already, over several lines.
    Written(String),
    /// Members in their order.
    Object(Vec<(Cow<'static, str>, Json)>),
}

impl Json {
    /// An empty object, to be filled with [`with`](Self::with).
    pub fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// The object with one more member.
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Json>) -> Self {
        if let Self::Object(members) = &mut self {
            members.push((name.into(), value.into()));
        }
        self
    }

    /// The member of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => {
                let found = members.iter().find(|(own, _)| own == name);
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Puts a member in an object, in the place of one of that name.
    pub fn set(&mut self, name: &'static str, value: Json) {
        if let Self::Object(members) = self {
            match members.iter_mut().find(|(own, _)| own == name) {
                Some((_, old)) => *old = value,
                None => members.push((name.into(), value)),
            }
        }
    }

    /// As [`with`](Self::with), if `condition` holds: a field that has its default is left out.
    pub fn with_if(self, condition: bool, name: &'static str, value: impl Into<Json>) -> Self {
        if condition {
            self.with(name, value)
        } else {
            self
        }
    }

    /// The value over several lines, with a line feed at the end.
    pub fn pretty(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text.push('\n');
        text
    }

    /// Appends the value, whose first line is already indented by `depth`.
    pub(crate) fn write(&self, text: &mut String, depth: usize) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => text.push_str(&crate::number::shortest(*value)),
            Self::String(value) => push_string(text, value),
            Self::Written(value) => {
                for (index, line) in value.trim_end().lines().enumerate() {
                    if index > 0 {
                        text.push('\n');
                        text.extend(std::iter::repeat_n(' ', depth));
                    }
                    text.push_str(line);
                }
            }
            Self::List(items) if items.is_empty() => text.push_str("[]"),
            Self::List(items) => {
                write_members(text, depth, ['[', ']'], items.iter(), |text, item| {
                    item.write(text, depth + 1)
                });
            }
            Self::Object(members) if members.is_empty() => text.push_str("{}"),
            Self::Object(members) => {
                write_members(
                    text,
                    depth,
                    ['{', '}'],
                    members.iter(),
                    |text, (name, value)| {
                        push_string(text, name);
                        text.push_str(": ");
                        value.write(text, depth + 1);
                    },
                );
            }
        }
    }
}

fn write_members<T>(
    text: &mut String,
    depth: usize,
    [open, close]: [char; 2],
    members: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    text.push(open);
    for (index, member) in members.enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', depth + 1));
        write(text, member);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', depth));
    text.push(close);
}

/// Appends `value` in quotes, escaped as protobuf escapes it (`<` and `>` too).
pub(crate) fn push_string(text: &mut String, value: &str) {
    text.push('"');
    let plain =
        |byte: u8| (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\' | b'<' | b'>');
    if value.bytes().all(plain) {
        text.push_str(value);
        text.push('"');
        return;
    }
    for char in value.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(char));
            }
            _ => text.push(char),
        }
    }
    text.push('"');
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(f64::from(value))
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

/// 64-bit integers are strings in protobuf's JSON.
impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::String(value.to_string())
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::List(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_indented_by_one_space_and_empty_values_stay_on_their_line() {
        let json = Json::object()
            .with("a", 5u32)
            .with("b", vec![Json::from("x<\"\n"), Json::object()])
            .with(
                "c",
                Json::object()
                    .with("d", 7u64)
                    .with("e", Vec::new())
                    .with("f", false),
            );
        let expected = "{\n \"a\": 5,\n \"b\": [\n  \"x\\u003c\\\"\\n\",\n  {}\n ],\n \"c\": {\n  \"d\": \"7\",\n  \"e\": [],\n  \"f\": false\n }\n}\n";
        assert_eq!(json.pretty(), expected);
    }
}
