//! Subsets, from either message.

use std::cmp::Reverse;
use std::sync::Arc;

use nuncio_config::sorting::sort_by_key;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::stream_info::metadata::Struct;

use super::messages::{self, FallbackPolicy, MetadataFallbackPolicy, SelectorFallbackPolicy};
use super::old::{self, OldFallbackPolicy, OldMetadataFallbackPolicy, OldSelectorFallbackPolicy};
use crate::load_balancing::{Selector, SelectorFallback, SubsetFallback, SubsetSettings};

impl messages::Subset {
    pub(super) fn compile(&self, ctx: &mut Ctx) -> Result<SubsetSettings, Refused> {
        let selectors = self.subset_selectors.iter().map(|written| {
            let fallback = match written.fallback_policy {
                SelectorFallbackPolicy::NotDefined => SelectorFallback::NotDefined,
                SelectorFallbackPolicy::None => SelectorFallback::None,
                SelectorFallbackPolicy::Any => SelectorFallback::AnyEndpoint,
                SelectorFallbackPolicy::Default => SelectorFallback::DefaultSubset,
                SelectorFallbackPolicy::Keys => SelectorFallback::KeysSubset,
            };
            Selector {
                fallback,
                single_host_per_subset: written.single_host_per_subset,
                keys: sorted(&written.keys),
                ..Selector::default()
            }
            .with_fallback_keys(&written.fallback_keys_subset, written.span(), ctx)
        });
        let mut selectors: Vec<Selector> = selectors.collect::<Result<_, _>>()?;
        if self.allow_redundant_keys {
            // Of several that fit, the one with most keys counts, then the first.
            sort_by_key(&mut selectors, |selector| Reverse(selector.keys.len()));
        }
        Ok(SubsetSettings {
            fallback: match self.fallback_policy {
                FallbackPolicy::None => SubsetFallback::None,
                FallbackPolicy::Any => SubsetFallback::AnyEndpoint,
                FallbackPolicy::Default => SubsetFallback::DefaultSubset,
            },
            default_subset: fields(self.default_subset.as_ref()),
            selectors,
            allow_redundant_keys: self.allow_redundant_keys,
            locality_weight_aware: self.locality_weight_aware,
            scale_locality_weight: self.scale_locality_weight,
            panic_mode_any: self.panic_mode_any,
            list_as_any: self.list_as_any,
            metadata_fallback_list: self.metadata_fallback_policy == MetadataFallbackPolicy::List,
        })
    }
}

impl old::OldSubset {
    pub(super) fn compile(&self, ctx: &mut Ctx) -> Result<SubsetSettings, Refused> {
        let selectors = self.subset_selectors.iter().map(|written| {
            let fallback = match written.fallback_policy {
                OldSelectorFallbackPolicy::NotDefined => SelectorFallback::NotDefined,
                OldSelectorFallbackPolicy::None => SelectorFallback::None,
                OldSelectorFallbackPolicy::Any => SelectorFallback::AnyEndpoint,
                OldSelectorFallbackPolicy::Default => SelectorFallback::DefaultSubset,
                OldSelectorFallbackPolicy::Keys => SelectorFallback::KeysSubset,
            };
            Selector {
                fallback,
                single_host_per_subset: written.single_host_per_subset,
                keys: sorted(&written.keys),
                ..Selector::default()
            }
            .with_fallback_keys(&written.fallback_keys_subset, written.span(), ctx)
        });
        Ok(SubsetSettings {
            fallback: match self.fallback_policy {
                OldFallbackPolicy::None => SubsetFallback::None,
                OldFallbackPolicy::Any => SubsetFallback::AnyEndpoint,
                OldFallbackPolicy::Default => SubsetFallback::DefaultSubset,
            },
            default_subset: fields(self.default_subset.as_ref()),
            selectors: selectors.collect::<Result<_, _>>()?,
            allow_redundant_keys: false,
            locality_weight_aware: self.locality_weight_aware,
            scale_locality_weight: self.scale_locality_weight,
            panic_mode_any: self.panic_mode_any,
            list_as_any: self.list_as_any,
            metadata_fallback_list: self.metadata_fallback_policy
                == OldMetadataFallbackPolicy::List,
        })
    }
}

fn fields(json: Option<&Arc<Json>>) -> Struct {
    json.map_or_else(Struct::default, |json| struct_of(json))
}

fn sorted(keys: &[String]) -> Vec<Box<str>> {
    let mut keys: Vec<Box<str>> = keys.iter().map(|key| key.as_str().into()).collect();
    keys.sort();
    keys.dedup();
    keys
}

impl Selector {
    fn with_fallback_keys(
        self,
        written: &[Spanned<String>],
        place: nuncio_config::span::Span,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let names: Vec<String> = written.iter().map(|key| key.value.clone()).collect();
        let keys = sorted(&names);
        let is_wanted = self.fallback == SelectorFallback::KeysSubset;
        let fault = match (is_wanted, keys.is_empty()) {
            (false, true) => None,
            (false, false) => {
                Some("fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy")
            }
            (true, true) => Some("fallback_keys_subset cannot be empty"),
            (true, false) if !keys.iter().all(|key| self.keys.contains(key)) => {
                Some("fallback_keys_subset must be a subset of selector keys")
            }
            (true, false) if keys.len() == self.keys.len() => {
                Some("fallback_keys_subset cannot be equal to keys")
            }
            (true, false) => None,
        };
        if let Some(text) = fault {
            let place = written.first().map_or(place, |key| key.span);
            ctx.error(place, text);
            return Err(Refused);
        }
        Ok(Self {
            fallback_keys: keys,
            ..self
        })
    }
}
