//! Labels and metric names of Prometheus.

use nuncio_contract::stats::tags::Tag;

/// A label; labels of one line are ordered by rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admin::stats) struct Label {
    rank: usize,
    /// Of letters, digits and `_`.
    pub(super) name: String,
    /// Escaped.
    pub(super) value: String,
}

impl Label {
    pub(super) fn of(tag: &Tag) -> Self {
        Self {
            rank: tag.rank,
            name: tag.name.chars().map(name_char).collect(),
            value: escape(&tag.value),
        }
    }
}

/// The labels of both lists, each of which is sorted, in their order.
pub(super) fn merged<'l>(
    first: &'l [Label],
    second: &'l [Label],
) -> impl Iterator<Item = &'l Label> {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    std::iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some(left), Some(right)) if left.rank <= right.rank => first.next(),
        (Some(_), None) => first.next(),
        _ => second.next(),
    })
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
        let label = Label::of(&tag);
        assert_eq!(
            (label.name.as_str(), label.value.as_str()),
            ("envoy_a_b", "x\\\"\\\\\\ny")
        );
    }
}
