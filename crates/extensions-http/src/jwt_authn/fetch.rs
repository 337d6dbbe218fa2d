//! Keys that are fetched: by a GET of the provider's URI over a cluster, when a worker first needs them and again once
//! `cache_duration` is over. With `async_fetch` those that are there serve on while new ones are fetched behind them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::call_span::{CallSpan, collect_in_span};
use nuncio_contract::calls::{CallOptions, CallRetries, Calls};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::tracing::SharedSpan;

use super::check::KeyState;
use super::key_set::{KeySet, Keys};
use super::messages::{HttpUpstream, RemoteJwks};
use super::status::Status;

/// What of a fetch is tried again, whatever the policy says.
const RETRY_ON: &str = "5xx,gateway-error,connect-failure,reset";
/// As Envoy says it.
const USER_AGENT: &[u8] = b"Go-browser";
/// The name of spans of fetches.
const OPERATION: &str = "JWT Remote PubKey Fetch";
const CACHE_DURATION: Duration = Duration::from_secs(600);
const FAILED_REFETCH: Duration = Duration::from_secs(1);

/// Where a provider's keys are fetched from.
pub(super) struct Remote {
    cluster: Box<str>,
    host: Box<str>,
    path: Box<str>,
    timeout: Duration,
    retries: Option<Arc<CallRetries>>,
    cache_duration: Duration,
    /// Whether keys are renewed aside, and the time after a failure.
    renews_after: Option<Duration>,
}

impl Remote {
    pub(super) fn compile(
        provider: &str,
        message: &RemoteJwks,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let Some(uri) = &message.http_uri else {
            let text = "remote keys without `http_uri`";
            return Err(ctx.unsupported_here(message.span(), text.to_owned()));
        };
        let HttpUpstream::Cluster(cluster) = &uri.http_upstream_type;
        let Some((host, path)) = split(&uri.uri.value) else {
            let text = format!(
                "Provider '{provider}' has an invalid URI: '{}'",
                uri.uri.value
            );
            ctx.error(uri.uri.span, text);
            return Err(Refused);
        };
        let retries = message.retry_policy.as_ref();
        let retries = retries.map(|policy| policy.compile(ctx)).transpose()?;
        let retries = retries.map(|policy| {
            Arc::new(CallRetries {
                retry_on: RETRY_ON.into(),
                ..(*policy).clone()
            })
        });
        let renewal = message.async_fetch.as_ref();
        Ok(Remote {
            cluster: cluster.value.as_str().into(),
            host: host.into(),
            path: path.into(),
            timeout: uri.timeout,
            retries,
            cache_duration: message.cache_duration.unwrap_or(CACHE_DURATION),
            renews_after: renewal
                .map(|renewal| renewal.failed_refetch_duration.unwrap_or(FAILED_REFETCH)),
        })
    }

    async fn fetch(&self, calls: &Calls, of: Option<&SharedSpan>) -> Option<KeySet> {
        let mut head = HeaderMap::request();
        head.set(Known::Path, self.path.as_bytes());
        head.set(Known::Authority, self.host.as_bytes());
        head.set(Known::Method, b"GET");
        head.append(Known::UserAgent, USER_AGENT);
        let options = CallOptions {
            timeout: Some(self.timeout).filter(|timeout| !timeout.is_zero()),
            retries: self.retries.clone(),
            ..CallOptions::default()
        };
        let span = CallSpan::call(of, &self.cluster, Some(OPERATION));
        let mut call = CallSpan::start(span.as_ref(), &**calls, &self.cluster, head, options)?;
        call.send(&[], true);
        let answer = collect_in_span(call, span).await?;
        match answer.status() {
            200 => KeySet::read(&answer.body).ok(),
            _ => None,
        }
    }
}

/// Host and path of an absolute URI.
fn split(uri: &str) -> Option<(&str, &str)> {
    let (_, rest) = uri.split_once("://")?;
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    let path = if path.is_empty() { "/" } else { path };
    (!host.is_empty()).then_some((host, path))
}

/// A worker's keys of one provider.
pub(super) struct Ring {
    keys: RefCell<Option<Keys>>,
    expires_at: Cell<Option<Instant>>,
    is_renewing: Cell<bool>,
}

impl Ring {
    /// With the keys of the configuration, if they are there.
    pub(super) fn new(given: Option<Arc<KeySet>>) -> Self {
        Ring {
            keys: RefCell::new(given.map(Keys::Given)),
            expires_at: Cell::new(None),
            is_renewing: Cell::new(false),
        }
    }

    /// What there is now.
    pub(super) fn state(&self, remote: Option<&Remote>, now: Instant) -> KeyState {
        let is_over = self.expires_at.get().is_some_and(|end| end <= now);
        match (&*self.keys.borrow(), remote) {
            (Some(keys), Some(remote)) if !is_over || remote.renews_after.is_some() => {
                KeyState::There(keys.clone())
            }
            (Some(keys), None) => KeyState::There(keys.clone()),
            (_, Some(_)) => KeyState::Wanted,
            (None, None) => KeyState::Failed(Status::NoValidKeys),
        }
    }

    /// Whether new keys are to be fetched aside, as those that are there are old.
    pub(super) fn is_due(&self, remote: &Remote, now: Instant) -> bool {
        let is_over = self.expires_at.get().is_some_and(|end| end <= now);
        remote.renews_after.is_some() && is_over && !self.is_renewing.replace(true)
    }

    /// Fetches the keys, for the sake of the stream that has this span if one has, and keeps them from `now` on; whether
    /// they have come.
    pub(super) async fn renew(
        &self,
        remote: &Remote,
        calls: Option<&Calls>,
        of: Option<&SharedSpan>,
        now: Instant,
    ) -> bool {
        let fetched = match calls {
            Some(calls) => remote.fetch(calls, of).await,
            None => None,
        };
        self.is_renewing.set(false);
        let Some(keys) = fetched else {
            if let (Some(wait), true) = (remote.renews_after, self.keys.borrow().is_some()) {
                self.expires_at.set(Some(now + wait));
            }
            return false;
        };
        *self.keys.borrow_mut() = Some(Keys::Fetched(Rc::new(keys)));
        self.expires_at.set(now.checked_add(remote.cache_duration));
        true
    }
}
