//! `typed_per_filter_config`, resolved to the filters' places in the chain.

use nuncio_contract::registry::RouteFilterConfig;

/// One level's configurations, by place in the filter chain.
#[derive(Default)]
pub struct PerFilterConfigs(Box<[(usize, PerFilter)]>);

/// What a level says of a filter.
pub struct PerFilter {
    /// Whether the filter is off for what matches here.
    pub disabled: bool,
    /// The filter's own configuration.
    pub config: Option<RouteFilterConfig>,
}

impl PerFilterConfigs {
    /// A level from its entries.
    pub fn new(entries: Vec<(usize, PerFilter)>) -> Self {
        PerFilterConfigs(entries.into_boxed_slice())
    }

    /// What the level says of the filter at `place`.
    pub fn get(&self, place: usize) -> Option<&PerFilter> {
        self.0
            .iter()
            .find(|(at, _)| *at == place)
            .map(|(_, entry)| entry)
    }

    /// The filters' own configurations.
    pub fn configs(&self) -> impl Iterator<Item = &RouteFilterConfig> {
        self.0.iter().filter_map(|(_, entry)| entry.config.as_ref())
    }

    /// Whether the level says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
