//! `/stats/prometheus`: the text exposition format, family by family.
//!
//! Names are `envoy_` and the stat's name without tags; families are ordered by kind (counters, gauges, text
//! readouts, histograms) and name, as Envoy orders them.

mod families;
mod labels;
mod scopes;
mod value;

use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{Scope, StatValue};

use super::params::StatsParams;
use super::walk::{Value, is_used};
use families::{Family, Phase, Source, Stats};
use scopes::{FirstPass, TaggedScope};
use value::ValueWriter;

/// An exposition under way.
pub(super) struct Exposition {
    params: StatsParams,
    writer: ValueWriter,
    /// Until all scopes have been looked at.
    first_pass: Option<FirstPass>,
    scopes: Vec<TaggedScope>,
    families: std::vec::IntoIter<Family>,
    current: Option<Open>,
}

/// A family being written.
struct Open {
    family: Family,
    metric: String,
    /// Scope and index of source, in the order of the lines.
    lines: std::vec::IntoIter<(usize, usize)>,
    has_type: bool,
}

impl Exposition {
    pub(super) fn new(extractor: TagExtractor, scopes: Vec<Scope>, params: StatsParams) -> Self {
        Self {
            writer: ValueWriter::new(params.buckets),
            params,
            first_pass: Some(FirstPass::new(extractor, scopes)),
            scopes: Vec::new(),
            families: Vec::new().into_iter(),
            current: None,
        }
    }

    /// Goes one step: looks at a scope, begins a family, or writes or passes over a stat. False at the end.
    pub(super) fn step(&mut self, text: &mut String) -> bool {
        if let Some(pass) = &mut self.first_pass {
            if !pass.step() {
                self.end_first_pass();
            }
            return true;
        }
        let Some(open) = &mut self.current else {
            self.current = self.families.next().map(Open::new);
            return self.current.is_some();
        };
        match open.lines.next() {
            Some((scope, source)) => open.push_stat(
                text,
                &self.scopes,
                (scope, source),
                &self.params,
                &self.writer,
            ),
            None => self.current = None,
        }
        true
    }

    fn end_first_pass(&mut self) {
        if let Some(pass) = self.first_pass.take() {
            let (scopes, families) = pass.finish();
            let mut families = families.into_sorted();
            families
                .retain(|family| self.params.text_readouts || family.phase != Phase::TextReadout);
            self.scopes = scopes;
            self.families = families.into_iter();
        }
    }
}

impl Open {
    fn new(family: Family) -> Self {
        let mut lines = Vec::new();
        for (index, source) in family.sources.iter().enumerate() {
            match &source.stats {
                Stats::Group { scopes, .. } => lines.extend(scopes.iter().map(|at| (*at, index))),
                Stats::Dynamic(values) => lines.extend(values.iter().map(|value| (value.0, index))),
            }
        }
        lines.sort_unstable();
        let metric = labels::metric_name(&family.name);
        Self {
            family,
            metric,
            lines: lines.into_iter(),
            has_type: false,
        }
    }

    /// Appends one stat, if it is to be shown.
    fn push_stat(
        &mut self,
        text: &mut String,
        scopes: &[TaggedScope],
        (at, source): (usize, usize),
        params: &StatsParams,
        writer: &ValueWriter,
    ) {
        let (Some(scope), Some(source)) = (scopes.get(at), self.family.sources.get(source)) else {
            return;
        };
        let (metric, has_type) = (&self.metric, &mut self.has_type);
        source.read(scope, at, &mut |value, used| {
            let name = || format!("{}{}", scope.scope.prefix(), source.suffix);
            if !params.shows_lazily(name, used) {
                return;
            }
            if !std::mem::replace(has_type, true) {
                writer.push_type(text, metric, value);
            }
            if source.labels.is_empty() && !source.labels_complete {
                writer.push(text, metric, &scope.joined, value);
                return;
            }
            let own: &[_] = if source.labels_complete {
                &[]
            } else {
                &scope.labels
            };
            let mut joined = String::new();
            labels::push_joined(&mut joined, own, &source.labels);
            writer.push(text, metric, &joined, value);
        });
    }
}

impl Source {
    /// Calls `read` with the value in one scope and whether it was ever written.
    fn read(&self, scope: &TaggedScope, at: usize, read: &mut dyn FnMut(&StatValue<'_>, bool)) {
        match &self.stats {
            Stats::Group {
                table, sub, index, ..
            } => {
                scope.scope.read_group(table, sub, *index, &mut |stat| {
                    read(&stat.value, is_used(&stat.value))
                });
            }
            Stats::Dynamic(values) => {
                let found = values.binary_search_by_key(&at, |value| value.0);
                let Some((_, stat)) = found.ok().and_then(|found| values.get(found)) else {
                    return;
                };
                let used = stat.used;
                let value = match &stat.value {
                    Value::Number(value) if self.is_gauge => StatValue::Gauge {
                        value: *value,
                        used,
                    },
                    Value::Number(value) => StatValue::Counter {
                        value: *value,
                        used,
                    },
                    Value::Text(text) => StatValue::TextReadout { text: Some(text) },
                    Value::Histogram(merged, unit) => StatValue::Histogram {
                        merged: merged.as_deref(),
                        unit: *unit,
                    },
                };
                read(&value, used);
            }
        }
    }
}
