//! A group of stats: registered by its table, live once a worker has cells.

use std::sync::Arc;

use super::sum_gauges;
use crate::stats::config::Selection;
use crate::stats::group::{self, CellRef, Cells, GroupTable, StatKind};
use crate::stats::histogram::Histogram;
use crate::stats::import::Import;
use crate::stats::merged::MergedHistogram;
use crate::stats::samples::{SampleQueue, Teller};
use crate::stats::view::{StatName, StatValue, StatView};

/// A registered group; `live` appears with the first worker's cells.
pub(in crate::stats) struct GroupEntry {
    table: &'static GroupTable,
    sub: &'static str,
    live: Option<Box<LiveGroup>>,
}

struct LiveGroup {
    workers: Vec<Arc<dyn Cells>>,
    /// Holds what workers counted that have let go of their cells; written by the flushing thread alone.
    folded: Option<Arc<dyn Cells>>,
    /// What another process counted; written by whoever imports, under the scope's lock.
    imported: Option<Arc<dyn Cells>>,
    /// The counters' sums at the last reset; empty before.
    baseline: Box<[u64]>,
    /// One for each histogram once any has values.
    merged: Box<[Option<Box<MergedHistogram>>]>,
    /// The counters' sums when they were last told; empty if nobody is told.
    told: Box<[u64]>,
    /// The indexes of what is not listed, sorted.
    unlisted: Box<[u16]>,
}

impl std::fmt::Debug for GroupEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let workers = self.live.as_ref().map_or(0, |live| live.workers.len());
        write!(
            formatter,
            "GroupEntry({}{}, {workers} workers)",
            self.sub, self.table.prefix
        )
    }
}

impl GroupEntry {
    pub(in crate::stats) fn new(table: &'static GroupTable, sub: &'static str) -> Self {
        Self {
            table,
            sub,
            live: None,
        }
    }

    pub(in crate::stats) fn is(&self, table: &'static GroupTable, sub: &'static str) -> bool {
        std::ptr::eq(self.table, table) && self.sub == sub
    }

    pub(in crate::stats) fn add(&mut self, cells: Arc<dyn Cells>) {
        self.live().workers.push(cells);
    }

    /// Notes what of the group is chosen; false if nothing is.
    pub(in crate::stats) fn select(&mut self, prefix: &str, selection: &Selection) -> bool {
        let mut name = [prefix, self.sub, self.table.prefix].concat();
        if let Some(all) = selection.chooses_under(&name) {
            return all;
        }
        let start = name.len();
        let mut unlisted = Vec::new();
        for index in 0..self.table.len() {
            let Some((leaf, _)) = self.table.stat(index) else {
                continue;
            };
            name.truncate(start);
            name.push_str(leaf);
            if !selection.chooses(&name) {
                unlisted.extend(u16::try_from(index));
            }
        }
        if unlisted.len() == self.table.len() {
            return false;
        }
        if !unlisted.is_empty() {
            self.live().unlisted = unlisted.into();
        }
        true
    }

    /// Whether the stat at `index` is not listed.
    fn hides(&self, index: usize) -> bool {
        let hides = |live: &LiveGroup| {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            live.unlisted.binary_search(&index).is_ok()
        };
        self.live.as_deref().is_some_and(hides)
    }

    fn live(&mut self) -> &mut LiveGroup {
        self.live.get_or_insert_with(|| {
            Box::new(LiveGroup {
                workers: Vec::with_capacity(1),
                folded: None,
                imported: None,
                baseline: Box::default(),
                merged: Box::default(),
                told: Box::default(),
                unlisted: Box::default(),
            })
        })
    }

    /// Takes over what another process counted under this name within the scope; false if it is not of this group.
    pub(in crate::stats) fn import(&mut self, name: &str, import: Import) -> bool {
        let own = name.strip_prefix(self.sub);
        let Some(own) = own.and_then(|own| own.strip_prefix(self.table.prefix)) else {
            return false;
        };
        let index = match import {
            Import::Counter(_) => self.table.counter(own),
            Import::Gauge(_) => self.table.gauge(own),
        };
        let Some(index) = index else {
            return false;
        };
        let new_cells = self.table.new_cells;
        let cells = self.live().imported.get_or_insert_with(new_cells);
        match (import, cells.cell(index)) {
            (Import::Counter(more), Some(CellRef::Counter(counter))) => counter.add(more),
            (Import::Gauge(value), Some(CellRef::Gauge(gauge))) => gauge.set(value),
            _ => return false,
        }
        true
    }

    /// Forgets what another process's gauges added.
    pub(in crate::stats) fn forget_imported_gauges(&mut self) {
        let Some(cells) = self.live.as_ref().and_then(|live| live.imported.as_ref()) else {
            return;
        };
        for index in 0..self.table.len() {
            if let Some(CellRef::Gauge(gauge)) = cells.cell(index)
                && gauge.used()
            {
                gauge.set(0);
            }
        }
    }

    pub(in crate::stats) fn describe(
        &self,
        each: &mut dyn FnMut(&'static GroupTable, &'static str),
    ) {
        each(self.table, self.sub);
    }

