//! `tunneling_config`, compiled once and shared by the workers.

use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::formatter::Format;
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_upstream::retry::BackOff;

use crate::proxy::filters::{BufferLimits, TunnelBuffer};

const DEFAULT_ATTEMPTS: u32 = 1;

message! {
    /// How sessions go through HTTP.
    pub(in crate::proxy) struct TunnelingConfig: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig" {
        proxy_host: Spanned<String>,
        proxy_port: Option<Spanned<u32>>,
        target_host: Spanned<String>,
        default_target_port: u32,
        use_post: bool,
        post_path: Spanned<String>,
        retry_options: Option<RetryOptions>,
        headers_to_add: Vec<HeaderValueOption>,
        buffer_options: Option<TunnelBuffer>,
        propagate_response_headers: bool,
        propagate_response_trailers: bool,
    }
}

message! {
    /// How often a host is asked for a tunnel.
    pub(in crate::proxy) struct RetryOptions: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.RetryOptions" {
        max_connect_attempts: Option<u32>,
        backoff_options: Option<Backoff>,
    }
}

message! {
    /// How long lies between two attempts.
    pub(in crate::proxy) struct Backoff: "envoy.config.core.v3.BackoffStrategy" {
        base_interval: Duration,
        max_interval: Option<Spanned<Duration>>,
    }
}

/// The same, compiled.
pub(in crate::proxy) struct Tunnel {
    pub(super) proxy_host: Format,
    pub(super) proxy_port: Option<u16>,
    pub(super) target_host: Format,
    pub(super) target_port: u32,
    /// The path of a POST; none for CONNECT-UDP.
    pub(super) post_path: Option<Box<str>>,
    pub(super) headers: HeaderMutations,
    pub(super) most_attempts: u32,
    pub(super) backoff: Option<BackOff>,
    pub(in crate::proxy) buffer: Option<BufferLimits>,
    pub(super) keeps_headers: bool,
    pub(super) keeps_trailers: bool,
}

impl Tunnel {
    pub(in crate::proxy) fn compile(
        message: &TunnelingConfig,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let post_path = post_path(message, ctx);
        let proxy_host = format(&message.proxy_host, ctx);
        let target_host = format(&message.target_host, ctx);
        let proxy_port = message.proxy_port.as_ref().map(|port| {
            let known = u16::try_from(port.value).ok().filter(|port| *port > 0);
            known.ok_or_else(|| mistake(port.span, "Port value not in range", ctx))
        });
        let headers = HeaderMutations::compile(&message.headers_to_add, &[], ctx);
        let retry = message.retry_options.as_ref();
        let backoff = retry
            .and_then(|retry| retry.backoff_options.as_ref())
            .map(|backoff| pauses(backoff, ctx));
        Ok(Tunnel {
            proxy_host: proxy_host?,
            proxy_port: proxy_port.transpose()?,
            target_host: target_host?,
            target_port: message.default_target_port,
            post_path: post_path?,
            headers: headers?,
            most_attempts: retry
                .and_then(|retry| retry.max_connect_attempts)
                .unwrap_or(DEFAULT_ATTEMPTS),
            backoff: backoff.transpose()?,
            buffer: message.buffer_options.as_ref().map(TunnelBuffer::limits),
            keeps_headers: message.propagate_response_headers,
            keeps_trailers: message.propagate_response_trailers,
        })
    }
}

fn mistake(span: nuncio_config::span::Span, text: &str, ctx: &mut Ctx) -> Refused {
    ctx.error(span, text.to_owned());
    Refused
}

fn format(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Format, Refused> {
    Format::compile(&text.value).map_err(|error| mistake(text.span, &error.to_string(), ctx))
}

fn post_path(message: &TunnelingConfig, ctx: &mut Ctx) -> Result<Option<Box<str>>, Refused> {
    let path = &message.post_path;
    match (message.use_post, path.value.as_str()) {
        (false, "") => Ok(None),
        (true, "") => Ok(Some("/".into())),
        (false, _) => {
            let text = "Can't set a post path when POST method isn't used";
            Err(mistake(path.span, text, ctx))
        }
        (true, text) if text.starts_with('/') => Ok(Some(text.into())),
        (true, _) => Err(mistake(path.span, "Path must start with '/'", ctx)),
    }
}

fn pauses(backoff: &Backoff, ctx: &mut Ctx) -> Result<BackOff, Refused> {
    let base = backoff.base_interval;
    match &backoff.max_interval {
        Some(most) if most.value < base => {
            let text = "max_backoff_interval must be greater or equal to base_backoff_interval";
            Err(mistake(most.span, text, ctx))
        }
        most => Ok(BackOff::new(base, most.as_ref().map(|most| most.value))),
    }
}
