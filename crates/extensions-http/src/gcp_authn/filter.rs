//! What the filter for tokens of GCP does to a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::calls::collect_at_most;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::gcp_audience::KEY;
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig,
    HttpFilterFactory, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::cache::Cache;
use super::config::{ChainConfig, Place, Settings};
use super::token::{self, ANSWER_LIMIT_BYTES, Token, Unresolved, Wanted};

/// The answer where the other account or who asks is not known.
const UNRESOLVED: &[u8] = b"Failed to resolve IAM access token account or authorization.";

/// The answer where a cluster asks for a token of another account.
const MISPLACED: &[u8] = b"IAM access token requires audience configured in filter config.";

stat_group! {
    /// Tokens by what became of them, at `http.<stat_prefix>.`.
    pub struct GcpAuthnStats("gcp_authn.") {
        counters {
            bound_token_fingerprint_unavailable,
            client_cert_fingerprint_calculated,
            empty_audience,
            iam_token_config_error,
            iam_token_resolution_failed,
            retrieve_audience_failed,
            token_cache_hit,
            token_cache_miss,
            token_fetch_failed,
            token_fetch_success,
        }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<GcpAuthnStats>,
    cache: Option<RefCell<Cache>>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<GcpAuthnStats>();
        let most = self.0.most_kept;
        Box::new(Shared(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            cache: (most > 0).then(|| RefCell::new(Cache::new(most))),
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let worker = &*self.0;
        let unless = worker.settings.unless.as_ref();
        let Some(cluster) = context.route.cluster_name() else {
            return HeadersStatus::Continue;
        };
        if unless.is_some_and(|name| context.request_headers.get_all_named(name).next().is_some()) {
            return HeadersStatus::Continue;
        }
        let wanted = match worker.wanted(cluster, context) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => {
                worker.stats.retrieve_audience_failed.inc();
                return HeadersStatus::Continue;
            }
            Err(reply) => return HeadersStatus::Reply(reply),
        };
        if let Some(token) = worker.kept(&wanted, context) {
            worker.settings.place.put(&token, context);
            return HeadersStatus::Continue;
        }
        let Some(request) = wanted.request() else {
            worker.stats.empty_audience.inc();
            return HeadersStatus::Continue;
        };
        let calls = context.services.calls();
        let call = calls.and_then(|calls| token::ask(&worker.settings, request, &calls));
        let Some(call) = call else {
            worker.stats.token_fetch_failed.inc();
            return HeadersStatus::Continue;
        };
        let worker = Rc::clone(&self.0);
        HeadersStatus::Wait(Box::pin(async move {
            let answer = collect_at_most(call, ANSWER_LIMIT_BYTES).await;
            Resume::Then(Box::new(Applied(Box::new(move |context| {
                let now = context.services.wall();
                let token = answer.and_then(|answer| wanted.read(&answer, now));
                worker.take(token, &wanted, context);
                None
            }))))
        }))
    }
}

fn refusal(body: &'static [u8], details: &'static str) -> Box<LocalReply> {
    Box::new(LocalReply::new(500, body, details))
}

impl Worker {
    /// What the filter's own audience says, or the cluster's.
    fn wanted(
        &self,
        cluster: &[u8],
        context: &FilterContext<'_>,
    ) -> Result<Option<Wanted>, Box<LocalReply>> {
        if let Some(own) = &self.settings.audience {
            let format = FormatContext {
                request_headers: Some(context.request_headers),
                ..FormatContext::new(context.stream_info, context.services)
            };
            return Wanted::of(own, &format).map(Some).map_err(|Unresolved| {
                self.stats.iam_token_resolution_failed.inc();
                refusal(UNRESOLVED, "iam_token_resolution_failed")
            });
        }
        let name = str::from_utf8(cluster).ok();
        let cluster = name.and_then(|name| context.services.describe_cluster(name));
        let Some(asked) = cluster.and_then(|cluster| cluster.audience.clone()) else {
            return Ok(None);
        };
        if asked.impersonated_scopes.is_some() {
            self.stats.iam_token_config_error.inc();
            return Err(refusal(MISPLACED, "iam_token_config_error"));
        }
        Ok(Some(Wanted {
            asked,
            impersonated: None,
        }))
    }

    fn kept(&self, wanted: &Wanted, context: &FilterContext<'_>) -> Option<Token> {
        let mut cache = self.cache.as_ref()?.borrow_mut();
        let now = token::seconds_of(context.services.wall());
        let token = cache.find(wanted, now).cloned();
        match token {
            Some(_) => self.stats.token_cache_hit.inc(),
            None => self.stats.token_cache_miss.inc(),
        }
        token
    }

    /// A fetch is over.
    fn take(&self, token: Option<Token>, wanted: &Wanted, context: &mut FilterContext<'_>) {
        let Some(token) = token else {
            self.stats.token_fetch_failed.inc();
            return;
        };
        self.stats.token_fetch_success.inc();
        self.settings.place.put(&token, context);
        if let Some(cache) = &self.cache {
            let now = token::seconds_of(context.services.wall());
            cache.borrow_mut().keep(wanted, token, now);
        }
    }
}

impl Place {
    fn put(&self, token: &Token, context: &mut FilterContext<'_>) {
        match self {
            Place::Header { name, prefix } => {
                let value = [prefix, &*token.text].concat();
                context.request_headers.replace(name, &value);
            }
            Place::Metadata(key) => {
                let text = String::from_utf8_lossy(&token.text);
                let mut fields = Struct::default();
                fields.insert(key.clone(), Value::String(text.into()));
                context
                    .stream_info
                    .dynamic_metadata_mut()
                    .merge(KEY, fields);
            }
        }
    }
}
