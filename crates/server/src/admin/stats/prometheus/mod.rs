//! `/stats/prometheus`: an exposition, family by family, as text or as protobuf messages.
//!
//! Names are `envoy_` and the stat's name without tags; families are ordered by kind (counters, gauges, text
//! readouts, histograms) and name, as Envoy orders them.

mod families;
mod labels;
mod naming;
mod native;
mod protobuf;
mod scopes;
mod value;

use nuncio_contract::stats::StatValue;
use std::cell::OnceCell;

use nuncio_contract::stats::tags::TagExtractor;

use super::params::StatsParams;
use super::walk::{Value, is_used};
use crate::admin::response::Piece;
use crate::admin::state::AdminState;
use families::{Family, Labels, Phase, Source, Stats};
use labels::Label;
use naming::Naming;
use scopes::{FirstPass, TaggedScope};

pub(super) use protobuf::ProtobufFormat;
pub(super) use value::TextFormat;

/// How stats are written.
pub(super) trait Format {
    /// What pieces of the body are made as.
    type Piece: Piece;
    /// Labels, written out.
    type Labels;

    /// Writes out the labels of both lists, each of which is sorted.
    fn labels(first: &[Label], second: &[Label]) -> Self::Labels;
    /// Begins a family with a first value.
    fn begin(&mut self, piece: &mut Self::Piece, metric: &str, value: &StatValue<'_>);
    /// Appends a value; `name` makes the full name of the stat.
    fn push(
        &mut self,
        piece: &mut Self::Piece,
        metric: &str,
        labels: &Self::Labels,
        value: &StatValue<'_>,
        name: &dyn Fn() -> String,
    );
    /// Ends a family that was begun.
    fn end(&mut self, piece: &mut Self::Piece);
}

/// An exposition under way.
pub(super) struct Exposition<F: Format> {
    params: StatsParams,
    extractor: TagExtractor,
    format: F,
    /// The labels of scopes, written out when first wanted.
    labels: Vec<OnceCell<F::Labels>>,
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
    has_begun: bool,
}

impl<F: Format> Exposition<F> {
    pub(super) fn new(state: &dyn AdminState, params: StatsParams, format: F) -> Self {
        let (extractor, scopes) = (state.tags().clone(), state.stats().scopes());
        Self {
            format,
            params,
            extractor: extractor.clone(),
            labels: Vec::new(),
            first_pass: Some(FirstPass::new(extractor, scopes)),
            naming: None,
            scopes: Vec::new(),
            families: Vec::new().into_iter(),
            current: None,
        }
    }

    /// Goes one step: looks at a scope or a name, begins a family, or writes or passes over a stat. False at the end.
    pub(super) fn step(&mut self, piece: &mut F::Piece) -> bool {
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
            Some(at) => self.push_stat(piece, at),
            None => {
                if open.has_begun {
                    self.format.end(piece);
                }
                self.current = None;
            }
        }
        true
    }

    /// Appends the stat of a scope and a source, if it is to be shown.
    fn push_stat(&mut self, piece: &mut F::Piece, (at, source): (usize, usize)) {
        let Self {
            params,
            extractor,
            format,
            labels,
            scopes,
            current: Some(open),
            ..
        } = self
        else {
            return;
        };
        let source = open.family.sources.get(source);
        let (Some(scope), Some(written), Some(source)) = (scopes.get(at), labels.get(at), source)
        else {
            return;
        };
        let (metric, has_begun) = (&open.metric, &mut open.has_begun);
        source.read(scope, at, &mut |value, used| {
            let name = || [scope.scope.prefix(), &source.suffix].concat();
            if !params.shows_lazily(name, used) {
                return;
            }
            if !std::mem::replace(has_begun, true) {
                format.begin(piece, metric, value);
            }
            let own;
            let labels = match &source.labels {
                Labels::OfSuffix(labels) if labels.is_empty() => {
                    written.get_or_init(|| F::labels(&scope.labels, &[]))
                }
                Labels::OfSuffix(labels) => {
                    own = F::labels(&scope.labels, labels);
                    &own
                }
                Labels::OfName => {
                    let tags = extractor.extract(&name()).tags;
                    let labels: Vec<_> = tags.iter().map(Label::of).collect();
                    own = F::labels(&labels, &[]);
                    &own
                }
            };
            format.push(piece, metric, labels, value, &name);
        });
    }

    fn end_naming(&mut self) {
        if let Some(naming) = self.naming.take() {
            let (scopes, mut families) = naming.finish();
            families
                .retain(|family| self.params.text_readouts || family.phase != Phase::TextReadout);
            self.labels = scopes.iter().map(|_| OnceCell::new()).collect();
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
            has_begun: false,
        }
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
