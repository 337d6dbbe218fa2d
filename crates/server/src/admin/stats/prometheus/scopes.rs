//! The first pass of an exposition, scope by scope: their tags, and which groups stand in which of them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use nuncio_config::sorting;
use nuncio_contract::stats::tags::{Extracted, TagExtractor};
use nuncio_contract::stats::{GroupTable, Scope, StatValue};

use super::families::{Phase, by_tokens};
use super::labels::Label;
use super::naming::{Naming, Unnamed};
use crate::admin::stats::walk::{Value, is_used};

/// A scope and its tags.
#[derive(Debug)]
pub(super) struct TaggedScope {
    pub(super) scope: Scope,
    pub(super) labels: Vec<Label>,
    /// The prefix without its tags.
    pub(super) extracted: Rc<str>,
}

/// A group and the scopes of one kind that hold it.
pub(super) struct Group {
    pub(super) table: &'static GroupTable,
    pub(super) sub: &'static str,
    pub(super) members: Vec<usize>,
}

/// A stat in no group.
#[derive(Debug)]
pub(super) struct DynamicStat {
    pub(super) value: Value,
    pub(super) used: bool,
}

/// Kind of scope, suffix and kind of stat.
type DynamicKey = (Rc<str>, String, Phase);

/// What the pass has found so far.
pub(super) struct FirstPass {
    extractor: TagExtractor,
    waiting: std::vec::IntoIter<Scope>,
    scopes: Vec<TaggedScope>,
    /// Extracted prefixes, each kept once.
    kinds: HashMap<Rc<str>, ()>,
    /// Indexes of `groups`; tables are told apart by address.
    group_indexes: HashMap<(Rc<str>, *const GroupTable, &'static str), usize>,
    groups: Vec<Group>,
    dynamic: BTreeMap<DynamicKey, Vec<(usize, DynamicStat)>>,
}

impl FirstPass {
    pub(super) fn new(extractor: TagExtractor, mut scopes: Vec<Scope>) -> Self {
        sorting::sort_by(&mut scopes, |left, right| {
            by_tokens(left.prefix(), right.prefix())
        });
        Self {
            extractor,
            waiting: scopes.into_iter(),
            scopes: Vec::new(),
            kinds: HashMap::new(),
            group_indexes: HashMap::new(),
            groups: Vec::new(),
            dynamic: BTreeMap::new(),
        }
    }

    /// Takes one more scope; false if there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(scope) = self.waiting.next() else {
            return false;
        };
        let scope = self.tag(scope);
        self.note_groups(&scope);
        self.note_dynamic(&scope);
        self.scopes.push(scope);
        true
    }

    /// What comes next: the families of all stats.
    pub(super) fn finish(self) -> Naming {
        let groups = self.groups.into_iter().flat_map(Unnamed::of_group);
        let dynamic = self.dynamic.into_iter();
        let dynamic =
            dynamic.map(|((_, suffix, phase), stats)| Unnamed::dynamic(suffix, phase, stats));
        let stats = groups.chain(dynamic).collect();
        Naming::new(self.extractor, self.scopes, stats)
    }

    fn tag(&mut self, scope: Scope) -> TaggedScope {
        // Patterns want something after the prefix.
        let own = scope.own_tags();
        let name = format!("{}x", scope.prefix());
        let found = match own.is_some_and(|own| own.is_stat) {
            true => Extracted {
                name,
                tags: Vec::new(),
            },
            false => self.extractor.extract_without_expressions(&name),
        };
        let extracted = found.name.strip_suffix('x').unwrap_or(&found.name);
        let kept = extracted.len() - own.map_or(0, |own| own.removed_bytes.min(extracted.len()));
        let extracted = extracted.get(..kept).unwrap_or(extracted);
        let extracted = match self.kinds.get_key_value(extracted) {
            Some((kind, ())) => kind.clone(),
            None => {
                let kind: Rc<str> = extracted.into();
                self.kinds.insert(kind.clone(), ());
                kind
            }
        };
        let mut labels: Vec<Label> = found.tags.iter().map(Label::of).collect();
        let own = own.iter().flat_map(|own| &own.tags);
        labels.extend(own.map(|(name, value)| Label::own(name, value)));
        TaggedScope {
            scope,
            labels,
            extracted,
        }
    }

    fn note_groups(&mut self, scope: &TaggedScope) {
        let at = self.scopes.len();
        let Self {
            group_indexes,
            groups,
            ..
        } = self;
        scope.scope.for_each_group(&mut |table, sub| {
            let key = (scope.extracted.clone(), std::ptr::from_ref(table), sub);
            let index = *group_indexes.entry(key).or_insert_with(|| {
                groups.push(Group {
                    table,
                    sub,
                    members: Vec::new(),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(index) {
                group.members.push(at);
            }
        });
    }

    fn note_dynamic(&mut self, scope: &TaggedScope) {
        let at = self.scopes.len();
        scope.scope.for_each_dynamic(&mut |stat| {
            let phase = match stat.value {
                StatValue::Counter { .. } => Phase::Counter,
                StatValue::Gauge { .. } => Phase::Gauge,
                StatValue::TextReadout { .. } => Phase::TextReadout,
                StatValue::Histogram { .. } => Phase::Histogram,
            };
            let suffix = format!("{}{}", stat.name.group.concat(), stat.name.leaf);
            let entry = self
                .dynamic
                .entry((scope.extracted.clone(), suffix, phase))
                .or_default();
            entry.push((
                at,
                DynamicStat {
                    value: Value::of(&stat.value),
                    used: is_used(&stat.value),
                },
            ));
        });
    }
}
