//! The messages of the local rate limit filter, and the buckets that filters share.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::token_bucket::{TokenBucket, TokenBucketMessage};

const LEAST_FILL_INTERVAL: Duration = Duration::from_millis(50);

message! {
    /// The filter's config.
    pub(super) struct LocalRateLimit: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit" {
        stat_prefix: String,
        token_bucket: Option<TokenBucketMessage>,
        runtime_enabled: Option<RuntimeFeatureFlag>,
        share_key: String,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Limit {
    pub(super) stat_prefix: Box<str>,
    pub(super) enabled: Option<RuntimeFeatureFlag>,
    /// None: there are never any tokens.
    pub(super) bucket: Option<Arc<TokenBucket>>,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Limit>);

/// A bucket's size and speed, with its key.
type Key = (String, u32, Option<u32>, Duration);

/// The buckets that are shared, as long as a filter holds them.
static SHARED: LazyLock<Mutex<HashMap<Key, Weak<TokenBucket>>>> = LazyLock::new(Mutex::default);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: LocalRateLimit = any.decode(ctx)?;
    let bucket = match &message.token_bucket {
        Some(bucket) if bucket.fill_interval() < LEAST_FILL_INTERVAL => {
            let text = "local rate limit token bucket fill timer must be >= 50ms";
            ctx.error(bucket.span(), text);
            return Err(Refused);
        }
        Some(bucket) if bucket.max_tokens() > 0 => Some(shared(&message.share_key, bucket)),
        _ => None,
    };
    Ok(Arc::new(Config(Arc::new(Limit {
        stat_prefix: message.stat_prefix.as_str().into(),
        enabled: message.runtime_enabled,
        bucket,
    }))))
}

/// A bucket of the filter's own, or the one that others with this key have.
fn shared(key: &str, bucket: &TokenBucketMessage) -> Arc<TokenBucket> {
    if key.is_empty() {
        return Arc::new(bucket.bucket());
    }
    let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, bucket| bucket.strong_count() > 0);
    let full = (
        key.to_owned(),
        bucket.max_tokens(),
        bucket.tokens_per_fill(),
        bucket.fill_interval(),
    );
    if let Some(held) = all.get(&full).and_then(Weak::upgrade) {
        return held;
    }
    let made = Arc::new(bucket.bucket());
    all.insert(full, Arc::downgrade(&made));
    made
}
