//! Groups of stats that belong together, declared once by [`stat_group!`](crate::stat_group).
//!
//! A group is a struct of cells plus one static table of their names, so that counting is an add at a
//! fixed offset and a name costs nothing per cluster or worker.

use std::sync::Arc;

use super::cells::{Counter, Gauge};
use super::histogram::{Histogram, Unit};

/// The names of a group, in the order of its cells: counters, then gauges, then histograms.
#[derive(Debug)]
pub struct GroupTable {
    /// What precedes each name within the scope, such as `tracing.`; often empty.
    pub prefix: &'static str,
    /// Names of the counters.
    pub counters: &'static [&'static str],
    /// Names of the gauges.
    pub gauges: &'static [&'static str],
    /// Names and units of the histograms.
    pub histograms: &'static [(&'static str, Unit)],
    /// Makes cells of the group.
    pub new_cells: fn() -> Arc<dyn Cells>,
}

/// One cell of a group.
#[derive(Clone, Copy, Debug)]
pub enum CellRef<'a> {
    /// A counter.
    Counter(&'a Counter),
    /// A gauge.
    Gauge(&'a Gauge),
    /// A histogram.
    Histogram(&'a Histogram),
}

/// A group's cells by index, for the store; implemented by [`stat_group!`](crate::stat_group) only.
pub trait Cells: Send + Sync {
    /// The cell at `index` of the group's table.
    fn cell(&self, index: usize) -> Option<CellRef<'_>>;
}

/// A declared group.
pub trait StatGroup: Cells + Default + 'static {
    /// The names.
    const TABLE: &'static GroupTable;
}

/// Declares a group of stats: a struct whose public fields are the cells, and its table of names.
///
/// ```
/// nuncio_contract::stat_group! {
///     /// Stats of a tracing driver, at `http.<stat_prefix>.tracing.`.
///     pub struct TracingStats("tracing.") {
///         counters { client_enabled, random_sampling }
///         gauges { spans_active }
///         histograms { span_length: Milliseconds, export_time = "export.time_ms": Milliseconds }
///     }
/// }
/// let stats = TracingStats::default();
/// stats.client_enabled.inc();
/// ```
///
/// A field is named as the stat is; `field = "other.name"` gives a name that Rust cannot spell.
#[macro_export]
macro_rules! stat_group {
    (
        $(#[$meta:meta])*
        pub struct $group:ident($prefix:literal) {
            $(counters { $($counter:ident $(= $counter_name:literal)?),* $(,)? })?
            $(gauges { $($gauge:ident $(= $gauge_name:literal)?),* $(,)? })?
            $(histograms { $($histogram:ident $(= $histogram_name:literal)? : $unit:ident),* $(,)? })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $group {
            $($(
                #[doc = concat!("Counter `", $crate::stat_group!(@name $counter $($counter_name)?), "`.")]
                pub $counter: $crate::stats::Counter,
            )*)?
            $($(
                #[doc = concat!("Gauge `", $crate::stat_group!(@name $gauge $($gauge_name)?), "`.")]
                pub $gauge: $crate::stats::Gauge,
            )*)?
            $($(
                #[doc = concat!("Histogram `", $crate::stat_group!(@name $histogram $($histogram_name)?), "`.")]
                pub $histogram: $crate::stats::Histogram,
            )*)?
        }

        impl $crate::stats::StatGroup for $group {
            const TABLE: &'static $crate::stats::GroupTable = {
                // A static has one address in the whole program, by which the store knows the group; a
                // constant would have one in each crate.
                static TABLE: $crate::stats::GroupTable = $crate::stats::GroupTable {
                    prefix: $prefix,
                    counters: &[$($($crate::stat_group!(@name $counter $($counter_name)?)),*)?],
                    gauges: &[$($($crate::stat_group!(@name $gauge $($gauge_name)?)),*)?],
                    histograms: &[$($((
                        $crate::stat_group!(@name $histogram $($histogram_name)?),
                        $crate::stats::Unit::$unit,
                    )),*)?],
                    new_cells: || ::std::sync::Arc::new(<$group as ::std::default::Default>::default()),
                };
                &TABLE
            };
        }

        impl $crate::stats::Cells for $group {
            #[allow(unused_assignments, unused_mut, unused_variables)]
            fn cell(&self, index: usize) -> Option<$crate::stats::CellRef<'_>> {
                let mut at = 0;
                $($(
                    if index == at {
                        return Some($crate::stats::CellRef::Counter(&self.$counter));
                    }
                    at += 1;
                )*)?
                $($(
                    if index == at {
                        return Some($crate::stats::CellRef::Gauge(&self.$gauge));
                    }
                    at += 1;
                )*)?
                $($(
                    if index == at {
                        return Some($crate::stats::CellRef::Histogram(&self.$histogram));
                    }
                    at += 1;
                )*)?
                None
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

/// Adds `from`'s counts to `to`, for all cells of a table; `to` has the same table.
pub(super) fn absorb(table: &GroupTable, to: &dyn Cells, from: &dyn Cells) {
    for index in 0..table.len() {
        match (to.cell(index), from.cell(index)) {
            (Some(CellRef::Counter(to)), Some(CellRef::Counter(from))) => to.add(from.value()),
            (Some(CellRef::Gauge(to)), Some(CellRef::Gauge(from))) => to.absorb(from),
            (Some(CellRef::Histogram(to)), Some(CellRef::Histogram(from))) => to.absorb(from),
            _ => {}
        }
    }
}

/// What a stat of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatKind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram(Unit),
}

impl GroupTable {
    /// The name (without prefixes) and kind of the stat at `index`.
    pub fn stat(&self, index: usize) -> Option<(&'static str, StatKind)> {
        if let Some(name) = self.counters.get(index) {
            return Some((name, StatKind::Counter));
        }
        let index = index - self.counters.len();
        if let Some(name) = self.gauges.get(index) {
            return Some((name, StatKind::Gauge));
        }
        let (name, unit) = self.histograms.get(index - self.gauges.len())?;
        Some((name, StatKind::Histogram(*unit)))
    }

    /// The index of the counter of this name.
    pub(super) fn counter(&self, name: &str) -> Option<usize> {
        self.counters.iter().position(|counter| *counter == name)
    }

    /// The index of the gauge of this name.
    pub(super) fn gauge(&self, name: &str) -> Option<usize> {
        let at = self.gauges.iter().position(|gauge| *gauge == name)?;
        Some(self.counters.len() + at)
    }

    /// Cells of a group.
    pub fn len(&self) -> usize {
        self.counters.len() + self.gauges.len() + self.histograms.len()
    }

    /// True for a group without cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
