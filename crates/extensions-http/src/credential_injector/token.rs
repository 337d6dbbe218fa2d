//! Tokens of OAuth 2 for the proxy itself, by its own credentials: asked for when a worker first needs one, and again
//! aside once half of its time is over. Requests that come before the first one wait for it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use nuncio_contract::calls::{CallAnswer, CallOptions, Calls, HttpCall, collect};
use nuncio_contract::generic_secret::GenericSecret;
use nuncio_contract::headers::{HeaderMap, Known, is_valid_value};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stat_group;
use serde_json::{Map, Value};

use crate::escape;

const USER_AGENT: &[u8] = b"Go-browser";

stat_group! {
    /// Tokens by what became of them, at `http.<stat_prefix>.`.
    pub struct TokenStats("credential_injector.oauth2.") {
        counters {
            token_fetch_failed_on_bad_response_code,
            token_fetch_failed_on_bad_token,
            token_fetch_failed_on_client_secret,
            token_fetch_failed_on_cluster_not_found,
            token_fetch_failed_on_stream_reset,
            token_fetched,
            token_requested,
        }
    }
}

/// Where tokens come from.
pub(super) struct Endpoint {
    pub(super) cluster: Box<str>,
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
    pub(super) timeout: Duration,
    pub(super) client_id: Box<str>,
    /// None: the connection says who asks.
    pub(super) secret: Option<GenericSecret>,
    pub(super) scopes: Box<str>,
    /// Names and values.
    pub(super) parameters: Box<[(Box<str>, Box<str>)]>,
    pub(super) retry_interval: Duration,
}

/// A worker's token.
pub(super) struct Tokens {
    endpoint: Arc<Endpoint>,
    stats: Arc<TokenStats>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    token: Option<Rc<[u8]>>,
    is_asking: bool,
    /// When to ask.
    due: Due,
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Default)]
enum Due {
    #[default]
    Now,
    At(Instant),
    /// What the endpoint says is no use.
    Never,
}

/// What there is for a request.
pub(super) enum Look {
    /// The value of its header.
    Token(Rc<[u8]>),
    /// Nothing before this is over.
    Wait(LocalFuture<()>),
    Nothing,
}

impl Tokens {
    pub(super) fn new(endpoint: &Arc<Endpoint>, stats: Arc<TokenStats>) -> Rc<Self> {
        Rc::new(Tokens {
            endpoint: Arc::clone(endpoint),
            stats,
            state: RefCell::default(),
        })
    }

    /// The token of now; asks for another one if it is time to.
    pub(super) fn look(self: &Rc<Self>, services: &dyn WorkerServices) -> Look {
        let now = services.now();
        let state = self.state.borrow();
        let is_due = match state.due {
            Due::Now => true,
            Due::At(due) => due <= now,
            Due::Never => false,
        };
        let asks = is_due && !state.is_asking;
        drop(state);
        if asks {
            self.ask(services.calls(), now);
        }
        let state = self.state.borrow();
        match &state.token {
            Some(token) => Look::Token(Rc::clone(token)),
            None if state.is_asking => Look::Wait(Rc::clone(self).wait()),
            None => Look::Nothing,
        }
    }

    /// The token that is there, if there is one.
    pub(super) fn current(&self) -> Option<Rc<[u8]>> {
        self.state.borrow().token.clone()
    }

    fn wait(self: Rc<Self>) -> LocalFuture<()> {
        Box::pin(poll_fn(move |cx| {
            let state = &mut *self.state.borrow_mut();
            if !state.is_asking {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn ask(self: &Rc<Self>, calls: Option<Calls>, now: Instant) {
        let again = Due::At(now + self.endpoint.retry_interval);
        self.state.borrow_mut().due = again;
        let secret = self.endpoint.secret.as_ref().map(GenericSecret::read);
        if secret.as_ref().is_some_and(|secret| secret.is_empty()) {
            self.stats.token_fetch_failed_on_client_secret.inc();
            return;
        }
        let call =
            calls.and_then(|calls| Some((self.endpoint.start(&calls, secret.as_deref())?, calls)));
        let Some((call, calls)) = call else {
            self.stats.token_fetch_failed_on_cluster_not_found.inc();
            return;
        };
        self.stats.token_requested.inc();
        self.state.borrow_mut().is_asking = true;
        let tokens = Rc::clone(self);
        // By itself, so that no request that goes away takes it along.
        calls.spawn(Box::pin(async move {
            let answer = collect(call).await;
            tokens.take(answer, now);
        }));
    }

    fn take(&self, answer: Option<CallAnswer>, asked: Instant) {
        let state = &mut *self.state.borrow_mut();
        state.is_asking = false;
        match answer {
            None => self.stats.token_fetch_failed_on_stream_reset.inc(),
            Some(answer) if answer.status() != 200 => {
                self.stats.token_fetch_failed_on_bad_response_code.inc();
            }
            Some(answer) => match read(&answer.body) {
                None => {
                    self.stats.token_fetch_failed_on_bad_token.inc();
                    state.due = Due::Never;
                }
                Some((token, seconds)) => {
                    self.stats.token_fetched.inc();
                    state.token = Some(token);
                    let half = Duration::from_secs(seconds) / 2;
                    state.due = asked.checked_add(half).map_or(Due::Never, Due::At);
                }
            },
        }
        state.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Endpoint {
    fn start(&self, calls: &Calls, secret: Option<&[u8]>) -> Option<Box<dyn HttpCall>> {
        let body = self.body(secret);
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, self.path.as_bytes());
        head.set(Known::Authority, self.host.as_bytes());
        head.set(Known::ContentType, b"application/x-www-form-urlencoded");
        head.append(Known::UserAgent, USER_AGENT);
        head.set(Known::Accept, b"application/json");
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        head.set_integer(Known::ContentLength, length);
        let options = CallOptions {
            timeout: Some(self.timeout).filter(|timeout| !timeout.is_zero()),
            ..CallOptions::default()
        };
        let mut call = calls.start(&self.cluster, head, options)?;
        call.send(body.as_bytes(), true);
        Some(call)
    }

    fn body(&self, secret: Option<&[u8]>) -> String {
        let escaped = |text: &str| escape::for_url(text.as_bytes());
        let mut body = format!(
            "grant_type=client_credentials&client_id={}",
            escaped(&self.client_id)
        );
        let mut add = |name: &str, value: String| {
            body.push('&');
            body.push_str(name);
            body.push('=');
            body.push_str(&value);
        };
        if let Some(secret) = secret {
            add("client_secret", escape::for_url(secret));
        }
        if !self.scopes.is_empty() {
            add("scope", escaped(&self.scopes));
        }
        for (name, value) in &self.parameters {
            add(&escaped(name), escaped(value));
        }
        body
    }
}

/// The value of a header, and for how many seconds it counts.
fn read(body: &[u8]) -> Option<(Rc<[u8]>, u64)> {
    let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let seconds = match fields.get("expires_in")? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let token = format!("Bearer {}", fields.get("access_token")?.as_str()?);
    is_valid_value(token.as_bytes()).then(|| (token.into_bytes().into(), seconds))
}
