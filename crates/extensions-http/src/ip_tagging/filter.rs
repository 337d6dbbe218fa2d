//! What IP tagging does to a stream.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::stream_info::Address;

use super::config::{ChainConfig, HeaderAction, Settings};

/// A worker's part of the filter.
struct Worker {
    settings: Arc<Settings>,
    /// `http.<stat_prefix>.ip_tagging.`; none where the name can't be one.
    scope: Option<Scope>,
    total: OnceCell<Arc<Counter>>,
    no_hit: OnceCell<Arc<Counter>>,
    /// By the index of the tag.
    hits: Box<[OnceCell<Arc<Counter>>]>,
}

/// A stream's part too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let settings = Arc::clone(&self.0);
        let hits = settings.tags.names.iter().map(|_| OnceCell::new());
        Box::new(Shared(Rc::new(Worker {
            scope: context.scope.scope("ip_tagging"),
            total: OnceCell::new(),
            no_hit: OnceCell::new(),
            hits: hits.collect(),
            settings,
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let worker = &*self.0;
        let internal = context.request_headers.get(Known::XEnvoyInternal);
        let is_internal = internal == Some(b"true".as_slice());
        let random = || context.services.random_u64();
        if !worker.settings.looks_at(is_internal, random) {
            return HeadersStatus::Continue;
        }
        let found = match context.stream_info.downstream_remote_address() {
            Some(Address::Ip(address)) => worker.settings.tags.of(address.ip()),
            _ => Vec::new(),
        };
        worker.settings.tell(context, &found);
        worker.count(&found);
        HeadersStatus::Continue
    }
}

impl Settings {
    fn tell(&self, context: &mut FilterContext<'_>, found: &[usize]) {
        let headers = &mut *context.request_headers;
        if found.is_empty() {
            if let Some((name, HeaderAction::Sanitize)) = &self.header
                && headers.remove(name) > 0
            {
                context.route_is_stale.set(true);
            }
            return;
        }
        let names = found.iter().filter_map(|tag| self.tags.names.get(*tag));
        let joined = names.map(|name| &**name).collect::<Vec<_>>().join(",");
        match &self.header {
            None => headers.append_joined(Known::XEnvoyIpTags, joined.as_bytes()),
            Some((name, HeaderAction::Sanitize)) => headers.replace(name, joined.as_bytes()),
            Some((name, HeaderAction::Append)) => headers.append_joined(name, joined.as_bytes()),
        }
        context.route_is_stale.set(true);
    }
}

impl Worker {
    fn count(&self, found: &[usize]) {
        let Some(scope) = &self.scope else {
            return;
        };
        if found.is_empty() {
            self.no_hit.get_or_init(|| scope.counter("no_hit")).inc();
        }
        for tag in found {
            if let (Some(cell), Some(name)) =
                (self.hits.get(*tag), self.settings.tags.names.get(*tag))
            {
                let counter = cell.get_or_init(|| scope.counter(&format!("{name}.hit")));
                counter.inc();
            }
        }
        self.total.get_or_init(|| scope.counter("total")).inc();
    }
}
