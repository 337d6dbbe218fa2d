//! `tunneling_config`: the connection's bytes go through HTTP, as the body of a CONNECT or a POST to a host that is
//! itself a proxy.
//!
//! The client is read once the host has agreed: with any 2xx over HTTP/1, with 200 over HTTP/2, and without an end of
//! its response at once. Any other answer is an attempt that failed. How long the host may take for it is limited by
//! the idle timeout alone, as in Envoy. HTTP/1 has no half of a CONNECT: the first side that ends, ends both.
//!
//! The headers and trailers of the answer are kept on request, in the filter state, where the access log finds them.
//! Each attempt has a request id of its own where `request_id_extension` asks for one (`tunnel_id.rs`).

use std::cell::RefCell;
use std::future::poll_fn;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::formatter::{Format, FormatContext, FormatterExtension};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::kept_headers::KeptHeaders;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{Protocol, ResponseFlags, StreamInfo};
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, UpstreamStream};

use super::tunnel_bytes::add_attempt;
use super::tunnel_id::{RequestId, RequestIdExtension};

/// Where the headers of the host's answer are kept.
const RESPONSE_HEADERS: &str = "envoy.tcp_proxy.propagate_response_headers";
/// Where its trailers are kept.
const RESPONSE_TRAILERS: &str = "envoy.tcp_proxy.propagate_response_trailers";
/// What a filter leaves behind to have a connection go to its host as it is.
const DISABLED: &str = "envoy.tcp_proxy.disable_tunneling";

message! {
    /// How connections go through HTTP.
    pub(super) struct TunnelingConfig: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig" {
        hostname: Spanned<String>,
        use_post: bool,
        headers_to_add: Vec<HeaderValueOption>,
        propagate_response_headers: bool,
        post_path: Spanned<String>,
        propagate_response_trailers: bool,
        request_id_extension: Option<RequestIdExtension>,
        request_id_header: Spanned<String>,
        request_id_metadata_key: String,
        formatters: Vec<FormatterExtension>,
    }
}

/// The same, compiled.
pub(super) struct Tunnel {
    host: Format,
    /// The path of a POST; none for CONNECT.
    post_path: Option<Box<str>>,
    headers: HeaderMutations,
    keeps_headers: bool,
    keeps_trailers: bool,
    request_id: Option<RequestId>,
}

impl Tunnel {
    pub(super) fn compile(message: &TunnelingConfig, ctx: &mut Ctx) -> Result<Self, Refused> {
        let post_path = match (message.use_post, message.post_path.value.as_str()) {
            (false, "") => None,
            (true, "") => Some("/".into()),
            (true, path) => Some(path.into()),
            (false, _) => {
                let text = "Can't set a post path when POST method isn't used";
                ctx.error(message.post_path.span, text);
                return Err(Refused);
            }
        };
        let host = Format::compile(&message.hostname.value).map_err(|error| {
            ctx.error(message.hostname.span, error.to_string());
            Refused
        });
        let (add, formatters) = (&message.headers_to_add, &message.formatters);
        let headers = HeaderMutations::compile_extended(add, &[], formatters, ctx);
        let request_id = RequestId::compile(
            message.request_id_extension.as_ref(),
            &message.request_id_header,
            &message.request_id_metadata_key,
            ctx,
        );
        Ok(Tunnel {
            host: host?,
            post_path,
            headers: headers?,
            keeps_headers: message.propagate_response_headers,
            keeps_trailers: message.propagate_response_trailers,
            request_id: request_id?,
        })
    }

    /// Whether this connection goes through it.
    pub(super) fn is_for(&self, info: &StreamInfo) -> bool {
        let disabled = info
            .object(DISABLED)
            .and_then(|it| it.serialize_as_string());
        disabled.as_deref() != Some("true")
    }

