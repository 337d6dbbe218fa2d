//! What the JWT authentication filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use nuncio_contract::calls::Calls;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::SharedSpan;

use super::check::{Check, Findings, KeyState, Wants};
use super::config::{ChainConfig, Compiled, RouteWish};
use super::fetch::{Remote, Ring};
use super::provider::Source;
use super::status::Status;
use super::token_cache::TokenCaches;
use crate::cluster_verdicts::prefix;
use crate::unusable::unusable;

const NAMESPACE: &str = "envoy.filters.http.jwt_authn";
/// How much of a path is told to clients.
const MAX_PATH_BYTES: usize = 256;

stat_group! {
    /// Requests by verdict, fetches and remembered tokens, at `http.<stat_prefix>.jwt_authn.[<stat_prefix>.]`.
    pub struct JwtAuthnStats("") {
        counters {
            allowed,
            cors_preflight_bypassed,
            denied,
            jwks_fetch_failed,
            jwks_fetch_success,
            jwt_cache_hit,
            jwt_cache_miss,
        }
    }
}

/// A worker's part of the filter.
struct Shared {
    compiled: Arc<Compiled>,
    stats: Arc<JwtAuthnStats>,
    rings: Box<[Ring]>,
    caches: TokenCaches,
    has_remote: bool,
    _scope: Option<Scope>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let compiled = Arc::clone(&self.0);
        let scope = context
            .scope
            .scope(&prefix("jwt_authn", &compiled.stat_prefix));
        if let Some(scope) = &scope {
            scope.register::<JwtAuthnStats>();
        }
        let rings = compiled
            .providers
            .iter()
            .map(|provider| match &provider.source {
                Source::Given(keys) => Ring::new(keys.clone()),
                Source::Remote(_) => Ring::new(None),
            });
        Box::new(Factory(Rc::new(Shared {
            stats: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            rings: rings.collect(),
            caches: TokenCaches::new(&compiled.providers),
            has_remote: (0..compiled.providers.len()).any(|at| remote(&compiled, at).is_some()),
            compiled,
            _scope: scope,
        })))
    }
}

fn remote(compiled: &Compiled, provider: usize) -> Option<&Remote> {
    match &compiled.providers.get(provider)?.source {
        Source::Given(_) => None,
        Source::Remote(remote) => Some(remote),
    }
}

struct Factory(Rc<Shared>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter(Rc::clone(&self.0)))
    }
}

/// A stream's filter, which keeps nothing of its own.
struct Filter(Rc<Shared>);

/// What a request is to show, and when it came.
#[derive(Clone, Copy)]
struct Question {
    requirement: usize,
    now: Instant,
    now_seconds: u64,
}

/// What has come of a check.
struct Outcome {
    verdict: Result<(), Status>,
    found: Findings,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let shared = &self.0;
        // Nobody but the filter tells claims, also where it asks for no token.
        for provider in &shared.compiled.providers {
            for header in provider.told_headers() {
                context.request_headers.remove(header);
            }
        }
        if shared.compiled.bypasses_preflight && is_preflight(context.request_headers) {
            shared.stats.cors_preflight_bypassed.inc();
            shared.stats.allowed.inc();
            return HeadersStatus::Continue;
        }
        let requirement = match context.route.most_specific::<RouteWish>() {
            None => shared
                .compiled
                .find(context.request_headers, context.stream_info),
            Some(RouteWish::Nothing) => None,
            Some(RouteWish::Named(name)) => match shared.compiled.named(name) {
                Some(at) => Some(at),
                None => return HeadersStatus::Reply(Box::new(shared.wrong_name(name))),
            },
        };
        let Some(requirement) = requirement else {
            shared.stats.allowed.inc();
            return HeadersStatus::Continue;
        };
        let wall = context.services.wall().duration_since(UNIX_EPOCH);
        let question = Question {
            requirement,
            now: context.services.now(),
            now_seconds: wall.map_or(0, |wall| wall.as_secs()),
        };
        let calls = context.services.calls();
        shared.begin(context, question, calls)
    }
}