    pub(in crate::stats) fn for_each(&self, prefix: &str, each: &mut dyn FnMut(StatView<'_>)) {
        (0..self.table.len()).for_each(|index| self.read(prefix, index, each));
    }

    /// Calls `each` for all stats with what came to counters since the last time.
    pub(in crate::stats) fn since_last(
        &mut self,
        prefix: &str,
        each: &mut dyn FnMut(StatView<'_>, u64),
    ) {
        let sums: Box<[u64]> = match &self.live {
            Some(live) => (0..self.table.counters.len())
                .map(|index| live.counter_sum(index))
                .collect(),
            None => Box::default(),
        };
        let told = self.live.as_ref().map(|live| &*live.told);
        for index in 0..self.table.len() {
            let sum = sums.get(index).copied().unwrap_or(0);
            let before = told.and_then(|told| told.get(index)).copied().unwrap_or(0);
            let more = sum.wrapping_sub(before);
            self.read(prefix, index, &mut |stat| each(stat, more));
        }
        if let Some(live) = &mut self.live {
            live.told = sums;
        }
    }

    /// Lets the histograms of new cells tell each value, but for those that are not listed.
    pub(in crate::stats) fn tell_values(
        &self,
        prefix: &str,
        cells: &dyn Cells,
        queue: &Arc<SampleQueue>,
    ) {
        let first = self.table.counters.len() + self.table.gauges.len();
        for (at, (leaf, unit)) in self.table.histograms.iter().enumerate() {
            let index = first + at;
            if let Some(CellRef::Histogram(histogram)) = cells.cell(index)
                && !self.hides(index)
            {
                let name = [prefix, self.sub, self.table.prefix, leaf].concat();
                histogram.tell(Teller {
                    queue: queue.clone(),
                    name: name.into(),
                    unit: *unit,
                });
            }
        }
    }

    /// Calls `read` with the stat at `index` of the table, if it is listed.
    pub(in crate::stats) fn read(
        &self,
        prefix: &str,
        index: usize,
        read: &mut dyn FnMut(StatView<'_>),
    ) {
        let Some((leaf, kind)) = self.table.stat(index) else {
            return;
        };
        if self.hides(index) {
            return;
        }
        let live = self.live.as_deref();
        let value = match kind {
            StatKind::Counter => {
                let (value, used) = live.map_or((0, false), |live| live.counter(index));
                StatValue::Counter { value, used }
            }
            StatKind::Gauge => {
                let (value, used) = live.map_or((0, false), |live| live.gauge(index));
                StatValue::Gauge { value, used }
            }
            StatKind::Histogram(unit) => {
                let at = index - self.table.counters.len() - self.table.gauges.len();
                let merged = live.and_then(|live| live.merged.get(at)?.as_deref());
                StatValue::Histogram { merged, unit }
            }
        };
        let name = StatName {
            scope: prefix,
            group: [self.sub, self.table.prefix],
            leaf,
        };
        read(StatView { name, value });
    }

    /// Whether a worker holds its cells.
    pub(in crate::stats) fn is_held(&self) -> bool {
        let held = |live: &LiveGroup| {
            live.workers
                .iter()
                .any(|cells| Arc::strong_count(cells) > 1)
        };
        self.live.as_deref().is_some_and(held)
    }

    pub(in crate::stats) fn flush(&mut self) {
        if let Some(live) = &mut self.live {
            live.fold(self.table);
            live.merge(self.table);
        }
    }

    pub(in crate::stats) fn reset_counters(&mut self) {
        if let Some(live) = &mut self.live {
            live.baseline = (0..self.table.counters.len())
                .map(|index| live.counter_sum(index))
                .collect();
        }
    }
}

impl LiveGroup {
    fn cells(&self, index: usize) -> impl Iterator<Item = CellRef<'_>> {
        self.workers
            .iter()
            .chain(&self.folded)
            .chain(&self.imported)
            .filter_map(move |cells| cells.cell(index))
    }

    fn counter_sum(&self, index: usize) -> u64 {
        self.cells(index).fold(0, |sum: u64, cell| match cell {
            CellRef::Counter(counter) => sum.wrapping_add(counter.value()),
            _ => sum,
        })
    }

    fn counter(&self, index: usize) -> (u64, bool) {
        let sum = self.counter_sum(index);
        let baseline = self.baseline.get(index).copied().unwrap_or(0);
        (sum.wrapping_sub(baseline), sum != 0)
    }

    fn gauge(&self, index: usize) -> (u64, bool) {
        sum_gauges(self.cells(index).filter_map(|cell| match cell {
            CellRef::Gauge(gauge) => Some(gauge),
            _ => None,
        }))
    }

    /// Takes over the counts of cells that no worker holds any more.
    fn fold(&mut self, table: &GroupTable) {
        let Self {
            workers, folded, ..
        } = self;
        workers.retain_mut(|cells| {
            // Unlike `strong_count`, this also makes what the worker wrote last visible here.
            if Arc::get_mut(cells).is_none() {
                return true;
            }
            let folded = folded.get_or_insert_with(table.new_cells);
            group::absorb(table, &**folded, &**cells);
            false
        });
    }

    fn merge(&mut self, table: &GroupTable) {
        let first = table.counters.len() + table.gauges.len();
        let mut merged = std::mem::take(&mut self.merged);
        for index in 0..table.histograms.len() {
            let mut cells = self.cells(first + index).filter_map(|cell| match cell {
                CellRef::Histogram(histogram) => Some(histogram),
                _ => None,
            });
            if merged.is_empty() {
                if cells.all(Histogram::is_empty) {
                    continue;
                }
                merged = table.histograms.iter().map(|_| None).collect();
            }
            let cells = self.cells(first + index).filter_map(|cell| match cell {
                CellRef::Histogram(histogram) => Some(histogram),
                _ => None,
            });
            if let Some(slot) = merged.get_mut(index) {
                MergedHistogram::merge(slot, cells);
            }
        }
        self.merged = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::GroupEntry;

    #[test]
    fn a_group_without_cells_takes_four_words() {
        assert_eq!(size_of::<GroupEntry>(), 4 * size_of::<usize>());
    }
}
