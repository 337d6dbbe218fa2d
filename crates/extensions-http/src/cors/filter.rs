//! What the CORS filter does to a stream.

use std::sync::Arc;

use nuncio_contract::cors::CorsPolicy;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;

use super::config::ChainConfig;

stat_group! {
    /// Requests of other origins, at `http.<stat_prefix>.`.
    pub struct CorsStats("cors.") {
        counters {
            origin_invalid,
            origin_valid,
        }
    }
}

struct Factory(Arc<CorsStats>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<CorsStats>();
        Box::new(Factory(context.scope.worker_group()))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(CorsFilter {
            stats: Arc::clone(&self.0),
            origin: None,
        })
    }
}

struct CorsFilter {
    stats: Arc<CorsStats>,
    /// The origin of a request that may see the response.
    origin: Option<Box<[u8]>>,
}

impl HttpFilter for CorsFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let request = &*context.request_headers;
        let origin = match request.get(Known::Origin) {
            Some(origin) if !origin.is_empty() => origin,
            _ => return HeadersStatus::Continue,
        };
        let Some(policies) = Policies::of(context.route) else {
            return HeadersStatus::Continue;
        };
        let random = || context.services.random_u64();
        let first = policies.most_specific();
        if !first.is_enabled(random) && !first.is_shadow_enabled(random) {
            return HeadersStatus::Continue;
        }
        let is_allowed = policies.allow(origin);
        if is_allowed {
            self.stats.origin_valid.inc();
        } else {
            self.stats.origin_invalid.inc();
        }
        if first.is_shadow_enabled(random) && !first.is_enabled(random) {
            return HeadersStatus::Continue;
        }
        if is_allowed {
            self.origin = Some(origin.into());
        }
        if !is_preflight(request) || (!is_allowed && policies.forward_others()) {
            return HeadersStatus::Continue;
        }
        let reply = policies.preflight(request, is_allowed.then_some(origin));
        HeadersStatus::Reply(Box::new(reply))
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let Some(origin) = &self.origin else {
            return HeadersStatus::Continue;
        };
        response.set(Known::AccessControlAllowOrigin, origin);
        let Some(policies) = Policies::of(context.route) else {
            return HeadersStatus::Continue;
        };
        if policies.allow_credentials() {
            response.set(Known::AccessControlAllowCredentials, b"true");
        }
        if let Some(exposed) = policies.text(|policy| &policy.exposed) {
            response.set(Known::AccessControlExposeHeaders, exposed.as_bytes());
        }
        HeadersStatus::Continue
    }
}

fn is_preflight(request: &HeaderMap) -> bool {
    let asks_for = request.get(Known::AccessControlRequestMethod);
    request.get(Known::Method) == Some(b"OPTIONS")
        && asks_for.is_some_and(|method| !method.is_empty())
}

/// The policies of the levels above a route, the most specific one first; there is at least one.
struct Policies<'a> {
    first: &'a CorsPolicy,
    route: PerRoute<'a>,
    is_typed: bool,
}

impl<'a> Policies<'a> {
    /// None where the route does not forward, or no level has a policy.
    fn of(route: PerRoute<'a>) -> Option<Self> {
        route.cluster_name()?;
        let typed = route.most_specific::<CorsPolicy>();
        let first = typed.or_else(|| route.cors_policies().into_iter().flatten().next())?;
        Some(Policies {
            first,
            route,
            is_typed: typed.is_some(),
        })
    }

    fn most_specific(&self) -> &'a CorsPolicy {
        self.first
    }

    /// What the most specific policy says that says anything.
    fn say<T>(&self, part: impl Fn(&'a CorsPolicy) -> Option<T>) -> Option<T> {
        if self.is_typed {
            return self.route.all::<CorsPolicy>().rev().find_map(part);
        }
        let fields = self.route.cors_policies();
        fields.into_iter().flatten().find_map(part)
    }

    fn text(&self, part: impl Fn(&'a CorsPolicy) -> &'a str) -> Option<&'a str> {
        self.say(|policy| Some(part(policy)).filter(|text| !text.is_empty()))
    }

    fn allow(&self, origin: &[u8]) -> bool {
        let policy = self.say(|policy| (!policy.origins.is_empty()).then_some(policy));
        policy.is_some_and(|policy| {
            policy.allows_any_origin || policy.origins.iter().any(|allowed| allowed.matches(origin))
        })
    }

    fn allow_credentials(&self) -> bool {
        self.say(|policy| policy.credentials).unwrap_or(false)
    }

    fn forward_others(&self) -> bool {
        self.say(|policy| policy.forwards_others).unwrap_or(true)
    }

    /// The answer to a preflight; `origin` is there if it is an allowed one.
    fn preflight(&self, request: &HeaderMap, origin: Option<&[u8]>) -> LocalReply {
        let mut reply = LocalReply::bare(200, "cors_response");
        let mut add = |name: Known, value: &[u8]| {
            reply.headers.push((HeaderName::from(name), value.to_vec()));
        };
        if let Some(origin) = origin {
            add(Known::AccessControlAllowOrigin, origin);
        }
        if self.allow_credentials() {
            add(Known::AccessControlAllowCredentials, b"true");
        }
        if let Some(methods) = self.text(|policy| &policy.methods) {
            let asked_for = Known::AccessControlRequestMethod;
            let methods = or_asked_for(methods, request, asked_for);
            add(Known::AccessControlAllowMethods, methods);
        }
        if let Some(headers) = self.text(|policy| &policy.headers) {
            let asked_for = Known::AccessControlRequestHeaders;
            let headers = or_asked_for(headers, request, asked_for);
            add(Known::AccessControlAllowHeaders, headers);
        }
        if let Some(max_age) = self.text(|policy| &policy.max_age) {
            add(Known::AccessControlMaxAge, max_age.as_bytes());
        }
        let is_private = request.get(Known::AccessControlRequestPrivateNetwork) == Some(b"true");
        if is_private && self.say(|policy| policy.private_network) == Some(true) {
            add(Known::AccessControlAllowPrivateNetwork, b"true");
        }
        reply
    }
}

/// `*` stands for what the client asks for.
fn or_asked_for<'a>(text: &'a str, request: &'a HeaderMap, asked_for: Known) -> &'a [u8] {
    match text {
        "*" => request.get(asked_for).unwrap_or_default(),
        text => text.as_bytes(),
    }
}
