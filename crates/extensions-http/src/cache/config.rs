//! The messages of the cache filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::{CompiledStringMatcher, StringMatcher};

use crate::caching::messages::FileSystemHttpCacheConfig;
use crate::caching::storage::Storage;
use crate::caching::store::{MAX_BODY_BYTES, Store};
use crate::caching::vary::AllowList;

const SIMPLE: &str = "envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig";
const FILES: &str =
    "envoy.extensions.http.cache.file_system_http_cache.v3.FileSystemHttpCacheConfig";

message! {
    /// The filter's config.
    pub(super) struct CacheConfig: "envoy.extensions.filters.http.cache.v3.CacheConfig" {
        typed_config: Option<Any>,
        disabled: Option<bool>,
        allowed_vary_headers: Vec<StringMatcher>,
        max_body_bytes: u32,
        ignore_request_cache_control_header: bool,
    }
}

message! {
    /// The store in memory.
    pub(super) struct SimpleHttpCacheConfig: "envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig" {}
}

/// The chain's config, shared by the workers; none where the filter does nothing.
pub(super) struct ChainConfig(pub(super) Option<Arc<Settings>>);

/// The same.
pub(super) struct Settings {
    pub(super) storage: Arc<Storage>,
    pub(super) allowed_vary: AllowList,
    pub(super) max_body_bytes: usize,
    pub(super) ignores_request_control: bool,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: CacheConfig = any.decode(ctx)?;
    let matchers = message.allowed_vary_headers.iter();
    let matchers: Result<Vec<_>, _> = matchers
        .map(|matcher| CompiledStringMatcher::compile(matcher, ctx))
        .collect();
    let allowed_vary = AllowList(matchers?);
    if message.disabled == Some(true) {
        return Ok(Arc::new(ChainConfig(None)));
    }
    let Some(store) = &message.typed_config else {
        let why = "at least one of typed_config or disabled must be set";
        ctx.error(message.span(), why);
        return Err(Refused);
    };
    let storage = match store.type_name() {
        SIMPLE => {
            let _has_no_fields: SimpleHttpCacheConfig = store.decode(ctx)?;
            Storage::of_memory(Store::of_the_process())
        }
        FILES => {
            let files: FileSystemHttpCacheConfig = store.decode(ctx)?;
            Storage::of_files(files.store(store.span, ctx)?)
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
    Ok(Arc::new(ChainConfig(Some(Arc::new(Settings {
        storage: Arc::new(storage),
        allowed_vary,
        max_body_bytes: wished_bytes.min(MAX_BODY_BYTES),
        ignores_request_control: message.ignore_request_cache_control_header,
    })))))
}
