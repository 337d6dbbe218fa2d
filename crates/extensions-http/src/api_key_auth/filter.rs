//! What the API key auth filter does to a stream.

use std::sync::Arc;

use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Settings};

stat_group! {
    /// Requests by verdict, at `http.<stat_prefix>.`.
    pub struct ApiKeyAuthStats("api_key_auth.") {
        counters { allowed, forbidden, unauthorized }
    }
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared {
    chain: Arc<Settings>,
    stats: Arc<ApiKeyAuthStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<ApiKeyAuthStats>();
        Box::new(Shared {
            chain: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
        })
    }
}

/// Why a request is refused.
enum Fault {
    /// Nobody knows who asks; the details of that.
    Unauthorized(&'static str),
    /// It is known, and not allowed here.
    Forbidden,
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        match self.check(context) {
            Ok(()) => {
                self.stats.allowed.inc();
                HeadersStatus::Continue
            }
            Err(Fault::Unauthorized(details)) => {
                self.stats.unauthorized.inc();
                let text = b"Client authentication failed.".as_slice();
                HeadersStatus::Reply(Box::new(LocalReply::new(401, text, details)))
            }
            Err(Fault::Forbidden) => {
                self.stats.forbidden.inc();
                let text = b"Client is forbidden.".as_slice();
                let reply = LocalReply::new(403, text, "client_not_allowed");
                HeadersStatus::Reply(Box::new(reply))
            }
        }
    }
}

impl Shared {
    fn check(&self, context: &mut FilterContext<'_>) -> Result<(), Fault> {
        let (chain, own) = (&*self.chain, context.route.most_specific::<Settings>());
        let sources = own.map(|own| &own.sources).filter(|own| !own.is_empty());
        let sources = sources.unwrap_or(&chain.sources);
        if sources.is_empty() {
            return Err(Fault::Unauthorized("missing_key_sources"));
        }
        let credentials = own.map(|own| &own.credentials);
        let credentials = credentials.filter(|own| !own.is_empty());
        let credentials = credentials.unwrap_or(&chain.credentials);
        if credentials.is_empty() {
            return Err(Fault::Unauthorized("missing_credentials"));
        }
        let request = &mut *context.request_headers;
        let key = sources.iter().find_map(|source| source.key(request));
        let key = key.ok_or(Fault::Unauthorized("missing_api_key"))?;
        let client = credentials.client(&key);
        let client = client.ok_or(Fault::Unauthorized("unknown_api_key"))?;
        if own.is_some_and(|own| !own.allows(client)) {
            return Err(Fault::Forbidden);
        }
        let forwarding = &own.unwrap_or(chain).forwarding;
        if let Some(header) = &forwarding.header {
            request.replace(header, client.as_bytes());
        }
        if forwarding.hides_keys {
            sources.iter().for_each(|source| source.hide(request));
        }
        Ok(())
    }
}
