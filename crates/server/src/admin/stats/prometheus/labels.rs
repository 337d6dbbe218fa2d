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
            name: sanitized(&tag.name),
            value: escape(&tag.value),
        }
    }

    /// One that was told with its scope; it comes last.
    pub(super) fn own(name: &str, value: &str) -> Self {
        Self {
            rank: usize::MAX,
            name: sanitized(name),
            value: escape(value),
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

/// `envoy_` and the name with all bytes but letters, digits and `_` replaced by `_`.
pub(super) fn metric_name(extracted: &str) -> String {
    format!("envoy_{}", sanitized(extracted))
}

/// A label's value with backslash, quote and line feed escaped.
pub(super) fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

/// Each byte that names may not hold becomes one `_`, as in Envoy.
fn sanitized(name: &str) -> String {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let byte = |byte| if is_fine(byte) { char::from(byte) } else { '_' };
    name.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_quotes() {
        let tag = Tag {
            rank: 1,
            name: "envoy.a-é".into(),
            value: "x\"\\\ny".into(),
            removed: 0..0,
        };
        let label = Label::of(&tag);
        assert_eq!(
            (label.name.as_str(), label.value.as_str()),
            ("envoy_a___", "x\\\"\\\\\\ny")
        );
    }
}
