//! The messages of the cache filter's second version.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::{CompiledStringMatcher, StringMatcher};

use super::sessions::Sessions;
use crate::caching::messages::FileSystemHttpCacheV2Config;
use crate::caching::store::MAX_BODY_BYTES;

const SIMPLE: &str = "envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config";
const FILES: &str =
    "envoy.extensions.http.cache_v2.file_system_http_cache.v3.FileSystemHttpCacheV2Config";

message! {
    /// The filter's config.
    pub(super) struct CacheV2Config: "envoy.extensions.filters.http.cache_v2.v3.CacheV2Config" {
        typed_config: Option<Any>,
        disabled: Option<bool>,
        allowed_vary_headers: Vec<StringMatcher>,
        max_body_bytes: u32,
        ignore_request_cache_control_header: bool,
        override_upstream_cluster: String,
    }
}

message! {
    /// The store in memory.
    pub(super) struct SimpleHttpCacheV2Config: "envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config" {}
}

/// The chain's config, shared by the workers; none where the filter does nothing.
pub(super) struct ChainConfig(pub(super) Option<Arc<Settings>>);

/// The same.
pub(super) struct Settings {
    pub(super) sessions: Arc<Sessions>,
    pub(super) max_body_bytes: usize,
    pub(super) ignores_request_control: bool,
    /// Where requests go instead of the route's cluster.
    pub(super) cluster: Option<Box<str>>,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: CacheV2Config = any.decode(ctx)?;
    // Answers that vary are not kept, whatever is allowed; but what is allowed must be well said.
    for matcher in &message.allowed_vary_headers {
        let _matcher = CompiledStringMatcher::compile(matcher, ctx)?;
    }
    if message.disabled == Some(true) {
        return Ok(Arc::new(ChainConfig(None)));
    }
    let Some(store) = &message.typed_config else {
        let why = "at least one of typed_config or disabled must be set";
        ctx.error(message.span(), why);
        return Err(Refused);
    };
    let sessions = match store.type_name() {
        SIMPLE => {
            let _has_no_fields: SimpleHttpCacheV2Config = store.decode(ctx)?;
            Sessions::of_the_process()
        }
        FILES => {
            let files: FileSystemHttpCacheV2Config = store.decode(ctx)?;
            Sessions::of_files(&files.store(store.span, ctx)?)
        }
        other => {
            let why = format!("Didn't find a registered implementation for type: '{other}'");
            ctx.error(store.span, why);
            return Err(Refused);
        }
    };
    let wished_bytes = match message.max_body_bytes {
        0 => MAX_BODY_BYTES,
        bytes => usize::try_from(bytes).unwrap_or(MAX_BODY_BYTES),
    };
    let cluster = message.override_upstream_cluster.as_str();
    Ok(Arc::new(ChainConfig(Some(Arc::new(Settings {
        sessions,
        max_body_bytes: wished_bytes.min(MAX_BODY_BYTES),
        ignores_request_control: message.ignore_request_cache_control_header,
        cluster: (!cluster.is_empty()).then(|| cluster.into()),
    })))))
}
