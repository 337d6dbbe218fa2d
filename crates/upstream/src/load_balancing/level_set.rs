//! All that policies know of a cluster's hosts, or of those of one subset: made off the workers and shared by them.

use std::sync::Arc;

use super::hashing::{Evenness, HashTable};
use super::level::Level;
use super::priority_load::{Availability, Loads, PriorityLoad};
use super::settings::{LbPolicy, LbSettings};
use super::source::{Source, SourceKind};
use super::subset::SubsetTree;
use crate::host::{Host, HostSet, LevelOptions, Locality};

/// A cluster's hosts as workers choose from them.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) set: Arc<LevelSet>,
    pub(super) subsets: Option<SubsetTree>,
}

/// What has become of subsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubsetChanges {
    pub(crate) active: u64,
    pub(crate) created: u64,
    pub(crate) removed: u64,
    /// Hosts that found the single place of their subset taken.
    pub(crate) duplicates: u64,
}

/// The hosts of all priorities.
#[derive(Debug)]
pub(crate) struct LevelSet {
    pub(crate) hosts: Arc<[Arc<Host>]>,
    pub(crate) levels: Box<[Level]>,
    pub(super) loads: Loads,
    pub(super) tables: Box<[HashTable]>,
    pub(super) options: LevelOptions,
}

impl Snapshot {
    /// Of the hosts as they are now. `own`: where the proxy stands, if places matter.
    pub(crate) fn new(hosts: &HostSet, settings: &LbSettings, own: Option<&Locality>) -> Self {
        let set = Arc::new(LevelSet::new(hosts, settings, own));
        let subsets = settings
            .subset
            .as_deref()
            .map(|subset| SubsetTree::new(&set, subset, settings));
        Self { set, subsets }
    }

    /// How much of each priority is available, in per cent of what would do.
    pub(crate) fn availability(&self) -> &PriorityLoad {
        &self.set.loads.available
    }

    /// The priority on which `hash` falls.
    pub(crate) fn priority_of(&self, hash: u64) -> (usize, Availability) {
        self.set.loads.load.choose(hash)
    }

    /// What has become of subsets since `before`; none without subsets.
    pub(crate) fn subset_changes(&self, before: Option<&Snapshot>) -> Option<SubsetChanges> {
        let now = self.subsets.as_ref()?;
        let before = before.and_then(|before| before.subsets.as_ref());
        let kept = before.map_or(0, |before| before.common(now));
        Some(SubsetChanges {
            active: now.count(),
            created: now.count() - kept,
            removed: before.map_or(0, SubsetTree::count) - kept,
            duplicates: now.duplicates,
        })
    }

    /// How even the last table came out, if the policy has tables.
    pub(crate) fn evenness(&self) -> Option<Evenness> {
        let last = match &self.subsets {
            Some(tree) => tree.last_set(),
            None => Some(&*self.set),
        };
        last?.tables.iter().rev().find_map(HashTable::evenness)
    }
}

impl LevelSet {
    fn new(hosts: &HostSet, settings: &LbSettings, own: Option<&Locality>) -> Self {
        let weighted = settings.weighs_localities();
        let flat: Arc<[Arc<Host>]> = hosts.iter().cloned().collect();
        let mut first = 0_u32;
        let mut levels = Vec::with_capacity(hosts.priorities.len());
        for priority in &hosts.priorities {
            let end = first.saturating_add(u32::try_from(priority.hosts.len()).unwrap_or(u32::MAX));
            let members: Vec<u32> = (first..end).collect();
            first = end;
            let mut level = Level::new(&flat, &members, hosts.options, own);
            if weighted {
                level.weigh_localities(&flat);
            }
            levels.push(level);
        }
        if levels.is_empty() {
            // A cluster without hosts has a priority too, which is in panic.
            levels.push(Level::default());
        }
        Self::of_levels(flat, levels.into(), hosts.options, settings)
    }

    pub(super) fn of_levels(
        hosts: Arc<[Arc<Host>]>,
        levels: Box<[Level]>,
        options: LevelOptions,
        settings: &LbSettings,
    ) -> Self {
        let loads = Loads::of(&levels, options, settings.panic_threshold_percent());
        let table = |(level, in_panic): (&Level, &bool)| {
            let weights = level.locality_weights.as_deref();
            HashTable::of(&hosts, level, weights, *in_panic, &settings.policy)
        };
        let tables = levels.iter().zip(&loads.panic).filter_map(table).collect();
        Self {
            hosts,
            levels,
            loads,
            tables,
            options,
        }
    }

    /// The hosts that a source stands for.
    #[inline]
    pub(super) fn of_source(&self, source: Source) -> &[u32] {
        let Some(level) = self.levels.get(source.priority) else {
            return &[];
        };
        let place = |locality: usize| level.localities.get(locality).map(|place| &place.hosts);
        match source.kind {
            SourceKind::All => &level.hosts.all,
            SourceKind::Of(Availability::Healthy) => &level.hosts.healthy,
            SourceKind::Of(Availability::Degraded) => &level.hosts.degraded,
            SourceKind::InLocality(locality, Availability::Healthy) => {
                place(locality).map_or(&[], |hosts| &hosts.healthy)
            }
            SourceKind::InLocality(locality, Availability::Degraded) => {
                place(locality).map_or(&[], |hosts| &hosts.degraded)
            }
        }
    }

    /// Whether all requests go to the same hosts, which are to take plain turns: those hosts, and whether this is a
    /// panic.
    pub(crate) fn plain(&self, settings: &LbSettings) -> Option<(&[u32], bool)> {
        let LbPolicy::RoundRobin { slow_start: None } = &settings.policy else {
            return None;
        };
        if settings.subset.is_some() || settings.fails_on_panic() {
            return None;
        }
        let (priority, availability) = self.loads.single()?;
        let in_panic = self.loads.panic.get(priority).copied().unwrap_or(false);
        let kind = match in_panic {
            true => SourceKind::All,
            false => SourceKind::Of(availability),
        };
        let no_places = self.levels.iter().all(|level| level.localities.is_empty());
        let hosts = self.of_source(Source { priority, kind });
        no_places.then_some((hosts, in_panic))
    }
}
