//! The messages of the external authorization filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::matching::{CompiledMetadataMatcher, MetadataMatcher};
use nuncio_contract::network_filter::NetworkFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct ExtAuthz: "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz" {
        stat_prefix: String,
        grpc_service: Option<GrpcServiceMessage>,
        failure_mode_allow: bool,
        include_peer_certificate: bool,
        checked transport_api_version: ApiVersion = "there is one version, which AUTO means as well",
        filter_enabled_metadata: Option<MetadataMatcher>,
        include_tls_session: bool,
    }
}

enumeration! {
    /// The version of the service.
    pub(super) enum ApiVersion: "envoy.config.core.v3.ApiVersion" {
        AUTO => Auto,
        V3 => V3,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    /// Nobody to ask is an error each time.
    pub(super) service: Option<GrpcTarget>,
    pub(super) passes_on_error: bool,
    pub(super) tells_certificate: bool,
    pub(super) tells_tls_session: bool,
    pub(super) enabled: Option<CompiledMetadataMatcher>,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: ExtAuthz = any.decode(ctx)?;
    let service = message.grpc_service.as_ref();
    let service = service.map(|service| service.compile(ctx)).transpose();
    let enabled = message.filter_enabled_metadata.as_ref();
    let enabled = enabled.map(|matcher| CompiledMetadataMatcher::compile(matcher, ctx));
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        service: service?,
        passes_on_error: message.failure_mode_allow,
        tells_certificate: message.include_peer_certificate,
        tells_tls_session: message.include_tls_session,
        enabled: enabled.transpose()?,
    }))))
}
