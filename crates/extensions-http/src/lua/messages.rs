//! The messages of the Lua filter.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::Spanned;
use nuncio_config::{message, one_of};
use nuncio_contract::data_source::DataSource;

message! {
    /// The filter's config.
    pub(super) struct Lua: "envoy.extensions.filters.http.lua.v3.Lua" {
        pub(super) inline_code: Spanned<String>,
        pub(super) source_codes: Vec<(String, DataSource)>,
        pub(super) default_source_code: Option<DataSource>,
        pub(super) stat_prefix: String,
        pub(super) clear_route_cache: Option<bool>,
        pub(super) filter_context: Option<Arc<Json>>,
    }
}

message! {
    /// What a level of the route table has of its own.
    pub(super) struct LuaPerRoute: "envoy.extensions.filters.http.lua.v3.LuaPerRoute" {
        pub(super) oneof r#override: Option<Override>,
        pub(super) filter_context: Option<Arc<Json>>,
    }
}

one_of! {
    /// Which script runs.
    pub(super) enum Override {
        disabled => Disabled(bool),
        name => Name(String),
        source_code => Source(DataSource),
    }
}