impl Shared {
    /// Answers at once if it can.
    fn begin(
        self: &Rc<Self>,
        context: &mut FilterContext<'_>,
        question: Question,
        calls: Option<Calls>,
    ) -> HeadersStatus {
        let realm = realm(context.request_headers);
        if !self.has_remote {
            // What is missing can only be wrong.
            let none = Outcome {
                verdict: Err(Status::NoValidKeys),
                found: Findings::default(),
            };
            let outcome = self.check(question, context.request_headers, None);
            let outcome = outcome.unwrap_or(none);
            return match self.finish(context, outcome, realm) {
                None => HeadersStatus::Continue,
                Some(reply) => HeadersStatus::Reply(reply),
            };
        }
        self.renew_aside(question.now, calls.as_ref());
        let mut request = context.request_headers.clone();
        match self.check(question, &mut request, None) {
            Ok(outcome) => {
                *context.request_headers = request;
                match self.finish(context, outcome, realm) {
                    None => HeadersStatus::Continue,
                    Some(reply) => HeadersStatus::Reply(reply),
                }
            }
            Err(wants) => {
                let original = context.request_headers.clone();
                let shared = Rc::clone(self);
                let asking = (calls, SharedSpan::kept(context.stream_info));
                HeadersStatus::Wait(Box::pin(async move {
                    let (request, outcome) = shared
                        .fetch_and_check(question, &original, wants, asking)
                        .await;
                    Resume::Then(Box::new(Applied(Box::new(move |context| {
                        *context.request_headers = request;
                        shared.finish(context, outcome, realm)
                    }))))
                }))
            }
        }
    }

    /// Checks a request; `failed` is a provider whose keys could not be had.
    fn check(
        &self,
        question: Question,
        request: &mut HeaderMap,
        failed: Option<&[usize]>,
    ) -> Result<Outcome, Wants> {
        let keys = |at: usize| match self.rings.get(at) {
            Some(_) if failed.is_some_and(|failed| failed.contains(&at)) => {
                KeyState::Failed(Status::FetchFails)
            }
            Some(ring) => ring.state(remote(&self.compiled, at), question.now),
            None => KeyState::Failed(Status::NoValidKeys),
        };
        let mut check = Check {
            compiled: &self.compiled,
            keys: &keys,
            caches: &self.caches,
            request,
            now_seconds: question.now_seconds,
            found: Findings::default(),
            issued_by: None,
        };
        let verdict = match self.compiled.requirement(question.requirement) {
            Some(requirement) => check.run(requirement)?,
            None => Ok(()),
        };
        let found = check.found;
        Ok(Outcome { verdict, found })
    }

    /// Fetches keys until the verdict does not depend on any others.
    async fn fetch_and_check(
        &self,
        question: Question,
        original: &HeaderMap,
        mut wants: Wants,
        (calls, of): (Option<Calls>, Option<Rc<SharedSpan>>),
    ) -> (HeaderMap, Outcome) {
        let mut failed = Vec::new();
        loop {
            let Wants(at) = wants;
            let ring = self.rings.get(at).zip(remote(&self.compiled, at));
            let has_come = match ring {
                Some((ring, remote)) => {
                    ring.renew(remote, calls.as_ref(), of.as_deref(), question.now)
                        .await
                }
                None => false,
            };
            self.count_fetch(has_come);
            if !has_come {
                failed.push(at);
            }
            let mut request = original.clone();
            match self.check(question, &mut request, Some(&failed)) {
                Ok(outcome) => return (request, outcome),
                // Keys that have come and are wanted again would be so forever.
                Err(Wants(again)) if again == at => failed.push(at),
                Err(next) => wants = next,
            }
        }
    }

