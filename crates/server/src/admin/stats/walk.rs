//! All stats in the order of their full names, without a copy of all of them.
//!
//! Scopes come sorted by prefix; one is opened when the names before it are done. The order of the stats
//! within a scope is worked out once for all scopes that hold the same groups.

use std::collections::HashMap;
use std::rc::Rc;

use nuncio_config::sorting;
use nuncio_contract::stats::{
    GroupTable, MergedHistogram, Scope, StatKind, StatValue, StatView, Unit,
};

use super::params::{Kind, StatsParams};

/// Envoy lists text readouts, then counters and gauges together, then histograms.
const PHASES: [Phase; 3] = [Phase::TextReadouts, Phase::Numbers, Phase::Histograms];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    TextReadouts,
    Numbers,
    Histograms,
}

/// The value of a stat, kept apart from its cells.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(u64),
    Text(Box<str>),
    Histogram(Option<Box<MergedHistogram>>, Unit),
}

impl Value {
    pub(super) fn of(value: &StatValue<'_>) -> Self {
        match value {
            StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => {
                Self::Number(*value)
            }
            StatValue::TextReadout { text } => Self::Text(text.unwrap_or_default().into()),
            StatValue::Histogram { merged, unit } => {
                Self::Histogram(merged.cloned().map(Box::new), *unit)
            }
        }
    }
}

/// A walk under way.
pub(super) struct Walk {
    params: StatsParams,
    scopes: Vec<Scope>,
    /// The scope to open next.
    at: usize,
    phase: usize,
    open: Vec<Cursor>,
    orders: HashMap<Vec<GroupKey>, Rc<[Item]>>,
}

