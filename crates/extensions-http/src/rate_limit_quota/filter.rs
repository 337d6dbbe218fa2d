//! What the rate limit quota filter does to a stream.

use std::sync::Arc;

use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::match_tree::{MatchData, Outcome};
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::bucket::Rule;
use super::config::{BucketSettings, ChainConfig, Settings};

/// Where the bucket of a request is noted.
const BUCKET: &str = "envoy.extensions.http_filters.rate_limit_quota.bucket";
/// Where that of a preview is.
const PREVIEW: &str = "envoy.extensions.http_filters.rate_limit_quota.preview_bucket";

/// A stream's.
#[derive(Clone)]
struct Filter(Arc<Settings>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Filter(Arc::clone(&self.0)))
    }
}

impl RequestHeadFilter for Filter {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let data = MatchData::of_request(context.request_headers, context.stream_info);
        let mut preview = None;
        let mut noted = |action| {
            preview.get_or_insert(action);
        };
        let found = self.0.tree.find_noting(&data, &mut noted);
        let preview = preview.and_then(|settings| self.judge(settings, true, context));
        let denied = match found {
            Outcome::Action(settings) => self.judge(settings, false, context),
            Outcome::Nothing | Outcome::Undecided => None,
        };
        match preview.or(denied) {
            Some(reply) => HeadersStatus::Reply(Box::new(reply.clone())),
            None => HeadersStatus::Continue,
        }
    }
}

impl Filter {
    /// Counts the request in its bucket; the answer, if it is one too many.
    fn judge<'s>(
        &self,
        settings: &'s BucketSettings,
        is_preview: bool,
        context: &mut FilterContext<'_>,
    ) -> Option<&'s LocalReply> {
        let data = MatchData::of_request(context.request_headers, context.stream_info);
        let id = settings.id_of(&data)?;
        let mut fields = Struct::default();
        for (name, value) in &*id {
            fields.insert(name.as_str(), Value::String(value.as_str().into()));
        }
        let namespace = if is_preview { PREVIEW } else { BUCKET };
        let metadata = context.stream_info.dynamic_metadata_mut();
        metadata.merge(namespace, fields);
        let quotas = &self.0.quotas;
        let now = context.services.now();
        let is_denied = match quotas.bucket(&id) {
            Some(bucket) => !bucket.admit(now),
            None => {
                let is_allowed = settings.behavior.unassigned != Rule::DenyAll;
                let is_counted = quotas.create(id, settings.behavior, is_allowed, now);
                let is_allowed = if is_counted {
                    is_allowed
                } else {
                    settings.overflow.admit(now)
                };
                !is_allowed && !is_preview
            }
        };
        is_denied.then_some(&settings.denied)
    }
}
