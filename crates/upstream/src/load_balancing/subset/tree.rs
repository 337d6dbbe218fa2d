//! The hosts grouped by their metadata.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::criteria::{Criteria, hash_fields};
use super::{SelectorFallback, SubsetSettings};
use crate::host::Host;
use crate::load_balancing::level::{Level, LocalityHosts};
use crate::load_balancing::level_set::LevelSet;
use crate::load_balancing::settings::LbSettings;

/// All subsets of a cluster.
#[derive(Debug)]
pub(in super::super) struct SubsetTree {
    pub(super) subsets: Vec<Subset>,
    by_key: HashTable<usize>,
    hashes: RandomState,
    pub(super) any: Option<Arc<LevelSet>>,
    pub(super) default: Option<Arc<LevelSet>>,
    /// What requests fall back to that ask for exactly these keys.
    pub(super) fallbacks: Vec<Fallback>,
    /// Hosts that found their single place taken.
    pub(in super::super) duplicates: u64,
}

/// The hosts with the same values.
#[derive(Debug)]
pub(super) struct Subset {
    pub(super) key: Key,
    pub(super) hosts: SubsetHosts,
}

#[derive(Debug)]
pub(super) enum SubsetHosts {
    Single(u32),
    Set(Arc<LevelSet>),
}

/// What requests fall back to that ask for exactly these keys.
#[derive(Debug)]
pub(super) struct Fallback {
    pub(super) keys: Box<[Box<str>]>,
    pub(super) fallback: SelectorFallback,
    pub(super) instead: Box<[Box<str>]>,
}

pub(super) type Key = Vec<(Box<str>, Value)>;

/// A subset while hosts are gathered.
struct Gathered {
    key: Key,
    single: bool,
    members: Vec<u32>,
}

impl SubsetTree {
    pub(in super::super) fn new(
        root: &LevelSet,
        subset: &SubsetSettings,
        settings: &LbSettings,
    ) -> Self {
        let set = |members: &[u32]| Arc::new(filtered(root, subset, settings, members));
        let numbered = || (0_u32..).zip(root.hosts.iter());
        let all = || numbered().map(|(number, _)| number).collect::<Vec<_>>();
        let is_default = |host| matches(host, &subset.default_subset, subset.list_as_any);
        let of_default = || {
            let found = numbered().filter(|(_, host)| is_default(host));
            found.map(|(number, _)| number).collect::<Vec<_>>()
        };
        let mut tree = Self {
            subsets: Vec::new(),
            by_key: HashTable::new(),
            hashes: RandomState::new(),
            any: subset.needs_any().then(|| set(&all())),
            default: subset.needs_default().then(|| set(&of_default())),
            fallbacks: fallbacks(subset),
            duplicates: 0,
        };
        let gathered = tree.gather(root, subset);
        tree.subsets = gathered
            .into_iter()
            .map(|found| Subset {
                hosts: match (found.single, found.members.first()) {
                    (true, Some(first)) => SubsetHosts::Single(*first),
                    _ => SubsetHosts::Set(set(&found.members)),
                },
                key: found.key,
            })
            .collect();
        tree
    }

    fn gather(&mut self, root: &LevelSet, subset: &SubsetSettings) -> Vec<Gathered> {
        let mut gathered: Vec<Gathered> = Vec::new();
        for (number, host) in (0_u32..).zip(root.hosts.iter()) {
            for selector in &subset.selectors {
                for key in keys_of(host, &selector.keys, subset.list_as_any) {
                    let place = self.place(&mut gathered, key, selector.single_host_per_subset);
                    let Some(found) = gathered.get_mut(place) else {
                        continue;
                    };
                    match found.members.last() {
                        Some(_) if found.single => self.duplicates += 1,
                        // Two selectors with the same keys.
                        Some(last) if *last == number => {}
                        _ => found.members.push(number),
                    }
                }
            }
        }
        gathered
    }

    fn place(&mut self, gathered: &mut Vec<Gathered>, key: Key, single: bool) -> usize {
        let hash = self.hash(fields(&key));
        let known = self.by_key.find(hash, |place| {
            gathered.get(*place).is_some_and(|found| found.key == key)
        });
        if let Some(place) = known {
            return *place;
        }
        let place = gathered.len();
        gathered.push(Gathered {
            key,
            single,
            members: Vec::new(),
        });
        let hashes = &self.hashes;
        self.by_key.insert_unique(hash, place, |place| {
            gathered
                .get(*place)
                .map_or(0, |found| hash_by(hashes, fields(&found.key)))
        });
        place
    }

    /// The place of the subset for exactly these criteria.
    pub(super) fn find(&self, criteria: Criteria<'_>) -> Option<usize> {
        let is_it = |place: &usize| {
            let subset = self.subsets.get(*place);
            subset.is_some_and(|subset| fields(&subset.key).eq(criteria.iter()))
        };
        let found = self.by_key.find(self.hash(criteria.iter()), is_it);
        found.copied()
    }

