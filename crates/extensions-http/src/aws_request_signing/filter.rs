//! What request signing does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::config::{ChainConfig, Level, Settings};
use crate::aws::signer::Payload;
use crate::level_stats::{Counted, LevelStats};

stat_group! {
    /// What was signed, at `http.<stat_prefix>.aws_request_signing.`.
    pub struct AwsRequestSigningStats("") {
        counters { payload_signing_added, payload_signing_failed, signing_added, signing_failed }
    }
}

/// A worker's part of the filter.
struct Worker {
    settings: Arc<Settings>,
    stats: Rc<Counted<AwsRequestSigningStats>>,
    levels: LevelStats<AwsRequestSigningStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = context.scope.scope("aws_request_signing");
        if let Some(scope) = &scope {
            scope.register::<AwsRequestSigningStats>();
        }
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: Counted::new(scope),
            levels: LevelStats::new(context.root),
        })))
    }
}

struct Factory(Rc<Worker>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            // A route may sign it where the chain does not.
            request_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            held: None,
        })
    }
}

/// A config and its counters.
type Own = (Arc<Settings>, Rc<Counted<AwsRequestSigningStats>>);

struct Filter {
    worker: Rc<Worker>,
    /// What signs the request once its body is there.
    held: Option<Own>,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let (settings, stats) = self.own(context);
        if !settings.host.is_empty() {
            context
                .request_headers
                .set(Known::Authority, settings.host.as_bytes());
        }
        if settings.signs_body && !end_stream {
            self.held = Some((settings, stats));
            return HeadersStatus::Stop;
        }
        if let Some(settled) = settings.signer.credentials.pending() {
            return HeadersStatus::Again(settled);
        }
        let payload = match settings.signs_body {
            true => Payload::Nothing,
            false => Payload::Unsigned,
        };
        let now = context.services.wall();
        settings.signer.sign(context.request_headers, &payload, now);
        stats.cells.signing_added.inc();
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !end_stream && self.held.is_some() {
            return DataStatus::StopAndBuffer;
        }
        if let Some(settled) = self.pending() {
            return DataStatus::Again(settled);
        }
        if let Some(own) = self.held.take() {
            let now = context.services.wall();
            let body = (context.held_body, data.readable());
            sign_body(&own, context.request_headers, body, now);
        }
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if let Some(settled) = self.pending() {
            return TrailersStatus::Again(settled);
        }
        if let Some(own) = self.held.take() {
            let now = context.services.wall();
            let body = (context.held_body, &[][..]);
            sign_body(&own, context.request_headers, body, now);
        }
        TrailersStatus::Continue
    }
}

fn sign_body(
    (settings, stats): &Own,
    request: &mut HeaderMap,
    (one, other): (&[u8], &[u8]),
    now: std::time::SystemTime,
) {
    let payload = Payload::Body(one, other);
    settings.signer.sign(request, &payload, now);
    stats.cells.signing_added.inc();
    stats.cells.payload_signing_added.inc();
}

impl Filter {
    /// What a request that is to be signed has to wait for.
    fn pending(&self) -> Option<LocalFuture<()>> {
        let (settings, _) = self.held.as_ref()?;
        settings.signer.credentials.pending()
    }

    fn own(&self, context: &FilterContext<'_>) -> Own {
        let worker = &*self.worker;
        match context.route.most_specific::<Level>() {
            None => (Arc::clone(&worker.settings), Rc::clone(&worker.stats)),
            Some(Level(settings)) => {
                let scope = |root: &Scope| settings.scope(root);
                let stats = worker.levels.of(&settings.alive, scope);
                (Arc::clone(settings), stats)
            }
        }
    }
}
