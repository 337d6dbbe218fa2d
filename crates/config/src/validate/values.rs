//! One value against one set of rules; counts of lists and maps.

use nuncio_api::{AnyRules, DurationRules, EnumRules, Kind, MapRules, RepeatedRules, RuleSet};

use super::names::go_duration;
use super::numbers::{self, Bounds};
use super::strings::{self, Patterns};
use crate::tree::{Any, Item, Value};

/// Why the value breaks the rules, in the words of the generated validators.
pub(super) fn reason(
    set: RuleSet,
    kind: Kind,
    value: &Value,
    patterns: &mut Patterns,
) -> Option<String> {
    match (set, value) {
        (RuleSet::Number(rules), _) => numbers::reason(rules, value),
        (RuleSet::Bool(wanted), Value::Bool(found)) if *found != wanted => {
            Some(format!("value must equal {wanted}"))
        }
        (RuleSet::String(rules), Value::String(text)) => strings::text(rules, text, patterns),
        (RuleSet::Bytes(rules), Value::Bytes(bytes)) => strings::bytes(rules, bytes, patterns),
        (RuleSet::Enum(rules), Value::Enum(number)) => enumeration(rules, kind, *number),
        (RuleSet::Duration(rules), Value::Duration(seconds, nanos)) => {
            duration(rules, (*seconds, *nanos))
        }
        (RuleSet::Any(rules), Value::Any(any)) => type_url(rules, any),
        // The generated C++ validators know no comparison of timestamps either.
        _ => None,
    }
}

/// Whether the rules demand that the field is set.
pub(super) fn is_required(set: Option<RuleSet>) -> bool {
    match set {
        Some(RuleSet::Any(rules)) => rules.required(),
        Some(RuleSet::Duration(rules)) => rules.required(),
        Some(RuleSet::Timestamp(rules)) => rules.required(),
        _ => false,
    }
}

/// Whether these are rules of a scalar; on a message field they are those of the wrapped value.
pub(super) fn is_scalar_rule(set: Option<RuleSet>) -> bool {
    matches!(
        set,
        Some(RuleSet::Number(_) | RuleSet::Bool(_) | RuleSet::String(_) | RuleSet::Bytes(_))
    )
}

/// What a field without presence is when it is not set.
pub(super) fn default_of(kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Message(_) => return None,
        Kind::Enum(_) => Value::Enum(0),
        Kind::String => Value::String("".into()),
        Kind::Bytes => Value::Bytes([].into()),
        Kind::Bool => Value::Bool(false),
        Kind::Double | Kind::Float => Value::F64(0.0),
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => Value::U64(0),
        _ => Value::I64(0),
    })
}

pub(super) fn count_of_items(rules: RepeatedRules, count: usize) -> Option<String> {
    if count == 0 && rules.ignore_empty() {
        return None;
    }
    let words = ["item(s)", "items"];
    out_of_count(rules.min_items(), rules.max_items(), count, words)
}

pub(super) fn count_of_pairs(rules: MapRules, count: usize) -> Option<String> {
    if count == 0 && rules.ignore_empty() {
        return None;
    }
    out_of_count(
        rules.min_pairs(),
        rules.max_pairs(),
        count,
        ["pair(s)", "pairs"],
    )
}

fn out_of_count(
    min: Option<u64>,
    max: Option<u64>,
    count: usize,
    words: [&str; 2],
) -> Option<String> {
    let count = count as u64;
    let (one, many) = (words[0], words[1]);
    match (min.filter(|min| *min > 0), max) {
        (Some(min), Some(max)) if min == max => {
            (count != min).then(|| format!("value must contain exactly {min} {one}"))
        }
        (Some(min), Some(max)) => (count < min || count > max)
            .then(|| format!("value must contain between {min} and {max} {many}, inclusive")),
        (Some(min), None) => {
            (count < min).then(|| format!("value must contain at least {min} {one}"))
        }
        (None, Some(max)) => {
            (count > max).then(|| format!("value must contain no more than {max} {one}"))
        }
        (None, None) => None,
    }
}

/// The items that stood in the list before.
pub(super) fn repeated(items: &[Item]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    let key = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    (0..items.len())
        .filter(|index| !seen.insert(key(&items[*index].value)))
        .collect()
}

fn enumeration(rules: EnumRules, kind: Kind, number: i32) -> Option<String> {
    let Kind::Enum(descriptor) = kind else {
        return None;
    };
    let name = |number: i32| {
        descriptor
            .by_number(number)
            .map_or_else(|| number.to_string(), |value| value.name().to_owned())
    };
    let names = |list: Vec<i32>| list.into_iter().map(name).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = rules.constant().filter(|wanted| *wanted != number) {
        return Some(format!("value must equal {}", name(wanted)));
    }
    let (any_of, none_of) = (rules.any_of(), rules.none_of());
    if !any_of.is_empty() && any_of.iter().all(|value| value != number) {
        return Some(format!(
            "value must be in list [{}]",
            names(any_of.iter().collect())
        ));
    }
    if none_of.iter().any(|value| value == number) {
        return Some(format!(
            "value must not be in list [{}]",
            names(none_of.iter().collect())
        ));
    }
    let undefined = rules.defined_only() && descriptor.by_number(number).is_none();
    undefined.then(|| "value must be one of the defined enum values".to_owned())
}

fn duration(rules: DurationRules, found: (i64, i32)) -> Option<String> {
    let shown = |time: (i64, i32)| go_duration(time.0, time.1);
    if let Some(wanted) = rules.constant().filter(|wanted| *wanted != found) {
        return Some(format!("value must equal {}", shown(wanted)));
    }
    let bounds = Bounds {
        lt: rules.lt(),
        lte: rules.lte(),
        gt: rules.gt(),
        gte: rules.gte(),
    };
    if let Some(reason) = numbers::out_of_bounds(&bounds, found, shown) {
        return Some(reason);
    }
    let (any_of, none_of) = (rules.any_of(), rules.none_of());
    let list = |times: Vec<(i64, i32)>| times.into_iter().map(shown).collect::<Vec<_>>().join(" ");
    if !any_of.is_empty() && any_of.iter().all(|time| time != found) {
        return Some(format!(
            "value must be in list [{}]",
            list(any_of.iter().collect())
        ));
    }
    let refused = none_of.iter().any(|time| time == found);
    refused.then(|| {
        format!(
            "value must not be in list [{}]",
            list(none_of.iter().collect())
        )
    })
}

fn type_url(rules: AnyRules, any: &Any) -> Option<String> {
    let list = |urls: Vec<&str>| urls.join(" ");
    let (any_of, none_of) = (rules.any_of(), rules.none_of());
    let url = any.typed_struct.as_deref().unwrap_or(&any.type_url);
    if !any_of.is_empty() && any_of.iter().all(|known| known != url) {
        return Some(format!(
            "type URL must be in list [{}]",
            list(any_of.iter().collect())
        ));
    }
    let refused = none_of.iter().any(|known| known == url);
    refused.then(|| {
        format!(
            "type URL must not be in list [{}]",
            list(none_of.iter().collect())
        )
    })
}

/// A scalar for a message, if it is short.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::I64(value) => Some(value.to_string()),
        Value::U64(value) => Some(value.to_string()),
        Value::F64(value) => Some(value.to_string()),
        Value::Enum(value) => Some(value.to_string()),
        Value::Duration(seconds, nanos) => Some(go_duration(*seconds, *nanos)),
        Value::String(text) if !text.is_empty() && text.len() <= 60 => {
            Some(format!("\"{}\"", text.escape_debug()))
        }
        _ => None,
    }
}
