//! Request ids of tunnels: a UUID in a header of the request (`x-request-id` by default), kept in the metadata of the
//! connection (`tunnel_request_id` of `envoy.filters.network.tcp_proxy` by default) for the access log.
//!
//! `headers_to_add` comes behind it. Envoy's UUIDs are the only extension; what it says of tracing has no meaning here.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::services::{WorkerServices, stream_id};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Value;

const NAMESPACE: &str = super::NAME;
const DEFAULT_KEY: &str = "tunnel_request_id";
const DEFAULT_HEADER: &str = "x-request-id";

message! {
    /// How request ids are made.
    pub(super) struct RequestIdExtension:
        "envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension" {
        typed_config: Option<Any>,
    }
}

message! {
    /// As UUIDs.
    pub(super) struct UuidRequestId: "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig" {
        inert pack_trace_reason = "tunnels are not traced",
        inert use_request_id_for_trace_sampling = "tunnels are not traced",
    }
}

/// Where an id goes.
pub(super) struct RequestId {
    pub(super) header: HeaderName,
    key: Box<str>,
}

impl RequestId {
    /// None without an extension: the other fields do nothing then, as in Envoy.
    pub(super) fn compile(
        extension: Option<&RequestIdExtension>,
        header: &Spanned<String>,
        key: &str,

        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let Some(any) = extension.and_then(|extension| extension.typed_config.as_ref()) else {
            return Ok(None);
        };
        if any.type_name() != "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig" {
            let what = format!("the request id extension {}", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        any.decode::<UuidRequestId>(ctx)?;
        let or = |own: &str, default: &str| if own.is_empty() { default } else { own }.to_owned();
        let name = or(&header.value, DEFAULT_HEADER);
        let Ok(name) = HeaderName::parse(&name) else {
            let text = format!("`{name}` is no name of a header");
            ctx.error(header.span, text);
            return Err(Refused);
        };
        let key = or(key, DEFAULT_KEY).into();
        Ok(Some(RequestId { header: name, key }))
    }

    /// A new id, kept in the metadata of the connection.
    pub(super) fn make(&self, info: &mut StreamInfo, services: &dyn WorkerServices) -> Box<str> {
        let id = stream_id(services);
        let entry = [(&*self.key, Value::String(id.clone()))];
        let metadata = info.dynamic_metadata_mut();
        metadata.merge(NAMESPACE, entry.into_iter().collect());
        id
    }
}
