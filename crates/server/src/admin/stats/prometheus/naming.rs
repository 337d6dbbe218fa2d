//! The second pass of an exposition: the families that stats belong to.
//!
//! The same group of stats stands in many scopes (one a cluster), so tags of names are worked out once for
//! each kind of scope and group, not for each stat: memory and time stay small with 10,000 clusters. Expressions
//! of the configuration are asked for each stat; those in which they find something are taken by themselves.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use nuncio_config::sorting;
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{GroupTable, StatKind};

use super::families::{Family, Labels, Phase, Source, Stats, by_tokens};
use super::labels::Label;
use super::scopes::{DynamicStat, Group, TaggedScope};

/// Stats of one suffix in scopes of one kind, whose family is not known yet.
pub(super) struct Unnamed {
    suffix: String,
    phase: Phase,
    members: Rc<Vec<usize>>,
    values: Values,
}

/// Where their values are.
enum Values {
    Group {
        table: &'static GroupTable,
        sub: &'static str,
        index: usize,
    },
    /// By scope.
    Dynamic(HashMap<usize, DynamicStat>),
}

impl Unnamed {
    /// The stats of a group.
    pub(super) fn of_group(group: Group) -> impl Iterator<Item = Self> {
        let Group {
            table,
            sub,
            members,
        } = group;
        let members = Rc::new(members);
        (0..table.len()).filter_map(move |index| {
            let (leaf, kind) = table.stat(index)?;
            let phase = match kind {
                StatKind::Counter => Phase::Counter,
                StatKind::Gauge => Phase::Gauge,
                StatKind::Histogram(_) => Phase::Histogram,
            };
            Some(Self {
                suffix: [sub, table.prefix, leaf].concat(),
                phase,
                members: Rc::clone(&members),
                values: Values::Group { table, sub, index },
            })
        })
    }

    /// Stats of one suffix that are in no group.
    pub(super) fn dynamic(suffix: String, phase: Phase, stats: Vec<(usize, DynamicStat)>) -> Self {
        Self {
            suffix,
            phase,
            members: Rc::new(stats.iter().map(|stat| stat.0).collect()),
            values: Values::Dynamic(stats.into_iter().collect()),
        }
    }

    fn stats(&mut self, scopes: Rc<Vec<usize>>) -> Stats {
        match &mut self.values {
            Values::Group { table, sub, index } => Stats::Group {
                table,
                sub,
                index: *index,
                scopes,
            },
            Values::Dynamic(stats) => {
                let scopes = scopes.iter();
                Stats::Dynamic(
                    scopes
                        .filter_map(|at| Some((*at, stats.remove(at)?)))
                        .collect(),
                )
            }
        }
    }
}

/// The pass under way.
pub(super) struct Naming {
    extractor: TagExtractor,
    scopes: Vec<TaggedScope>,
    waiting: std::vec::IntoIter<Unnamed>,
    open: Option<Sorting>,
    found: BTreeMap<(Phase, String), Family>,
}

/// Stats of one suffix that are looked at scope by scope.
struct Sorting {
    stats: Unnamed,
    /// The family's name and the suffix's labels in scopes where no expression finds anything, if these are alike.
    alike: Option<(String, Vec<Label>)>,
    at: usize,
    members_alike: Vec<usize>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Naming {
    pub(super) fn new(
        extractor: TagExtractor,
        scopes: Vec<TaggedScope>,
        stats: Vec<Unnamed>,
    ) -> Self {
        Self {
            extractor,
            scopes,
            waiting: stats.into_iter(),
            open: None,
            found: BTreeMap::new(),
        }
    }

    /// Looks at one suffix, or at one of its stats; false at the end.
    pub(super) fn step(&mut self) -> bool {
        match self.open.take() {
            Some(sorting) => self.sort_one(sorting),
            None => match self.waiting.next() {
                Some(stats) => self.begin(stats),
                None => return false,
            },
        }
        true
    }

    /// The scopes, and the families in the order of exposition.
    pub(super) fn finish(self) -> (Vec<TaggedScope>, Vec<Family>) {
        let mut families: Vec<Family> = self.found.into_values().collect();
        sorting::sort_by(&mut families, |left, right| {
            left.phase
                .cmp(&right.phase)
                .then_with(|| by_tokens(&left.name, &right.name))
        });
        for family in &mut families {
            sorting::sort_by(&mut family.sources, |left, right| {
                by_tokens(&left.suffix, &right.suffix)
            });
        }
        (self.scopes, families)
    }

    /// The tags of the suffix are worked out in the first scope; if they reach into its prefix, or if there are
    /// expressions, each scope is looked at.
    fn begin(&mut self, mut stats: Unnamed) {
        let alike = self.alike(&stats);
        match alike {
            Some((name, labels)) if !self.extractor.has_expressions() => {
                let members = Rc::clone(&stats.members);
                self.push(&mut stats, name, Labels::OfSuffix(labels), members);
            }
            alike => {
                self.open = Some(Sorting {
                    stats,
                    alike,
                    at: 0,
                    members_alike: Vec::new(),
                    by_name: BTreeMap::new(),
                });
            }
        }
    }

    fn alike(&self, stats: &Unnamed) -> Option<(String, Vec<Label>)> {
        let first = stats.members.first().and_then(|at| self.scopes.get(*at))?;
        let prefix = first.scope.prefix();
        if first.scope.own_tags().is_some() {
            return Some(([&*first.extracted, &stats.suffix].concat(), Vec::new()));
        }
        let name = [prefix, &stats.suffix].concat();
        let found = self.extractor.extract_without_expressions(&name);
        let tags = found.tags.iter();
        let (inside, outside): (Vec<_>, Vec<_>) =
            tags.partition(|tag| tag.removed.end <= prefix.len());
        let inside: Vec<Label> = inside.into_iter().map(Label::of).collect();
        let is_apart = inside == first.labels && found.name.starts_with(&*first.extracted);
        is_apart.then(|| (found.name, outside.into_iter().map(Label::of).collect()))
    }

    fn sort_one(&mut self, mut sorting: Sorting) {
        let Some(at) = sorting.stats.members.get(sorting.at).copied() else {
            return self.end(sorting);
        };
        sorting.at += 1;
        if let Some(scope) = self.scopes.get(at) {
            let name = [scope.scope.prefix(), &sorting.stats.suffix].concat();
            let is_stat = scope.scope.own_tags().is_some_and(|own| own.is_stat);
            let keeps_to_alike = is_stat || !self.extractor.has_own_tags(&name);
            if sorting.alike.is_some() && keeps_to_alike {
                sorting.members_alike.push(at);
            } else {
                let name = self.extractor.extract(&name).name;
                sorting.by_name.entry(name).or_default().push(at);
            }
        }
        self.open = Some(sorting);
    }

    fn end(&mut self, sorting: Sorting) {
        let Sorting {
            mut stats,
            alike,
            members_alike,
            by_name,
            ..
        } = sorting;
        if let Some((name, labels)) = alike
            && !members_alike.is_empty()
        {
            let members = Rc::new(members_alike);
            self.push(&mut stats, name, Labels::OfSuffix(labels), members);
        }
        for (name, members) in by_name {
            self.push(&mut stats, name, Labels::OfName, Rc::new(members));
        }
    }

    fn push(&mut self, stats: &mut Unnamed, name: String, labels: Labels, members: Rc<Vec<usize>>) {
        let phase = stats.phase;
        let source = Source {
            suffix: stats.suffix.clone(),
            is_gauge: phase == Phase::Gauge,
            labels,
            stats: stats.stats(members),
        };
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
