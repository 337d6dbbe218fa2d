//! The messages of the stateful session filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

const COOKIE: &str = "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState";
const HEADER: &str = "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState";
const ENVELOPE: &str = "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState";
/// The type that goes with each name.
const TYPES: [(&str, &str); 3] = [
    ("envoy.http.stateful_session.cookie", COOKIE),
    ("envoy.http.stateful_session.envelope", ENVELOPE),
    ("envoy.http.stateful_session.header", HEADER),
];
const NO_HOST: u16 = 503;

message! {
    /// The filter's config.
    pub(super) struct StatefulSession: "envoy.extensions.filters.http.stateful_session.v3.StatefulSession" {
        session_state: Option<SessionState>,
        strict: bool,
        status_on_strict_destination_not_found: Spanned<u32>,
        stat_prefix: String,
    }
}

message! {
    /// Where the host's address is.
    pub(super) struct SessionState: "envoy.config.core.v3.TypedExtensionConfig" {
        name: Spanned<String>,
        typed_config: Any,
    }
}

message! {
    /// A route's config.
    pub(super) struct StatefulSessionPerRoute: "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute" {
        oneof r#override: Override,
    }
}

one_of! {
    /// Its kinds.
    pub(super) enum Override {
        disabled => Disabled(bool),
        stateful_session => Session(StatefulSession),
    }
}

message! {
    /// It is in a cookie.
    pub(super) struct CookieBasedSessionState: "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState" {
        cookie: Cookie,
    }
}

message! {
    /// The cookie.
    pub(super) struct Cookie: "envoy.type.http.v3.Cookie" {
        name: String,
        ttl: Option<Spanned<Duration>>,
        path: String,
        attributes: Vec<CookieAttribute>,
    }
}

message! {
    /// What else is said of the cookie.
    pub(super) struct CookieAttribute: "envoy.type.http.v3.CookieAttribute" {
        name: String,
        value: String,
    }
}

message! {
    /// It is in a header.
    pub(super) struct HeaderBasedSessionState: "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState" {
        name: Spanned<String>,
    }
}

message! {
    /// It is beside what the host itself has in a header.
    pub(super) struct EnvelopeSessionState: "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState" {
        header: EnvelopeHeader,
    }
}

message! {
    /// The header.
    pub(super) struct EnvelopeHeader: "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState.Header" {
        name: Spanned<String>,
    }
}

/// A compiled config.
pub(super) struct Session {
    /// None where there is nothing to be kept.
    pub(super) state: Option<State>,
    pub(super) status_without_host: Option<u16>,
    /// Empty where nothing is counted.
    pub(super) stat_prefix: Box<str>,
}

/// Where the host's address is.
pub(super) enum State {
    Cookie(SessionCookie),
    Header(HeaderName),
    /// Together with what the host has there.
    Envelope(HeaderName),
}

/// A cookie, compiled.
pub(super) struct SessionCookie {
    pub(super) name: Box<[u8]>,
    pub(super) path: Box<[u8]>,
    /// 0 for as long as the client's session.
    pub(super) ttl_s: u64,
    /// What stands behind its value.
    pub(super) attributes: Box<str>,
}

/// A route's config.
pub(super) enum OfRoute {
    Disabled,
    Session(Session),
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Session>);

impl LevelConfig for OfRoute {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let session = Session::compile(any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(session))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: StatefulSessionPerRoute = any.decode(ctx)?;
    Ok(Arc::new(match message.r#override {
        Override::Disabled(disabled) => {
            debug_assert!(disabled, "the API allows no other value");
            OfRoute::Disabled
        }
        Override::Session(session) => OfRoute::Session(Session::compile(session, ctx)?),
    }))
}

impl Session {
    fn compile(message: StatefulSession, ctx: &mut Ctx) -> Result<Self, Refused> {
        let state = message
            .session_state
            .map(|state| State::compile(&state, ctx));
        let status = &message.status_on_strict_destination_not_found;
        let status_without_host = match (message.strict, status.value) {
            (false, _) => None,
            (true, 0) => Some(NO_HOST),
            (true, value) => Some(u16::try_from(value).map_err(|_| {
                ctx.error(status.span, "a status is a number from 200 to 599");
                Refused
            })?),
        };
        Ok(Session {
            state: state.transpose()?,
            status_without_host,
            stat_prefix: message.stat_prefix.into(),
        })
    }
}

impl State {
    fn compile(state: &SessionState, ctx: &mut Ctx) -> Result<Self, Refused> {
        let name = &state.name;
        // As in Envoy it is the name that finds it.
        let found = TYPES.iter().find(|(known, _)| *known == name.value);
        let Some((_, wanted)) = found else {
            let text = format!(
                "Didn't find a registered implementation for name: '{}'",
                name.value
            );
            ctx.error(name.span, text);
            return Err(Refused);
        };
        let any = &state.typed_config;
        if any.type_name() != *wanted {
            let text = format!("Unable to unpack as {wanted}: [{}]", any.type_name());
            ctx.error(any.span, text);
            return Err(Refused);
        }
        match any.type_name() {
            COOKIE => {
                let config: CookieBasedSessionState = any.decode(ctx)?;
                Ok(State::Cookie(SessionCookie::new(config.cookie)))
            }
            HEADER => {
                let config: HeaderBasedSessionState = any.decode(ctx)?;
                Ok(State::Header(header_name(&config.name, ctx)?))
            }
            ENVELOPE => {
                let config: EnvelopeSessionState = any.decode(ctx)?;
                Ok(State::Envelope(header_name(&config.header.name, ctx)?))
            }
            kind => Err(ctx.unsupported_here(any.span, format!("the session state `{kind}`"))),
        }
    }
}

fn header_name(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse(&name.value).map_err(|_| {
        let text = format!("`{}` is not a header name", name.value);
        ctx.error(name.span, text);
        Refused
    })
}

impl SessionCookie {
    fn new(cookie: Cookie) -> Self {
        let ttl_s = cookie.ttl.as_ref().map_or(0, |ttl| ttl.value.as_secs());
        let mut attributes = String::new();
        if ttl_s > 0 {
            attributes += &format!("; Max-Age={ttl_s}");
        }
        if !cookie.path.is_empty() {
            attributes += &format!("; Path={}", cookie.path);
        }
        for attribute in &cookie.attributes {
            attributes += &match &*attribute.value {
                "" => format!("; {}", attribute.name),
                value => format!("; {}={value}", attribute.name),
            };
        }
        attributes += "; HttpOnly";
        SessionCookie {
            name: cookie.name.into_bytes().into(),
            path: cookie.path.into_bytes().into(),
            ttl_s,
            attributes: attributes.into(),
        }
    }

    /// Whether the cookie is sent to `path`.
    pub(super) fn is_for(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(&*self.path) else {
            return false;
        };
        self.path.is_empty()
            || self.path.ends_with(b"/")
            || rest
                .first()
                .is_none_or(|byte| matches!(byte, b'/' | b'?' | b'#'))
    }
}
