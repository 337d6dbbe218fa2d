//! What the credential injector does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig,
    HttpFilterFactory, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Credential, Settings};
use super::token::{Look, TokenStats, Tokens};

stat_group! {
    /// Requests by what became of them, at `http.<stat_prefix>.`.
    pub struct CredentialInjectorStats("credential_injector.") {
        counters { already_exists, failed, injected }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<CredentialInjectorStats>,
    tokens: Option<Rc<Tokens>>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<CredentialInjectorStats>();
        let tokens = match &self.0.credential {
            Credential::Generic { .. } => None,
            Credential::Token(endpoint) => {
                context.scope.register::<TokenStats>();
                Some(Tokens::new(endpoint, context.scope.worker_group()))
            }
        };
        Box::new(Shared(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            tokens,
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let worker = &*self.0;
        let header = worker.settings.credential.header();
        let mut values = context.request_headers.get_all_named(&header);
        if values.next().is_some() && !worker.settings.overwrites {
            worker.stats.already_exists.inc();
            return HeadersStatus::Continue;
        }
        let value = match (&worker.settings.credential, &worker.tokens) {
            (Credential::Generic { secret, prefix, .. }, _) => {
                let secret = secret.read();
                (!secret.is_empty()).then(|| [&**prefix, &*secret].concat())
            }
            (Credential::Token(_), None) => None,
            (Credential::Token(_), Some(tokens)) => match tokens.look(context.services) {
                Look::Token(token) => Some(token.to_vec()),
                Look::Nothing => None,
                Look::Wait(over) => {
                    let (worker, tokens) = (Rc::clone(&self.0), Rc::clone(tokens));
                    return HeadersStatus::Wait(Box::pin(async move {
                        over.await;
                        Resume::Then(Box::new(Applied(Box::new(move |context| {
                            let token = tokens.current();
                            worker.inject(token.as_deref(), context.request_headers)
                        }))))
                    }));
                }
            },
        };
        match worker.inject(value.as_deref(), context.request_headers) {
            None => HeadersStatus::Continue,
            Some(reply) => HeadersStatus::Reply(reply),
        }
    }
}

impl Credential {
    /// Where it goes.
    fn header(&self) -> HeaderName {
        match self {
            Credential::Generic { header, .. } => header.clone(),
            Credential::Token(_) => HeaderName::from(Known::Authorization),
        }
    }
}

impl Worker {
    /// Gives a request its credential, if there is one; the answer where it must not pass without.
    fn inject(&self, value: Option<&[u8]>, request: &mut HeaderMap) -> Option<Box<LocalReply>> {
        let could_break_out = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        match value.filter(|value| !value.iter().any(could_break_out)) {
            Some(value) => {
                request.replace(&self.settings.credential.header(), value);
                self.stats.injected.inc();
                None
            }
            None => {
                self.stats.failed.inc();
                let reply = LocalReply::new(
                    401,
                    b"Failed to inject credential.".as_slice(),
                    "failed_to_inject_credential",
                );
                (!self.settings.passes_without).then(|| Box::new(reply))
            }
        }
    }
}
