//! Stats grouped by the name that is left when their tags are taken out.
//!
//! The same group of stats stands in many scopes (one a cluster), so tags of names are worked out once for
//! each kind of scope and group, not for each stat: memory and time stay small with 10,000 clusters.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{GroupTable, StatKind};

use super::labels::Label;
use super::scopes::{DynamicStat, Group, TaggedScope};

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

/// The families found so far.
#[derive(Default)]
pub(super) struct Families {
    found: BTreeMap<(Phase, String), Family>,
}

impl Families {
    /// All of them in the order of exposition.
    pub(super) fn into_sorted(self) -> Vec<Family> {
        let mut families: Vec<Family> = self.found.into_values().collect();
        families.sort_by(|left, right| {
            left.phase
                .cmp(&right.phase)
                .then_with(|| by_tokens(&left.name, &right.name))
        });
        for family in &mut families {
            family
                .sources
                .sort_by(|left, right| by_tokens(&left.suffix, &right.suffix));
        }
        families
    }

    /// Adds a group that stands in scopes of one kind.
    pub(super) fn add_group(
        &mut self,
        extractor: &TagExtractor,
        scopes: &[TaggedScope],
        group: Group,
    ) {
        let Group {
            table,
            sub,
            members,
        } = group;
        let members = Rc::new(members);
        for index in 0..table.len() {
            let Some((leaf, kind)) = table.stat(index) else {
                return;
            };
            let phase = match kind {
                StatKind::Counter => Phase::Counter,
                StatKind::Gauge => Phase::Gauge,
                StatKind::Histogram(_) => Phase::Histogram,
            };
            let suffix = format!("{sub}{}{leaf}", table.prefix);
            self.add(
                extractor,
                scopes,
                &suffix,
                phase,
                members.clone(),
                |scopes| Stats::Group {
                    table,
                    sub,
                    index,
                    scopes,
                },
            );
        }
    }

    /// Adds stats of one suffix that are in no group, in scopes of one kind.
    pub(super) fn add_dynamic(
        &mut self,
        extractor: &TagExtractor,
        scopes: &[TaggedScope],
        suffix: &str,
        phase: Phase,
        members: Vec<(usize, DynamicStat)>,
    ) {
        let at = Rc::new(members.iter().map(|member| member.0).collect::<Vec<_>>());
        let mut members: HashMap<usize, DynamicStat> = members.into_iter().collect();
        self.add(extractor, scopes, suffix, phase, at, |scopes| {
            Stats::Dynamic(
                scopes
                    .iter()
                    .filter_map(|at| Some((*at, members.remove(at)?)))
                    .collect(),
            )
        });
    }

    /// Adds the stats of one suffix in scopes of one kind. The tags of the suffix are worked out in the first
    /// scope; if they reach into its prefix, each scope is taken by itself.
    fn add(
        &mut self,
        extractor: &TagExtractor,
        scopes: &[TaggedScope],
        suffix: &str,
        phase: Phase,
        members: Rc<Vec<usize>>,
        mut stats: impl FnMut(Rc<Vec<usize>>) -> Stats,
    ) {
        let Some(first) = members.first().and_then(|at| scopes.get(*at)) else {
            return;
        };
        let source = |labels, stats| Source {
            suffix: suffix.to_owned(),
            is_gauge: phase == Phase::Gauge,
            labels,
            stats,
        };
        let prefix_len = first.scope.prefix().len();
        let found = extractor.extract(&[first.scope.prefix(), suffix].concat());
        let (inside, outside): (Vec<_>, Vec<_>) = found
            .tags
            .iter()
            .partition(|tag| tag.removed.end <= prefix_len);
        let inside: Vec<Label> = inside.into_iter().map(Label::of).collect();
        let is_apart = inside == first.labels && found.name.starts_with(&*first.extracted);
        if is_apart && !extractor.has_expressions() {
            let labels = Labels::OfSuffix(outside.into_iter().map(Label::of).collect());
            self.push(phase, found.name, source(labels, stats(members)));
            return;
        }
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for at in members.iter() {
            let prefix = scopes.get(*at).map_or("", |scope| scope.scope.prefix());
            let name = extractor.extract(&[prefix, suffix].concat()).name;
            by_name.entry(name).or_default().push(*at);
        }
        for (name, members) in by_name {
            let stats = stats(Rc::new(members));
            self.push(phase, name, source(Labels::OfName, stats));
        }
    }

    fn push(&mut self, phase: Phase, name: String, source: Source) {
        let family = self
            .found
            .entry((phase, name))
            .or_insert_with_key(|(phase, name)| Family {
                phase: *phase,
                name: name.clone(),
                sources: Vec::new(),
            });
        family.sources.push(source);
    }
}
