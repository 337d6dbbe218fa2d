//! Subsets: a request goes to the hosts whose metadata (`envoy.lb`) is what its route asks for.
//!
//! Selectors name the keys by which hosts are grouped; a request finds its group if it asks for exactly the keys of a
//! selector. What becomes of the others the fallbacks say. A request may ask for 64 keys at most; Envoy has no limit.

mod choose;
mod criteria;
mod tree;

pub(super) use choose::SubsetPickers;
pub(super) use tree::SubsetTree;

use nuncio_contract::stream_info::metadata::Struct;

/// What a configuration says of subsets.
#[derive(Clone, Debug, Default)]
pub struct SubsetSettings {
    /// For requests whose subset is not there.
    pub fallback: SubsetFallback,
    /// The metadata of the default subset; all hosts if it is empty.
    pub default_subset: Struct,
    /// How hosts are grouped.
    pub selectors: Vec<Selector>,
    /// Keys that no selector has do not count.
    pub allow_redundant_keys: bool,
    /// Localities of a subset share the load by their weights.
    pub locality_weight_aware: bool,
    /// These weights lessen with the hosts that are not in the subset.
    pub scale_locality_weight: bool,
    /// Where a fallback has no host, any host will do.
    pub panic_mode_any: bool,
    /// A host whose value is a list is in the subset of each of its values.
    pub list_as_any: bool,
    /// The request's `fallback_list` has other metadata to try in turn.
    pub metadata_fallback_list: bool,
}

/// For requests whose subset is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubsetFallback {
    /// They fail.
    #[default]
    None,
    /// Any host.
    AnyEndpoint,
    /// One of the default subset.
    DefaultSubset,
}

/// Keys by which hosts are grouped.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// The keys, sorted, each once.
    pub keys: Vec<Box<str>>,
    /// For requests that ask for these keys with other values.
    pub fallback: SelectorFallback,
    /// The keys that are asked for instead.
    pub fallback_keys: Vec<Box<str>>,
    /// Each group has one host, the first.
    pub single_host_per_subset: bool,
}

/// For requests that ask for a selector's keys with values that no host has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectorFallback {
    /// As for all others.
    #[default]
    NotDefined,
    /// They fail.
    None,
    /// Any host.
    AnyEndpoint,
    /// One of the default subset.
    DefaultSubset,
    /// They ask again, for fewer keys.
    KeysSubset,
}

impl SubsetSettings {
    /// Whether somebody may fall back to any host.
    fn needs_any(&self) -> bool {
        self.panic_mode_any
            || self.fallback == SubsetFallback::AnyEndpoint
            || self.has_fallback(SelectorFallback::AnyEndpoint)
    }

    /// Whether somebody may fall back to the default subset.
    fn needs_default(&self) -> bool {
        self.fallback == SubsetFallback::DefaultSubset
            || self.has_fallback(SelectorFallback::DefaultSubset)
    }

    fn has_fallback(&self, fallback: SelectorFallback) -> bool {
        self.selectors
            .iter()
            .any(|selector| selector.fallback == fallback)
    }
}
