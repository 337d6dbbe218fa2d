//! `/stats/prometheus`: the text exposition format, family by family.
//!
//! Names are `envoy_` and the stat's name without tags; families are ordered by kind (counters, gauges, text
//! readouts, histograms) and name, as Envoy orders them.

mod families;
mod labels;
mod naming;
mod scopes;
mod value;

use nuncio_contract::stats::StatValue;
use nuncio_contract::stats::tags::TagExtractor;

use super::super::state::AdminState;
use super::params::StatsParams;
use super::walk::{Value, is_used};
use families::{Family, Labels, Phase, Source, Stats};
use labels::Label;
use naming::Naming;
use scopes::{FirstPass, TaggedScope};
use value::ValueWriter;

/// An exposition under way.
pub(super) struct Exposition {
    params: StatsParams,
    extractor: TagExtractor,
    writer: ValueWriter,
    /// Until all scopes have been looked at.
    first_pass: Option<FirstPass>,
    /// After that, until all families are known.
    naming: Option<Naming>,
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

/// What all lines have in common.
struct Context<'a> {
    scopes: &'a [TaggedScope],
    params: &'a StatsParams,
    writer: &'a ValueWriter,
    extractor: &'a TagExtractor,
}

impl Exposition {
    pub(super) fn new(state: &dyn AdminState, params: StatsParams) -> Self {
        let (extractor, scopes) = (state.tags().clone(), state.stats().scopes());
        let buckets = state.histogram_buckets().clone();
        Self {
            writer: ValueWriter::new(params.buckets, buckets),
            params,
            extractor: extractor.clone(),
            first_pass: Some(FirstPass::new(extractor, scopes)),
            naming: None,
            scopes: Vec::new(),
            families: Vec::new().into_iter(),
            current: None,
        }
    }

    /// Goes one step: looks at a scope or a name, begins a family, or writes or passes over a stat. False at the end.
    pub(super) fn step(&mut self, text: &mut String) -> bool {
        if let Some(pass) = &mut self.first_pass {
            if !pass.step() {
                self.naming = self.first_pass.take().map(FirstPass::finish);
            }
            return true;
        }
        if let Some(naming) = &mut self.naming {
            if !naming.step() {
                self.end_naming();
            }
            return true;
        }
        let Some(open) = &mut self.current else {
            self.current = self.families.next().map(Open::new);
            return self.current.is_some();
        };
        match open.lines.next() {
            Some((scope, source)) => {
                let context = Context {
                    scopes: &self.scopes,
                    params: &self.params,
                    writer: &self.writer,
                    extractor: &self.extractor,
                };
                open.push_stat(text, &context, (scope, source));
            }
            None => self.current = None,
        }
        true
    }

    fn end_naming(&mut self) {
        if let Some(naming) = self.naming.take() {
            let (scopes, mut families) = naming.finish();
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
    fn push_stat(&mut self, text: &mut String, context: &Context<'_>, at: (usize, usize)) {
        let (at, source) = at;
        let (Some(scope), Some(source)) = (context.scopes.get(at), self.family.sources.get(source))
        else {
            return;
        };
        let (metric, has_type) = (&self.metric, &mut self.has_type);
        let writer = context.writer;
        source.read(scope, at, &mut |value, used| {
            let name = || [scope.scope.prefix(), &source.suffix].concat();
            if !context.params.shows_lazily(name, used) {
                return;
            }
            if !std::mem::replace(has_type, true) {
                writer.push_type(text, metric, value);
            }
            let mut joined = String::new();
            let labels = match &source.labels {
                Labels::OfSuffix(labels) if labels.is_empty() => &*scope.joined,
                Labels::OfSuffix(labels) => {
                    labels::push_joined(&mut joined, &scope.labels, labels);
                    &joined
                }
                Labels::OfName => {
                    let tags = context.extractor.extract(&name()).tags;
                    let labels: Vec<_> = tags.iter().map(Label::of).collect();
                    labels::push_joined(&mut joined, &labels, &[]);
                    &joined
                }
            };
            writer.push(text, metric, labels, value, name);
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
