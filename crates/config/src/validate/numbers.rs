//! Numbers and durations against bounds and lists.

use std::fmt::Display;

use nuncio_api::{Number, NumberRules};

use crate::tree::Value;

/// Bounds of an ordered value. When the upper one lies below the lower one, the range is what lies outside.
pub(super) struct Bounds<T> {
    pub(super) lt: Option<T>,
    pub(super) lte: Option<T>,
    pub(super) gt: Option<T>,
    pub(super) gte: Option<T>,
}

pub(super) fn reason(rules: NumberRules, value: &Value) -> Option<String> {
    match value {
        Value::U64(found) => check(rules, *found, |number| match number {
            Number::Unsigned(value) => Some(value),
            _ => None,
        }),
        Value::I64(found) => check(rules, *found, |number| match number {
            Number::Signed(value) => Some(value),
            _ => None,
        }),
        Value::F64(found) => check(rules, *found, |number| match number {
            Number::Float(value) => Some(value),
            _ => None,
        }),
        _ => None,
    }
}

fn check<T>(rules: NumberRules, found: T, read: fn(Number) -> Option<T>) -> Option<String>
where
    T: Copy + PartialOrd + Display + Default,
{
    if rules.ignore_empty() && found == T::default() {
        return None;
    }
    if let Some(wanted) = rules
        .constant()
        .and_then(read)
        .filter(|wanted| *wanted != found)
    {
        return Some(format!("value must equal {wanted}"));
    }
    let bounds = Bounds {
        lt: rules.lt().and_then(read),
        lte: rules.lte().and_then(read),
        gt: rules.gt().and_then(read),
        gte: rules.gte().and_then(read),
    };
    if let Some(reason) = out_of_bounds(&bounds, found, |number| number.to_string()) {
        return Some(reason);
    }
    let any_of: Vec<T> = rules.any_of().filter_map(read).collect();
    let none_of: Vec<T> = rules.none_of().filter_map(read).collect();
    let list = |numbers: &[T]| {
        numbers
            .iter()
            .map(T::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    if !any_of.is_empty() && !any_of.contains(&found) {
        return Some(format!("value must be in list [{}]", list(&any_of)));
    }
    none_of
        .contains(&found)
        .then(|| format!("value must not be in list [{}]", list(&none_of)))
}

/// Why a value lies out of its bounds, in the words of the generated validators.
pub(super) fn out_of_bounds<T>(
    bounds: &Bounds<T>,
    found: T,
    shown: impl Fn(T) -> String,
) -> Option<String>
where
    T: Copy + PartialOrd,
{
    let upper = bounds
        .lt
        .map(|bound| (bound, false))
        .or(bounds.lte.map(|bound| (bound, true)));
    let lower = bounds
        .gt
        .map(|bound| (bound, false))
        .or(bounds.gte.map(|bound| (bound, true)));
    let below = |(bound, closed): (T, bool)| found < bound || (closed && found == bound);
    let above = |(bound, closed): (T, bool)| found > bound || (closed && found == bound);
    match (lower, upper) {
        (Some(low), Some(high)) if high.0 > low.0 => (!(above(low) && below(high))).then(|| {
            let (open, close) = (
                if low.1 { '[' } else { '(' },
                if high.1 { ']' } else { ')' },
            );
            format!(
                "value must be inside range {open}{}, {}{close}",
                shown(low.0),
                shown(high.0)
            )
        }),
        (Some(low), Some(high)) => (!(above(low) || below(high))).then(|| {
            let (open, close) = (
                if high.1 { '(' } else { '[' },
                if low.1 { ')' } else { ']' },
            );
            format!(
                "value must be outside range {open}{}, {}{close}",
                shown(high.0),
                shown(low.0)
            )
        }),
        (Some(low), None) => (!above(low)).then(|| {
            let or_equal = if low.1 { " or equal to" } else { "" };
            format!("value must be greater than{or_equal} {}", shown(low.0))
        }),
        (None, Some(high)) => (!below(high)).then(|| {
            let or_equal = if high.1 { " or equal to" } else { "" };
            format!("value must be less than{or_equal} {}", shown(high.0))
        }),
        (None, None) => None,
    }
}