    /// Fetches keys anew that have become old, while they still serve.
    fn renew_aside(self: &Rc<Self>, now: Instant, calls: Option<&Calls>) {
        let Some(calls) = calls else { return };
        for (at, ring) in self.rings.iter().enumerate() {
            let Some(remote) = remote(&self.compiled, at) else {
                continue;
            };
            if ring.is_due(remote, now) {
                let (shared, own) = (Rc::clone(self), Rc::clone(calls));
                calls.spawn(Box::pin(async move {
                    shared.renew_one(at, &own, now).await;
                }));
            }
        }
    }

    async fn renew_one(&self, at: usize, calls: &Calls, now: Instant) {
        if let Some((ring, remote)) = self.rings.get(at).zip(remote(&self.compiled, at)) {
            let has_come = ring.renew(remote, Some(calls), None, now).await;
            self.count_fetch(has_come);
        }
    }

    fn count_fetch(&self, has_come: bool) {
        match has_come {
            true => self.stats.jwks_fetch_success.inc(),
            false => self.stats.jwks_fetch_failed.inc(),
        }
    }

    /// Tells what was found, and counts the verdict; the answer if it is a bad one.
    fn finish(
        &self,
        context: &mut FilterContext<'_>,
        outcome: Outcome,
        realm: Vec<u8>,
    ) -> Option<Box<LocalReply>> {
        let Outcome { verdict, found } = outcome;
        self.stats.jwt_cache_hit.add(found.cache_hits);
        self.stats.jwt_cache_miss.add(found.cache_misses);
        if !found.metadata.is_empty() {
            let metadata = context.stream_info.dynamic_metadata_mut();
            metadata.merge(NAMESPACE, found.metadata);
        }
        if found.clears_route {
            context.route_is_stale.set(true);
        }
        match verdict {
            Ok(()) => {
                self.stats.allowed.inc();
                // Without the header nobody would know that something was claimed.
                found.invalid.map(unusable)
            }
            Err(status) => {
                self.stats.denied.inc();
                Some(Box::new(self.refusal(status, realm)))
            }
        }
    }

    fn refusal(&self, status: Status, realm: Vec<u8>) -> LocalReply {
        let code = match status {
            Status::AudienceNotAllowed => 403,
            _ => 401,
        };
        let details = details(status.text());
        if self.compiled.strips_answers {
            return LocalReply::new(code, b"".as_slice(), details);
        }
        let mut challenge = [b"Bearer realm=\"", realm.as_slice(), b"\""].concat();
        if status != Status::Missing {
            challenge.extend_from_slice(b", error=\"invalid_token\"");
        }
        LocalReply::new(code, status.text().as_bytes(), details)
            .with_header(HeaderName::from(Known::WwwAuthenticate), challenge)
    }

    /// A route names a requirement that is not there.
    fn wrong_name(&self, name: &str) -> LocalReply {
        self.stats.denied.inc();
        let text = format!(
            "Wrong requirement_name: {name}. It should be one of [{}]",
            self.compiled.names()
        );
        let details = details(&text);
        let body = match self.compiled.strips_answers {
            true => Vec::new(),
            false => format!("Failed JWT authentication: {text}").into_bytes(),
        };
        LocalReply::new(403, body, details)
    }
}

fn details(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| {
            if letter.is_ascii_whitespace() {
                '_'
            } else {
                letter
            }
        })
        .collect();
    format!("jwt_authn_access_denied{{{text}}}")
}

/// Whether a browser asks what it may ask.
fn is_preflight(request: &HeaderMap) -> bool {
    let has = |known| request.get(known).is_some_and(|value| !value.is_empty());
    request.get(Known::Method) == Some(b"OPTIONS")
        && has(Known::Origin)
        && has(Known::AccessControlRequestMethod)
}

/// What was asked for, as the client has said it.
fn realm(request: &HeaderMap) -> Vec<u8> {
    let part = |known| request.get(known).unwrap_or_default();
    let path = match request.get(Known::XEnvoyOriginalPath) {
        Some(path) => path,
        None => part(Known::Path),
    };
    let path = path.get(..MAX_PATH_BYTES).unwrap_or(path);
    [part(Known::Scheme), b"://", part(Known::Authority), path].concat()
}
