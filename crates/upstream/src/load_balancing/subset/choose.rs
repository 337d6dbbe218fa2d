//! One worker's choice of a subset and of a host in it.

use std::sync::Arc;

use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::criteria::Criteria;
use super::tree::{Key, Subset, SubsetHosts, SubsetTree};
use super::{SelectorFallback, SubsetFallback, SubsetSettings};
use crate::load_balancing::context::{Around, PickContext};
use crate::load_balancing::level_set::{LevelSet, Snapshot};
use crate::load_balancing::picker::Picker;

/// A request may fall back to fewer keys again and again, but not without end.
const MOST_FALLBACKS: usize = 64;

/// A worker's turns in each subset.
#[derive(Debug, Default)]
pub(in super::super) struct SubsetPickers {
    /// By the places of the subsets; none for single hosts.
    subsets: Vec<Option<Picker>>,
    any: Option<Picker>,
    default: Option<Picker>,
}

/// The subsets with a worker's turns in them.
struct Chooser<'a> {
    pickers: &'a mut SubsetPickers,
    tree: &'a SubsetTree,
    settings: &'a SubsetSettings,
    around: &'a Around<'a>,
    context: &'a PickContext<'a>,
}

impl SubsetPickers {
    /// Goes on with the subsets of `now`; turns of those that were there `before` are kept.
    pub(in super::super) fn follow(
        &mut self,
        before: Option<&SubsetTree>,
        now: &SubsetTree,
        around: &Around<'_>,
    ) {
        let mut known = std::mem::take(&mut self.subsets);
        let was_at = |key: &Key| before?.find_key(key);
        let picker = |subset: &Subset| {
            let SubsetHosts::Set(set) = &subset.hosts else {
                return None;
            };
            let known = was_at(&subset.key).and_then(|place| known.get_mut(place)?.take());
            Some(followed(known, set, around))
        };
        self.subsets = now.subsets.iter().map(picker).collect();
        let fallback = |known: Option<Picker>, set: &Option<Arc<LevelSet>>| {
            set.as_ref().map(|set| followed(known, set, around))
        };
        self.any = fallback(self.any.take(), &now.any);
        self.default = fallback(self.default.take(), &now.default);
    }

    /// The number of a host.
    pub(in super::super) fn pick(
        &mut self,
        snapshot: &Snapshot,
        around: &Around<'_>,
        context: &PickContext<'_>,
    ) -> Option<u32> {
        let mut chooser = Chooser {
            pickers: self,
            tree: snapshot.subsets.as_ref()?,
            settings: around.settings.subset.as_deref()?,
            around,
            context,
        };
        let wanted = context.metadata_match.map(Criteria::all);
        match (wanted, chooser.settings.metadata_fallback_list) {
            (Some(wanted), true) => chooser.pick_by_list(wanted),
            (wanted, _) => chooser.pick(wanted),
        }
    }
}

fn followed(known: Option<Picker>, set: &Arc<LevelSet>, around: &Around<'_>) -> Picker {
    match known {
        None => Picker::new(Arc::clone(set), around),
        Some(mut picker) => {
            picker.follow(Arc::clone(set), around);
            picker
        }
    }
}

impl Chooser<'_> {
    /// By the first of the request's fallbacks that has a host.
    fn pick_by_list(&mut self, wanted: Criteria<'_>) -> Option<u32> {
        const LIST: &str = "fallback_list";
        let list = wanted.iter().find(|(name, _)| *name == LIST);
        let Some((_, list)) = list else {
            return self.pick(Some(wanted));
        };
        let rest = wanted.without(LIST);
        let nothing = Struct::default();
        match list {
            Value::List(overrides) if !overrides.is_empty() => overrides.iter().find_map(|one| {
                let more = match one {
                    Value::Struct(more) => more,
                    _ => &nothing,
                };
                let merged = rest.merged(more);
                self.pick(Some(Criteria::all(&merged)))
            }),
            _ => self.pick(Some(rest)),
        }
    }

    fn pick(&mut self, wanted: Option<Criteria<'_>>) -> Option<u32> {
        let Some(mut wanted) = wanted else {
            return self.fall_back();
        };
        for _ in 0..MOST_FALLBACKS {
            let used = self.without_redundant_keys(wanted);
            if let Some(place) = self.tree.find(used) {
                self.around.stats.lb_subsets_selected.inc();
                return self.pick_in(place);
            }
            let asks = |keys: &[Box<str>]| {
                let asked = used.iter().map(|(name, _)| name);
                keys.iter().map(|key| &**key).eq(asked)
            };
            let fallback = self.tree.fallbacks.iter().find(|one| asks(&one.keys));
            let Some(fallback) = fallback else {
                return self.fall_back();
            };
            let (around, context) = (self.around, self.context);
            let pick = |picker: &mut Option<Picker>| picker.as_mut()?.pick(around, context);
            match fallback.fallback {
                SelectorFallback::NotDefined => return self.fall_back(),
                SelectorFallback::None => return None,
                SelectorFallback::AnyEndpoint => return pick(&mut self.pickers.any),
                SelectorFallback::DefaultSubset => return pick(&mut self.pickers.default),
                SelectorFallback::KeysSubset => wanted = used.only(&fallback.instead),
            }
        }
        None
    }

    /// Only the keys of the first selector all of whose keys are there, if redundant ones are allowed.
    fn without_redundant_keys<'c>(&self, wanted: Criteria<'c>) -> Criteria<'c> {
        if !self.settings.allow_redundant_keys {
            return wanted;
        }
        let mut selectors = self.settings.selectors.iter();
        let found = selectors.find_map(|selector| {
            let kept = wanted.only(&selector.keys);
            (kept.iter().count() == selector.keys.len()).then_some(kept)
        });
        found.unwrap_or(wanted)
    }

    fn pick_in(&mut self, place: usize) -> Option<u32> {
        match &self.tree.subsets.get(place)?.hosts {
            SubsetHosts::Single(host) => Some(*host),
            SubsetHosts::Set(_) => {
                let picker = self.pickers.subsets.get_mut(place)?.as_mut()?;
                picker.pick(self.around, self.context)
            }
        }
    }

    fn fall_back(&mut self) -> Option<u32> {
        let (around, context) = (self.around, self.context);
        let fallback = match self.settings.fallback {
            SubsetFallback::None => return None,
            SubsetFallback::AnyEndpoint => &mut self.pickers.any,
            SubsetFallback::DefaultSubset => &mut self.pickers.default,
        };
        if let Some(host) = fallback.as_mut().and_then(|one| one.pick(around, context)) {
            around.stats.lb_subsets_fallback.inc();
            return Some(host);
        }
        let any = self
            .pickers
            .any
            .as_mut()
            .filter(|_| self.settings.panic_mode_any);
        let host = any.and_then(|any| any.pick(around, context))?;
        around.stats.lb_subsets_fallback_panic.inc();
        Some(host)
    }
}
