//! What the credential injector does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Settings};

stat_group! {
    /// Requests by what became of them, at `http.<stat_prefix>.`.
    pub struct CredentialInjectorStats("credential_injector.") {
        counters { already_exists, failed, injected }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<CredentialInjectorStats>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<CredentialInjectorStats>();
        Box::new(Shared(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
        })))
    }
}

impl HttpFilterFactory for Shared {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(self.clone())
    }
}

impl HttpFilter for Shared {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let Worker { settings, stats } = &*self.0;
        let is_there = context
            .request_headers
            .get_all_named(&settings.header)
            .next()
            .is_some();
        if is_there && !settings.overwrites {
            stats.already_exists.inc();
            return HeadersStatus::Continue;
        }
        if inject(settings, context.request_headers) {
            stats.injected.inc();
            return HeadersStatus::Continue;
        }
        stats.failed.inc();
        match settings.passes_without {
            true => HeadersStatus::Continue,
            false => HeadersStatus::Reply(Box::new(LocalReply::new(
                401,
                b"Failed to inject credential.".as_slice(),
                "failed_to_inject_credential",
            ))),
        }
    }
}

/// Whether there is a credential, which the request then has.
fn inject(settings: &Settings, request: &mut HeaderMap) -> bool {
    let secret = settings.secret.read();
    let could_break_out = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    if secret.is_empty() || secret.iter().any(could_break_out) {
        return false;
    }
    let value = [&*settings.prefix, &*secret].concat();
    request.replace(&settings.header, &value);
    true
}
