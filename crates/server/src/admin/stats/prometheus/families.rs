//! Stats grouped by the name that is left when their tags are taken out.
//!
//! What they are made of; how they are found stands in [`naming`](super::naming).

use std::rc::Rc;

use nuncio_contract::stats::GroupTable;

use super::labels::Label;
use super::scopes::DynamicStat;

/// The order in which kinds are exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Counter,
    Gauge,
    TextReadout,
    Histogram,
}

/// All stats of one kind and tag-extracted name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) phase: Phase,
    /// The tag-extracted name.
    pub(super) name: String,
    pub(super) sources: Vec<Source>,
}

/// Stats of one suffix in several scopes.
#[derive(Debug)]
pub(super) struct Source {
    /// What follows the scope's prefix.
    pub(super) suffix: String,
    /// Whether numbers are gauges.
    pub(super) is_gauge: bool,
    pub(super) labels: Labels,
    pub(super) stats: Stats,
}

/// The labels of stats of one suffix.
#[derive(Debug)]
pub(super) enum Labels {
    /// The scope's, and these of the suffix.
    OfSuffix(Vec<Label>),
    /// Those of the whole name, which are worked out when it is exposed.
    OfName,
}

/// Where the values are.
#[derive(Debug)]
pub(super) enum Stats {
    /// Read when they are exposed.
    Group {
        table: &'static GroupTable,
        sub: &'static str,
        index: usize,
        scopes: Rc<Vec<usize>>,
    },
    /// Read when the exposition began, by scope.
    Dynamic(Vec<(usize, DynamicStat)>),
}

/// Orders names token by token, as Envoy does: a dot comes before all else.
pub(super) fn by_tokens(left: &str, right: &str) -> std::cmp::Ordering {
    left.split('.').cmp(right.split('.'))
}