    /// The place of the subset that had this key before an update.
    pub(super) fn find_key(&self, key: &Key) -> Option<usize> {
        let is_it = |place: &usize| self.subsets.get(*place).is_some_and(|it| it.key == *key);
        self.by_key.find(self.hash(fields(key)), is_it).copied()
    }

    fn hash<'v>(&self, fields: impl Iterator<Item = (&'v str, &'v Value)>) -> u64 {
        hash_by(&self.hashes, fields)
    }

    /// How many subsets there are.
    pub(in super::super) fn count(&self) -> u64 {
        self.subsets.len() as u64
    }

    /// How many of the subsets are in `other` too.
    pub(in super::super) fn common(&self, other: &SubsetTree) -> u64 {
        let keys = self.subsets.iter().map(|subset| &subset.key);
        keys.filter(|key| other.find_key(key).is_some()).count() as u64
    }

    /// A set whose table stands for those of all.
    pub(in super::super) fn last_set(&self) -> Option<&LevelSet> {
        let sets = self
            .subsets
            .iter()
            .rev()
            .find_map(|subset| match &subset.hosts {
                SubsetHosts::Set(set) => Some(&**set),
                SubsetHosts::Single(_) => None,
            });
        sets.or(self.default.as_deref()).or(self.any.as_deref())
    }
}

fn hash_by<'v>(hashes: &RandomState, fields: impl Iterator<Item = (&'v str, &'v Value)>) -> u64 {
    let mut state = hashes.build_hasher();
    hash_fields(fields, &mut state);
    state.finish()
}

fn fields(key: &Key) -> impl Iterator<Item = (&str, &Value)> + Clone {
    key.iter().map(|(name, value)| (&**name, value))
}

/// The keys of all subsets that a host is in by one selector; none if it lacks one of the selector's keys.
fn keys_of(host: &Host, names: &[Box<str>], list_as_any: bool) -> Vec<Key> {
    let metadata = host.metadata.as_deref();
    let Some(fields) = metadata.and_then(|metadata| metadata.namespace("envoy.lb")) else {
        return Vec::new();
    };
    let mut keys: Vec<Key> = Vec::new();
    for name in names {
        let Some(value) = fields.get(name) else {
            return Vec::new();
        };
        let values = match value {
            Value::List(values) if list_as_any => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        if keys.is_empty() {
            keys.extend(
                values
                    .iter()
                    .map(|value| vec![(name.clone(), value.clone())]),
            );
            continue;
        }
        keys = keys
            .iter()
            .flat_map(|key| {
                values.iter().map(|value| {
                    let mut longer = key.clone();
                    longer.push((name.clone(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    keys
}

/// Whether a host has all these fields.
fn matches(host: &Host, wanted: &Struct, list_as_any: bool) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let metadata = host.metadata.as_deref();
    let fields = metadata.and_then(|metadata| metadata.namespace("envoy.lb"));
    fields.is_some_and(|fields| {
        wanted.fields().all(|(name, value)| match fields.get(name) {
            Some(Value::List(values)) if list_as_any => values.contains(value),
            found => found == Some(value),
        })
    })
}

/// As in Envoy a selector whose keys begin another one's that was named before has no fallback of its own.
fn fallbacks(subset: &SubsetSettings) -> Vec<Fallback> {
    let mut known: Vec<&[Box<str>]> = Vec::new();
    let mut fallbacks = Vec::new();
    for selector in &subset.selectors {
        for length in 1..=selector.keys.len() {
            let Some(beginning) = selector.keys.get(..length) else {
                break;
            };
            if known.contains(&beginning) {
                continue;
            }
            known.push(beginning);
            if length == selector.keys.len() {
                fallbacks.push(Fallback {
                    keys: selector.keys.clone().into(),
                    fallback: selector.fallback,
                    instead: selector.fallback_keys.clone().into(),
                });
            }
        }
    }
    fallbacks
}

fn filtered(
    root: &LevelSet,
    subset: &SubsetSettings,
    settings: &LbSettings,
    members: &[u32],
) -> LevelSet {
    let level = |whole: &Level| {
        let mut level = whole.filtered(&root.hosts, root.options, members);
        if subset.locality_weight_aware {
            level.locality_weights = locality_weights(whole, &level, subset.scale_locality_weight);
        }
        level
    };
    let levels = root.levels.iter().map(level).collect();
    LevelSet::of_levels(Arc::clone(&root.hosts), levels, root.options, settings)
}

fn locality_weights(whole: &Level, part: &Level, scaled: bool) -> Option<Box<[u32]>> {
    let weights = whole.locality_weights.as_deref()?;
    let places = whole.localities.iter().zip(&part.localities);
    let scale = |(weight, (whole, part)): (&u32, _)| {
        let (whole, part): (usize, usize) = (count(whole), count(part));
        match whole {
            _ if !scaled => *weight,
            0 => 0,
            whole => (f64::from(*weight) * part as f64 / whole as f64).round() as u32,
        }
    };
    Some(weights.iter().zip(places).map(scale).collect())
}

fn count(place: &LocalityHosts) -> usize {
    place.hosts.all.len()
}
