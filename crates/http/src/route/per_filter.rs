//! `typed_per_filter_config`, resolved to the filters' places in the chain.

use nuncio_contract::registry::RouteFilterConfig;

/// One level's configurations, by place in the filter chain.
#[derive(Default)]
pub struct PerFilterConfigs {
    placed: Box<[(usize, PerFilter)]>,
    /// Those that may be for filters between the router and a host, by name: which those are is not known here.
    named: Box<[(Box<str>, PerFilter)]>,
}

/// What a level says of a filter.
#[derive(Clone)]
pub struct PerFilter {
    /// Whether the filter is off for what matches here.
    pub disabled: bool,
    /// The filter's own configuration.
    pub config: Option<RouteFilterConfig>,
}

impl PerFilterConfigs {
    /// A level from its entries.
    pub fn new(placed: Vec<(usize, PerFilter)>, named: Vec<(Box<str>, PerFilter)>) -> Self {
        PerFilterConfigs {
            placed: placed.into(),
            named: named.into(),
        }
    }

    /// What the level says of the filter that is called `name` between the router and a host.
    pub fn get_named(&self, name: &str) -> Option<&PerFilter> {
        let mut named = self.named.iter();
        named
            .find(|(filter, _)| **filter == *name)
            .map(|(_, entry)| entry)
    }

    /// What the level says of the filter at `place`.
    pub fn get(&self, place: usize) -> Option<&PerFilter> {
        self.placed
            .iter()
            .find(|(at, _)| *at == place)
            .map(|(_, entry)| entry)
    }

    /// The filters' own configurations.
    pub fn configs(&self) -> impl Iterator<Item = &RouteFilterConfig> {
        let placed = self.placed.iter().map(|(_, entry)| entry);
        let named = self.named.iter().map(|(_, entry)| entry);
        placed
            .chain(named)
            .filter_map(|entry| entry.config.as_ref())
    }

    /// Whether the level says nothing.
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.named.is_empty()
    }
}
