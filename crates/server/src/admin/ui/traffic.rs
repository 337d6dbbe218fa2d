//! What a scope of stats counts, read by name: the numbers that the page shows.

use nuncio_contract::stats::{Bins, Scope, StatName, StatValue, Unit};

use super::page::number;
use crate::admin::json::Json;

/// The 50th and the 99th among the quantiles that are kept.
const MEDIAN: usize = 3;
const P99: usize = 6;

/// Counters and gauges under the names that the page knows, and the time of requests.
pub(super) struct Wanted {
    /// Name in the answer, name below the scope.
    pub(super) numbers: &'static [(&'static str, &'static str)],
    /// A histogram of milliseconds.
    pub(super) time: &'static str,
}

/// Adds what `scope` counts to `row`.
pub(super) fn add(row: Json, scope: &Scope, wanted: &Wanted) -> Json {
    let mut values = vec![0; wanted.numbers.len()];
    let mut times = Json::object();
    scope.for_each(&mut |stat| match stat.value {
        StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => {
            let mut names = wanted.numbers.iter().zip(&mut values);
            if let Some((_, slot)) = names.find(|((_, name), _)| is(&stat.name, name)) {
                *slot = value;
            }
        }
        StatValue::Histogram {
            merged: Some(merged),
            unit,
        } if is(&stat.name, wanted.time) => {
            times = Json::object()
                .with("all", quantiles(&merged.cumulative, unit))
                .with("recent", quantiles(&merged.interval, unit));
        }
        _ => {}
    });
    let numbers = wanted.numbers.iter().zip(values);
    numbers
        .fold(row, |row, ((name, _), value)| {
            row.with(*name, number(value))
        })
        .with("time_ms", times)
}

fn quantiles(bins: &Bins, unit: Unit) -> Json {
    let samples = bins.sample_count();
    let quantiles = bins.quantiles(unit);
    let at = |place: usize| {
        let value = quantiles.get(place).copied().unwrap_or(f64::NAN);
        Json::Number(if value.is_finite() { value } else { 0.0 })
    };
    Json::object()
        .with("samples", number(samples))
        .with_if(samples > 0, "p50", at(MEDIAN))
        .with_if(samples > 0, "p99", at(P99))
}

/// Whether a stat's name below its scope is `wanted`.
fn is(name: &StatName<'_>, wanted: &str) -> bool {
    let [outer, inner] = name.group;
    let rest = wanted.strip_prefix(outer);
    rest.and_then(|rest| rest.strip_prefix(inner)) == Some(name.leaf)
}