    /// Asks the host for the tunnel, and waits until it agrees.
    ///
    /// # Errors
    /// It does not.
    pub(super) async fn open(
        &self,
        up: &mut UpstreamStream,
        info: &RefCell<StreamInfo>,
        services: &dyn WorkerServices,
    ) -> Result<(), UpstreamError> {
        let request_id = self.request_id.as_ref();
        let id = request_id.map(|own| own.make(&mut info.borrow_mut(), services));
        let id = request_id.zip(id.as_deref());
        let request = self.request(up, &info.borrow(), id, services);
        let mut asking = Asking {
            up,
            info,
            outcome: Outcome::Unknown,
        };
        let up = &mut *asking.up;
        up.write_head(&request, false);
        let mut response = HeaderMap::response();
        let status = loop {
            let head = poll_fn(|cx| {
                let _reading_tells_what_becomes_of_it = up.poll_flush(cx);
                up.poll_read_head(cx, &mut response)
            })
            .await?;
            if !head.is_informational() {
                break head.status;
            }
        };
        if self.keeps_headers {
            keep(RESPONSE_HEADERS, &response, &mut info.borrow_mut());
        }
        asking.outcome = match agrees(status, up) {
            true => Outcome::Agreed,
            false => Outcome::Refused,
        };
        if asking.outcome == Outcome::Agreed {
            return Ok(());
        }
        Err(UpstreamError {
            transport_failure_reason: Some(format!("tunnel_response:{status}").into()),
            ..UpstreamError::new(UpstreamErrorKind::RemoteReset)
        })
    }

    fn request(
        &self,
        up: &UpstreamStream,
        info: &StreamInfo,
        id: Option<(&RequestId, &str)>,
        services: &dyn WorkerServices,
    ) -> HeaderMap {
        let context = FormatContext::new(info, services);
        let mut host = Vec::new();
        self.host.format(&context, &mut host);
        let mut request = HeaderMap::request();
        let method: &[u8] = match self.post_path {
            Some(_) => b"POST",
            None => b"CONNECT",
        };
        request.set(Known::Method, method);
        request.set(Known::Authority, &host);
        if let Some(path) = &self.post_path {
            request.set(Known::Path, path.as_bytes());
            if up.protocol() == Some(Protocol::Http2) {
                let scheme: &[u8] = match up.tls() {
                    Some(_) => b"https",
                    None => b"http",
                };
                request.set(Known::Scheme, scheme);
            }
        }
        if let Some((own, id)) = id {
            request.append(&own.header, id.as_bytes());
        }
        let added = self.headers.evaluate(&request, &context);
        added.apply(&mut request);
        request
    }

    /// Whether the end of one side is that of both.
    pub(super) fn ends_together(&self, up: &UpstreamStream) -> bool {
        self.post_path.is_none() && up.protocol() == Some(Protocol::Http11)
    }

    /// Keeps the trailers of the host's answer, if they are wanted.
    pub(super) fn keep_trailers(&self, trailers: &HeaderMap, info: &mut StreamInfo) {
        if self.keeps_trailers {
            keep(RESPONSE_TRAILERS, trailers, info);
        }
    }
}

/// A host that is asked for a tunnel. If none comes of it, what it has taken counts as one of the attempts before.
struct Asking<'a> {
    up: &'a mut UpstreamStream,
    info: &'a RefCell<StreamInfo>,
    outcome: Outcome,
}

/// What the host has answered.
#[derive(PartialEq, Eq)]
enum Outcome {
    Unknown,
    Refused,
    Agreed,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.outcome != Outcome::Agreed {
            let is_refused = self.outcome == Outcome::Refused;
            let info = &mut *self.info.borrow_mut();
            add_attempt(self.up, is_refused, &mut info.upstream.bytes);
            // Also if it is this side that waits no longer.
            info.add_flags(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        }
    }
}

/// Whether an answer makes a tunnel.
fn agrees(status: u16, up: &UpstreamStream) -> bool {
    let is_success = match up.protocol() {
        Some(Protocol::Http2) => status == 200,
        _ => (200..300).contains(&status),
    };
    is_success && !up.is_response_complete()
}

fn keep(name: &str, headers: &HeaderMap, info: &mut StreamInfo) {
    let kept = Box::new(KeptHeaders::of(headers));
    info.filter_state_mut().set(name, kept);
}
