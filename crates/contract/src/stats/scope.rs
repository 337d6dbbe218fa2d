//! A scope: all stats under one prefix, such as `cluster.foo.`; they are listed as long as somebody holds a
//! handle to the scope or cells of it.
//!
//! What configuration declares is registered by its static table and listed as zeros. Cells exist only for
//! the workers that asked for theirs, and each worker asks at first use. When a worker lets go of its cells
//! (a cluster was replaced), the store folds their counts into the group's total at the next flush.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::cells::{Counter, Gauge, TextReadout, WideGauge};
use super::codes::{CodeCounters, Completed};
use super::config::Selection;
use super::entry::{CodesEntry, GroupEntry, Single, SingleEntry};
use super::group::{GroupTable, StatGroup};
use super::histogram::{Histogram, Unit};
use super::import::Import;
use super::samples::Teller;
use super::singles::Singles;
use super::store::StoreInner;
use super::view::{StatValue, StatView};

/// A handle to the stats under one prefix. Clones and scopes of equal prefix share the same stats; they leave
/// the list with the last handle, or if cells are still held, at the first flush without any.
#[derive(Clone, Debug)]
pub struct Scope(pub(super) Arc<ScopeInner>);

#[derive(Debug)]
pub(super) struct ScopeInner {
    pub(super) prefix: Arc<str>,
    store: Weak<StoreInner>,
    entries: Mutex<Entries>,
    own_tags: OnceLock<OwnTags>,
}

/// Tags that are not found in a scope's prefix but told with it.
#[derive(Debug)]
pub struct OwnTags {
    /// How much of the prefix's end they stand for, its dot included.
    pub removed_bytes: usize,
    /// Names and values.
    pub tags: Vec<(Cow<'static, str>, String)>,
    /// Whether the scope is that of one stat, in whose name no other tags are looked for.
    pub is_stat: bool,
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    groups: Vec<GroupEntry>,
    codes: Vec<CodesEntry>,
    singles: Singles,
}

impl Scope {
    /// The prefix, with its trailing dot; empty for the root.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The scope of a longer prefix, which lives on its own. `name` is sanitised and gets a trailing dot.
    ///
    /// Returns `None` once the store is gone, which only happens while the process ends.
    pub fn scope(&self, name: &str) -> Option<Scope> {
        let store = self.0.store.upgrade()?;
        Some(store.scope(&format!("{}{}", self.0.prefix, name)))
    }

    /// The scope of all names of the same store; none once that is gone.
    pub fn root(&self) -> Option<Scope> {
        Some(self.0.store.upgrade()?.scope(""))
    }

