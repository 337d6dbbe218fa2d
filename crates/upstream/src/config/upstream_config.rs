//! `upstream_config` of clusters: what becomes of a request towards a host. The generic kinds, which do what is done
//! without it, are taken; those for HTTP too where the TCP proxy uses the cluster, whose connections Envoy ends then.
//! Not supported: all that do something else.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

const HTTP: &str = "envoy.extensions.upstreams.http.generic.v3.GenericConnectionPoolProto";
const TCP: &str = "envoy.extensions.upstreams.tcp.generic.v3.GenericConnectionPoolProto";

message! {
    /// The kind.
    pub(crate) struct UpstreamConfig: "envoy.config.core.v3.TypedExtensionConfig" {
        typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// The generic kind for HTTP.
    pub(crate) struct GenericHttpPool: "envoy.extensions.upstreams.http.generic.v3.GenericConnectionPoolProto" {}
}

message! {
    /// The generic kind for TCP.
    pub(crate) struct GenericTcpPool: "envoy.extensions.upstreams.tcp.generic.v3.GenericConnectionPoolProto" {}
}

/// Refuses what does something else than what is done without it.
pub(super) fn check(config: Option<&UpstreamConfig>, ctx: &mut Ctx) -> Result<(), Refused> {
    let Some(any) = config.map(|config| &config.typed_config) else {
        return Ok(());
    };
    match any.type_name() {
        HTTP => any.decode::<GenericHttpPool>(ctx).map(|_| ()),
        TCP => any.decode::<GenericTcpPool>(ctx).map(|_| ()),
        other => Err(ctx.unsupported_here(any.span, format_args!("the upstream `{other}`"))),
    }
}
