//! Labels and metric names in the text format of Prometheus.

use nuncio_contract::stats::tags::Tag;

/// A label, written out; labels of one line are ordered by rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    rank: usize,
    text: String,
}

impl Label {
    pub(super) fn of(tag: &Tag) -> Self {
        let name: String = tag.name.chars().map(name_char).collect();
        Self {
            rank: tag.rank,
            text: format!("{name}=\"{}\"", escape(&tag.value)),
        }
    }
}

/// Appends the labels of both lists, each of which is sorted, with commas between.
pub(super) fn push_joined(text: &mut String, first: &[Label], second: &[Label]) {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    let mut separator = "";
    loop {
        let next = match (first.peek(), second.peek()) {
            (Some(left), Some(right)) if left.rank <= right.rank => first.next(),
            (Some(_), None) => first.next(),
            _ => second.next(),
        };
        let Some(label) = next else {
            return;
        };
        text.push_str(separator);
        text.push_str(&label.text);
        separator = ",";
    }
}

/// `envoy_` and the name with all but letters, digits and `_` replaced by `_`.
pub(super) fn metric_name(extracted: &str) -> String {
    format!(
        "envoy_{}",
        extracted.chars().map(name_char).collect::<String>()
    )
}

/// A label's value with backslash, quote and line feed escaped.
pub(super) fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

fn name_char(char: char) -> char {
    if char.is_ascii_alphanumeric() || char == '_' {
        char
    } else {
        '_'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_quotes() {
        let tag = Tag {
            rank: 1,
            name: "envoy.a-b".into(),
            value: "x\"\\\ny".into(),
            removed: 0..0,
        };
        assert_eq!(Label::of(&tag).text, "envoy_a_b=\"x\\\"\\\\\\ny\"");
    }
}