    /// The scope of a longer prefix, at whose end `name` stands for `tags`.
    pub fn tagged_scope(
        &self,
        before: &str,
        name: &str,
        tags: Vec<(&'static str, String)>,
    ) -> Option<Scope> {
        let scope = self.scope(&[before, name].concat())?;
        let start = self.prefix().len() + before.len();
        let removed_bytes = scope.prefix().len().saturating_sub(start);
        let tags = tags.into_iter();
        let _told_before = scope.0.own_tags.set(OwnTags {
            removed_bytes,
            tags: tags.map(|(tag, value)| (tag.into(), value)).collect(),
            is_stat: false,
        });
        Some(scope)
    }

    /// The scope of one stat with its tags, which has no name of its own in it. As in Envoy, nothing is replaced in the
    /// name and the tags, which stand behind it; `None` as for [`scope`](Self::scope).
    pub fn tagged_stat(&self, name: &str, tags: Vec<(Arc<str>, String)>) -> Option<Scope> {
        let mut full_name = [self.prefix(), name].concat();
        let removed_from = full_name.len();
        for part in tags.iter().flat_map(|(tag, value)| [&**tag, value]) {
            full_name.push('.');
            full_name.push_str(part);
        }
        let removed_bytes = full_name.len() - removed_from;
        let scope = self.0.store.upgrade()?.scope_as_is(full_name);
        let tags = tags.into_iter();
        let _told_before = scope.0.own_tags.set(OwnTags {
            removed_bytes,
            tags: tags
                .map(|(tag, value)| (tag.to_string().into(), value))
                .collect(),
            is_stat: true,
        });
        Some(scope)
    }

    /// This scope and all that lie within it, which live as long as their handles.
    pub fn all_within(&self) -> Vec<Scope> {
        let store = self.0.store.upgrade();
        store.map_or_else(Vec::new, |store| store.scopes_within(&self.0.prefix))
    }

    /// Forgets the counts of responses by code. As in Envoy they begin anew when a cluster takes the place of another
    /// one; who holds cells still counts in them, but they are not listed any more.
    pub fn forget_codes(&self) {
        self.0.entries().codes.clear();
    }

    /// Tags that were told with the prefix.
    pub fn own_tags(&self) -> Option<&OwnTags> {
        self.0.own_tags.get()
    }

    /// Lists a group's stats, as zeros until a worker counts.
    pub fn register<G: StatGroup>(&self) {
        self.register_at::<G>("");
    }

    /// As [`register`](Self::register), with `sub` (with its trailing dot) between the scope's prefix and the group's.
    pub fn register_at<G: StatGroup>(&self, sub: &'static str) {
        self.0.with_group(G::TABLE, sub, |_| {});
    }

    /// New cells of a group for the calling worker, which alone may write them.
    pub fn worker_group<G: StatGroup>(&self) -> Arc<G> {
        self.worker_group_at("")
    }

    /// As [`worker_group`](Self::worker_group), under `sub`.
    pub fn worker_group_at<G: StatGroup>(&self, sub: &'static str) -> Arc<G> {
        let cells = Arc::new(G::default());
        let store = self.0.store.upgrade();
        let samples = store.as_ref().and_then(|store| store.samples());
        self.0.with_group(G::TABLE, sub, |entry| {
            if let Some(samples) = samples {
                entry.tell_values(&self.0.prefix, &*cells, samples);
            }
            entry.add(cells.clone());
        });
        cells
    }

    /// New response code counters for the calling worker, under `sub` (`external.`, or nothing).
    pub fn worker_codes(&self, sub: &'static str, completed: Completed) -> Arc<CodeCounters> {
        let cells = Arc::new(CodeCounters::default());
        let prefix = || [&self.0.prefix, sub].concat();
        if self.0.lists_some(prefix) {
            self.0.entries().codes(sub, completed).add(cells.clone());
        }
        cells
    }

    /// A counter of its own, whose name is only known at run time. Listed at once; one writer per handle.
    pub fn counter(&self, name: &str) -> Arc<Counter> {
        let cell = Arc::new(Counter::default());
        self.0.list(name, Single::Counter(cell.clone()));
        cell
    }

    /// A gauge of its own, as [`counter`](Self::counter).
    pub fn gauge(&self, name: &str) -> Arc<Gauge> {
        let cell = Arc::new(Gauge::default());
        self.0.list(name, Single::Gauge(cell.clone()));
        cell
    }

    /// A gauge of all 64 bits; of several handles with one name, the newest that was set is shown.
    pub fn wide_gauge(&self, name: &str) -> Arc<WideGauge> {
        let cell = Arc::new(WideGauge::default());
        self.0.list(name, Single::WideGauge(cell.clone()));
        cell
    }

    /// The gauge of all 64 bits that has this name already, or else a new one: all who ask have the same one. For scopes
    /// of few stats.
    pub fn shared_gauge(&self, name: &str) -> Arc<WideGauge> {
        let store = self.0.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        let is_chosen =
            selection.is_none_or(|selection| selection.chooses(&[&self.0.prefix, name].concat()));
        if !is_chosen {
            return Arc::default();
        }
        let mut entries = self.0.entries();
        let listed = entries
            .singles
            .iter()
            .filter(|entry| entry.name() == name)
            .find_map(SingleEntry::wide_gauge)
            .cloned();
        if let Some(gauge) = listed {
            return gauge;
        }
        let cell = Arc::new(WideGauge::default());
        entries.singles.add(name, Single::WideGauge(cell.clone()));
        cell
    }

    /// A histogram of its own, as [`counter`](Self::counter).
    pub fn histogram(&self, name: &str, unit: Unit) -> Arc<Histogram> {
        let cell = Arc::new(Histogram::default());
        let store = self.0.store.upgrade();
        if let Some(queue) = store.as_ref().and_then(|store| store.samples()) {
            cell.tell(Teller {
                queue: queue.clone(),
                name: [&self.0.prefix, name].concat().into(),
                unit,
            });
        }
        self.0.list(name, Single::Histogram(cell.clone(), unit));
        cell
    }

    /// A text readout of its own; of several handles with one name, the newest that was set is shown.
    pub fn text_readout(&self, name: &str) -> Arc<TextReadout> {
        let cell = Arc::new(TextReadout::default());
        self.0.list(name, Single::TextReadout(cell.clone()));
        cell
    }

    /// Calls `each` for all stats of this scope, in no order.
    pub fn for_each(&self, each: &mut dyn FnMut(StatView<'_>)) {
        self.0
            .entries()
            .groups
            .iter()
            .for_each(|entry| entry.for_each(&self.0.prefix, each));
        self.for_each_dynamic(each);
    }

    /// Calls `each` for the groups of this scope: their table and what stands before its names.
    pub fn for_each_group(&self, each: &mut dyn FnMut(&'static GroupTable, &'static str)) {
        self.0
            .entries()
            .groups
            .iter()
            .for_each(|entry| entry.describe(each));
    }

    /// Calls `read` with one stat of a group, by its index in the group's table; not at all if the scope has
    /// no such group.
    pub fn read_group(
        &self,
        table: &'static GroupTable,
        sub: &'static str,
        index: usize,
        read: &mut dyn FnMut(StatView<'_>),
    ) {
        let entries = self.0.entries();
        if let Some(entry) = entries.groups.iter().find(|entry| entry.is(table, sub)) {
            entry.read(&self.0.prefix, index, read);
        }
    }

    /// Whether a worker has ever written this counter of a group.
    pub fn has_counted<G: StatGroup>(&self, counter: &str) -> bool {
        let mut names =
            (0..G::TABLE.len()).filter_map(|index| Some((index, G::TABLE.stat(index)?)));
        let Some((index, _)) = names.find(|(_, (name, _))| *name == counter) else {
            return false;
        };
        let mut has_counted = false;
        self.read_group(G::TABLE, "", index, &mut |stat| {
            if let StatValue::Counter { used, .. } = stat.value {
                has_counted = used;
            }
        });
        has_counted
    }

    /// Calls `each` for the stats that are in no group, in no order.
    pub fn for_each_dynamic(&self, each: &mut dyn FnMut(StatView<'_>)) {
        let entries = self.0.entries();
        let prefix = &*self.0.prefix;
        let store = self.0.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        entries
            .codes
            .iter()
            .for_each(|entry| entry.for_each(prefix, selection, each));
        entries
            .singles
            .iter()
            .for_each(|entry| entry.for_each(prefix, each));
    }

    /// Calls `each` for all stats with what came to counters since the last time; one reader alone may do so.
    pub fn for_each_since_last(&self, each: &mut dyn FnMut(StatView<'_>, u64)) {
        let store = self.0.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        let prefix = &*self.0.prefix;
        let mut entries = self.0.entries();
        let Entries {
            groups,
            codes,
            singles,
        } = &mut *entries;
        groups
            .iter_mut()
            .for_each(|entry| entry.since_last(prefix, each));
        codes
            .iter_mut()
            .for_each(|entry| entry.since_last(prefix, selection, each));
        singles
            .iter_mut()
            .for_each(|entry| entry.since_last(prefix, each));
    }

    /// Takes off the list what is not chosen.
    pub(super) fn apply_selection(&self) {
        let Some(store) = self.0.store.upgrade() else {
            return;
        };
        let Some(selection) = store.selection() else {
            return;
        };
        let prefix = &*self.0.prefix;
        let mut entries = self.0.entries();
        entries
            .groups
            .retain_mut(|entry| entry.select(prefix, selection));
        let is_chosen = |name: &str| selection.chooses(&[prefix, name].concat());
        entries.singles.retain(|entry| is_chosen(entry.name()));
    }

    pub(super) fn flush(&self) {
        let mut entries = self.0.entries();
        entries.groups.iter_mut().for_each(GroupEntry::flush);
        entries.codes.iter_mut().for_each(CodesEntry::flush);
        entries.singles.iter_mut().for_each(SingleEntry::flush);
    }

    pub(super) fn reset_counters(&self) {
        let mut entries = self.0.entries();
        entries
            .groups
            .iter_mut()
            .for_each(GroupEntry::reset_counters);
        entries
            .codes
            .iter_mut()
            .for_each(CodesEntry::reset_counters);
        entries
            .singles
            .iter_mut()
            .for_each(SingleEntry::reset_counters);
    }
}

impl ScopeInner {
    pub(super) fn new(prefix: Arc<str>, store: Weak<StoreInner>) -> Self {
        Self {
            prefix,
            store,
            entries: Mutex::default(),
            own_tags: OnceLock::new(),
        }
    }

    /// Whether a worker or another owner holds cells. While somebody walks the scope, the answer is yes.
    pub(super) fn has_held_cells(&self) -> bool {
        self.entries.try_lock().map_or(true, |entries| {
            entries.groups.iter().any(GroupEntry::is_held)
                || entries.codes.iter().any(CodesEntry::is_held)
                || entries.singles.iter().any(SingleEntry::is_held)
        })
    }

    /// Takes over what another process counted under this name within the scope; false if nothing has the name.
    pub(super) fn import(&self, name: &str, import: Import) -> bool {
        let mut entries = self.entries();
        let Entries {
            groups,
            codes,
            singles,
        } = &mut *entries;
        groups.iter_mut().any(|entry| entry.import(name, import))
            || codes.iter_mut().any(|entry| entry.import(name, import))
            || singles.iter_mut().any(|entry| entry.import(name, import))
    }

    pub(super) fn forget_imported_gauges(&self) {
        let mut entries = self.entries();
        let Entries {
            groups, singles, ..
        } = &mut *entries;
        groups
            .iter_mut()
            .for_each(GroupEntry::forget_imported_gauges);
        singles
            .iter_mut()
            .for_each(SingleEntry::forget_imported_gauge);
    }

    /// Calls `act` with the entry of a group, which is made if need be; not at all if none of it is listed.
    fn with_group(
        &self,
        table: &'static GroupTable,
        sub: &'static str,
        act: impl FnOnce(&mut GroupEntry),
    ) {
        let store = self.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        let mut entries = self.entries();
        if let Some(entry) = entries.group(table, sub, &self.prefix, selection) {
            act(entry);
        }
    }

    /// Lists a stat in no group, if it is chosen.
    fn list(&self, name: &str, cell: Single) {
        let store = self.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        if selection.is_none_or(|selection| selection.chooses(&[&self.prefix, name].concat())) {
            self.entries().singles.add(name, cell);
        }
    }

    /// Whether any stat whose name begins so may be listed.
    fn lists_some(&self, prefix: impl FnOnce() -> String) -> bool {
        let store = self.store.upgrade();
        let selection = store.as_ref().and_then(|store| store.selection());
        selection.is_none_or(|selection| selection.chooses_under(&prefix()) != Some(false))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // This handle and the store's.
        if Arc::strong_count(&self.0) > 2 {
            return;
        }
        if let Some(store) = self.0.store.upgrade() {
            store.forget(&self.0.prefix);
        }
    }
}

impl Entries {
    /// The entry of a group; nothing if none of it is listed.
    fn group(
        &mut self,
        table: &'static GroupTable,
        sub: &'static str,
        prefix: &str,
        selection: Option<&Selection>,
    ) -> Option<&mut GroupEntry> {
        let known = self.groups.iter().position(|entry| entry.is(table, sub));
        let at = match known {
            Some(at) => at,
            None => {
                let mut entry = GroupEntry::new(table, sub);
                if selection.is_some_and(|selection| !entry.select(prefix, selection)) {
                    return None;
                }
                self.groups.push(entry);
                self.groups.len() - 1
            }
        };
        self.groups.get_mut(at)
    }

    fn codes(&mut self, sub: &'static str, completed: Completed) -> &mut CodesEntry {
        let at = self
            .codes
            .iter()
            .position(|entry| entry.sub == sub)
            .unwrap_or_else(|| {
                self.codes.push(CodesEntry::new(sub, completed));
                self.codes.len() - 1
            });
        &mut self.codes[at]
    }
}