/// A group by the address of its table and what stands before its names.
type GroupKey = (*const GroupTable, &'static str);

/// Stats of one scope, sorted, and where the walk is among them.
struct Cursor {
    scope: Scope,
    items: Rc<[Item]>,
    at: usize,
    /// The full name of the item at `at`.
    name: String,
}

struct Item {
    /// What follows the scope's prefix.
    suffix: String,
    source: Source,
}

enum Source {
    Group {
        table: &'static GroupTable,
        sub: &'static str,
        index: usize,
    },
    /// A stat in no group, with whether it was ever written.
    Taken(Value, bool),
}

impl Walk {
    /// Over the stats that `params` asks for; `scopes` are sorted by prefix.
    pub(super) fn new(params: StatsParams, scopes: Vec<Scope>) -> Self {
        Self {
            params,
            scopes,
            at: 0,
            phase: 0,
            open: Vec::new(),
            orders: HashMap::new(),
        }
    }

    /// Goes one step: shows a stat, passes one over or opens a scope. False at the end.
    pub(super) fn step(&mut self, show: &mut dyn FnMut(&str, &Value)) -> bool {
        let Some(phase) = PHASES.get(self.phase).copied() else {
            return false;
        };
        let first = self.open.iter().map(|cursor| cursor.name.as_str()).min();
        let scope = self.scopes.get(self.at);
        match (first, scope) {
            (Some(first), Some(scope)) if first >= scope.prefix() => self.open_scope(phase),
            (Some(_), _) => self.take_first(show),
            (None, Some(_)) => self.open_scope(phase),
            (None, None) => {
                self.phase += 1;
                self.at = 0;
                self.orders.clear();
            }
        }
        true
    }

    fn open_scope(&mut self, phase: Phase) {
        let Some(scope) = self.scopes.get(self.at).cloned() else {
            return;
        };
        self.at += 1;
        let kind = self.params.kind;
        let mut groups: Vec<(&'static GroupTable, &'static str)> = Vec::new();
        scope.for_each_group(&mut |table, sub| groups.push((table, sub)));
        let key = groups
            .iter()
            .map(|(table, sub)| (std::ptr::from_ref(*table), *sub))
            .collect();
        let order = self.orders.entry(key).or_insert_with(|| {
            let items = groups
                .iter()
                .flat_map(|(table, sub)| group_items(table, sub, phase, kind));
            sorted(items.collect())
        });
        self.open.extend(Cursor::new(&scope, order.clone()));
        let mut taken = Vec::new();
        scope.for_each_dynamic(&mut |stat| {
            if wanted(phase, kind, &stat.value) {
                let source = Source::Taken(Value::of(&stat.value), is_used(&stat.value));
                taken.push(Item {
                    suffix: suffix(&stat),
                    source,
                });
            }
        });
        self.open.extend(Cursor::new(&scope, sorted(taken)));
    }

    /// Shows the stat with the least name; numbers that several scopes hold under that name are summed.
    fn take_first(&mut self, show: &mut dyn FnMut(&str, &Value)) {
        let Some(name) = self.open.iter().map(|cursor| &cursor.name).min().cloned() else {
            return;
        };
        let mut found: Option<(Value, bool)> = None;
        for cursor in self.open.iter_mut().filter(|cursor| cursor.name == name) {
            match (&mut found, cursor.read()) {
                (Some((Value::Number(sum), used)), Some((Value::Number(more), more_used))) => {
                    *sum = sum.wrapping_add(more);
                    *used |= more_used;
                }
                (None, read) => found = read,
                (Some(_), _) => {}
            }
            cursor.advance();
        }
        self.open.retain(|cursor| cursor.at < cursor.items.len());
        if let Some((value, used)) = found
            && self.params.shows(&name, used)
        {
            show(&name, &value);
        }
    }
}

impl Cursor {
    /// A cursor at the first item, if there is one.
    fn new(scope: &Scope, items: Rc<[Item]>) -> Option<Self> {
        let name = format!("{}{}", scope.prefix(), items.first()?.suffix);
        Some(Self {
            scope: scope.clone(),
            items,
            at: 0,
            name,
        })
    }

    fn advance(&mut self) {
        self.at += 1;
        if let Some(item) = self.items.get(self.at) {
            self.name.truncate(self.scope.prefix().len());
            self.name.push_str(&item.suffix);
        }
    }

    /// The value and whether it was ever written.
    fn read(&self) -> Option<(Value, bool)> {
        match &self.items.get(self.at)?.source {
            Source::Group { table, sub, index } => {
                let mut read = None;
                self.scope.read_group(table, sub, *index, &mut |stat| {
                    read = Some((Value::of(&stat.value), is_used(&stat.value)));
                });
                read
            }
            Source::Taken(value, used) => Some((value.clone(), *used)),
        }
    }
}

/// The stats of a group in a phase, whether or not the scope at hand lists all of them.
fn group_items(
    table: &'static GroupTable,
    sub: &'static str,
    phase: Phase,
    kind: Kind,
) -> Vec<Item> {
    let wanted = (0..table.len()).filter_map(|index| {
        let (leaf, stat) = table.stat(index)?;
        let (of_phase, of_kind) = match stat {
            StatKind::Counter => (Phase::Numbers, Kind::Counters),
            StatKind::Gauge => (Phase::Numbers, Kind::Gauges),
            StatKind::Histogram(_) => (Phase::Histograms, Kind::Histograms),
        };
        let is_wanted = phase == of_phase && (kind == Kind::All || kind == of_kind);
        is_wanted.then(|| Item {
            suffix: [sub, table.prefix, leaf].concat(),
            source: Source::Group { table, sub, index },
        })
    });
    wanted.collect()
}

fn suffix(stat: &StatView<'_>) -> String {
    format!("{}{}", stat.name.group.concat(), stat.name.leaf)
}

fn sorted(mut items: Vec<Item>) -> Rc<[Item]> {
    sorting::sort_by(&mut items, |left, right| left.suffix.cmp(&right.suffix));
    items.into()
}

/// Whether a stat was ever written.
pub(super) fn is_used(value: &StatValue<'_>) -> bool {
    match value {
        StatValue::Counter { used, .. } | StatValue::Gauge { used, .. } => *used,
        StatValue::TextReadout { text } => text.is_some(),
        StatValue::Histogram { merged, .. } => merged.is_some(),
    }
}

fn wanted(phase: Phase, kind: Kind, value: &StatValue<'_>) -> bool {
    let (of_phase, of_kind) = match value {
        StatValue::Counter { .. } => (Phase::Numbers, Kind::Counters),
        StatValue::Gauge { .. } => (Phase::Numbers, Kind::Gauges),
        StatValue::TextReadout { .. } => (Phase::TextReadouts, Kind::TextReadouts),
        StatValue::Histogram { .. } => (Phase::Histograms, Kind::Histograms),
    };
    phase == of_phase && (kind == Kind::All || kind == of_kind)
}
