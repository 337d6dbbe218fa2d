//! The messages of the set metadata filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::metadata::Struct;

use super::filter::SetMetadataStats;

message! {
    /// The filter's config, and a route's.
    pub(super) struct Config: "envoy.extensions.filters.http.set_metadata.v3.Config" {
        metadata_namespace: String,
        value: Option<Arc<Json>>,
        metadata: Vec<Metadata>,
    }
}

message! {
    /// What a namespace is given.
    pub(super) struct Metadata: "envoy.extensions.filters.http.set_metadata.v3.Metadata" {
        metadata_namespace: String,
        allow_overwrite: bool,
        value: Option<Arc<Json>>,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Entries(pub(super) Box<[Entry]>);

/// What a namespace is given.
pub(super) struct Entry {
    pub(super) namespace: Box<str>,
    pub(super) fields: Struct,
    /// Whether it is merged into what is there.
    pub(super) overwrites: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Entries>);

impl LevelConfig for Entries {
    /// As in Envoy, levels count in a place of their own.
    fn register(&self, root: &Scope) -> Option<Scope> {
        root.register::<SetMetadataStats>();
        None
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let entries = Entries::compile(&any.decode(ctx)?, ctx);
    Ok(Arc::new(ChainConfig(Arc::new(entries))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(Entries::compile(&any.decode(ctx)?, ctx)))
}

impl Entries {
    fn compile(message: &Config, ctx: &mut Ctx) -> Self {
        let deprecated = message.value.as_ref().map(|value| Entry {
            namespace: message.metadata_namespace.as_str().into(),
            fields: struct_of(value),
            overwrites: true,
        });
        let deprecated = deprecated.filter(|entry| !entry.namespace.is_empty());
        let entries = message.metadata.iter().filter_map(|metadata| {
            let Some(value) = &metadata.value else {
                let text = "the entry has no value and does nothing";
                ctx.warning(metadata.span(), text);
                return None;
            };
            Some(Entry {
                namespace: metadata.metadata_namespace.as_str().into(),
                fields: struct_of(value),
                overwrites: metadata.allow_overwrite,
            })
        });
        Entries(deprecated.into_iter().chain(entries).collect())
    }
}
