//! What a route says of failures and time: retries, hedging, how much of a body is kept, and how long streams last.
//!
//! What a route does not say it has from its virtual host. Most routes say nothing of it and hold nothing.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_upstream::cluster::ResourcePriority;
use nuncio_upstream::retry::RetryPolicy;

use super::internal_redirect::RedirectPolicy;
use super::{Action, Mirror, Route};
use crate::config::resilience::{InternalRedirectAction, RoutingPriority};
use crate::config::route as config;

/// What a route says of failures.
#[derive(Clone, Debug, Default)]
pub struct Resilience {
    /// What is tried again.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Whether a try that takes too long goes on beside the next.
    pub hedges: Option<bool>,
    /// How much of a request's body is kept for another try.
    pub(super) body_limit_bytes: Option<u64>,
    /// The same in the deprecated field, which any word of the other one's outweighs.
    pub(super) old_body_limit_bytes: Option<u32>,
    /// Where copies go.
    pub mirrors: Arc<[Mirror]>,
    /// Which redirects of hosts are followed here.
    pub redirects: Option<Arc<RedirectPolicy>>,
}

impl Resilience {
    fn is_empty(&self) -> bool {
        self.retry.is_none()
            && self.hedges.is_none()
            && self.body_limit_bytes().is_none()
            && self.mirrors.is_empty()
            && self.redirects.is_none()
    }

    /// What `self` does not say is as in `other`.
    fn or(self, other: &Self) -> Self {
        Self {
            retry: self.retry.or_else(|| other.retry.clone()),
            hedges: self.hedges.or(other.hedges),
            body_limit_bytes: self.body_limit_bytes.or(other.body_limit_bytes),
            old_body_limit_bytes: self.old_body_limit_bytes.or(other.old_body_limit_bytes),
            mirrors: match self.mirrors.is_empty() {
                true => Arc::clone(&other.mirrors),
                false => self.mirrors,
            },
            redirects: self.redirects.or_else(|| other.redirects.clone()),
        }
    }

    /// How much of a request's body is kept for another try.
    pub fn body_limit_bytes(&self) -> Option<u64> {
        let old = self.old_body_limit_bytes.map(u64::from);
        self.body_limit_bytes.or(old)
    }

    /// The policies of a route.
    pub(super) fn of_route(
        route: &config::Route,
        action: &config::RouteAction,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let retry = action.retry_policy.as_ref().map(|it| it.compile(ctx));
        let redirects = action.internal_redirect_policy.as_ref();
        let redirects = redirects.map(|policy| RedirectPolicy::compile(policy, ctx));
        let by_old_field = || match action.internal_redirect_action {
            InternalRedirectAction::PassThrough => None,
            InternalRedirectAction::Handle => {
                Some(RedirectPolicy::at_most(action.max_internal_redirects))
            }
        };
        Ok(Self {
            retry: retry.transpose()?.map(Arc::new),
            hedges: (action.hedge_policy.as_ref()).map(|policy| policy.hedge_on_per_try_timeout),
            body_limit_bytes: route.request_body_buffer_limit,
            old_body_limit_bytes: route.per_request_buffer_limit_bytes,
            mirrors: Arc::default(),
            redirects: redirects.transpose()?.or_else(by_old_field).map(Arc::new),
        })
    }

    /// The policies of a virtual host.
    pub(super) fn of_host(host: &config::VirtualHost, ctx: &mut Ctx) -> Result<Self, Refused> {
        let retry = host.retry_policy.as_ref().map(|it| it.compile(ctx));
        Ok(Self {
            retry: retry.transpose()?.map(Arc::new),
            hedges: (host.hedge_policy.as_ref()).map(|policy| policy.hedge_on_per_try_timeout),
            body_limit_bytes: host.request_body_buffer_limit,
            old_body_limit_bytes: host.per_request_buffer_limit_bytes,
            mirrors: Arc::default(),
            redirects: None,
        })
    }
}

/// Gives a virtual host's routes what they do not say themselves.
pub(super) fn inherit(routes: &mut [Route], host: &Resilience) {
    for route in routes {
        let Action::Forward(forward) = &mut route.action else {
            continue;
        };
        let own = forward
            .resilience
            .take()
            .map(|own| *own)
            .unwrap_or_default();
        let all = own.or(host);
        forward.resilience = (!all.is_empty()).then(|| Box::new(all));
    }
}

/// How long streams and gRPC's calls may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTimes {
    /// `max_grpc_timeout`: the timeout is that of gRPC's header, up to this; zero for no limit.
    pub max_grpc: Option<Duration>,
    /// What is taken off gRPC's timeout.
    pub grpc_offset: Option<Duration>,
    /// `max_stream_duration`.
    pub stream: Option<StreamLimits>,
    /// `flush_timeout`, instead of the connection manager's; zero for none.
    pub flush: Option<Duration>,
}

/// `max_stream_duration`, in whose presence there is no timeout of the route's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamLimits {
    /// Instead of the connection manager's; zero for none.
    pub longest: Option<Duration>,
    /// The time of gRPC's header counts, up to this; zero for no limit.
    pub grpc_max: Option<Duration>,
    /// What is taken off it.
    pub grpc_offset: Option<Duration>,
}

impl StreamTimes {
    /// Those of an action, where it has any.
    pub(super) fn of_action(action: &config::RouteAction) -> Option<Box<Self>> {
        let times = StreamTimes {
            max_grpc: action.max_grpc_timeout,
            grpc_offset: action.grpc_timeout_offset,
            stream: action.max_stream_duration.as_ref().map(|it| StreamLimits {
                longest: it.max_stream_duration,
                grpc_max: it.grpc_timeout_header_max,
                grpc_offset: it.grpc_timeout_header_offset,
            }),
            flush: action.flush_timeout,
        };
        (times != StreamTimes::default()).then(|| Box::new(times))
    }
}

/// Which circuit breakers and connections an action's requests use.
pub(super) fn priority(written: RoutingPriority) -> ResourcePriority {
    match written {
        RoutingPriority::Default => ResourcePriority::Default,
        RoutingPriority::High => ResourcePriority::High,
    }
}
