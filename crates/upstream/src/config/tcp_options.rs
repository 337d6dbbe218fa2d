//! `envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions` among a cluster's protocol options: how long connections to its
//! hosts may be idle that carry no HTTP (10 minutes; 0: for ever).

use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

/// The key of the options.
pub(super) const KEY: &str = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions";

message! {
    /// The options.
    pub(crate) struct TcpProtocolOptions: "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions" {
        idle_timeout: Option<Duration>,
    }
}

/// The time in it, over what it is without.
pub(super) fn read(
    any: &Any,
    default: Option<Duration>,
    ctx: &mut Ctx,
) -> Result<Option<Duration>, Refused> {
    let message: TcpProtocolOptions = any.decode(ctx)?;
    Ok(match message.idle_timeout {
        Some(timeout) => (!timeout.is_zero()).then_some(timeout),
        None => default,
    })
}
