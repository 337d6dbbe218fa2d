//! `envoy.filters.network.redis_proxy` among a cluster's protocol options: how its hosts are told who asks them.
//!
//! Left out, and so refused: `aws_iam`, `protocol_version`, and `credentials` of hosts that are not at IP addresses.

use std::net::SocketAddr;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::data_source::DataSource;

use super::endpoints::{Address, AddressKind, PortSpecifier};
use crate::cluster::{RedisCredentials, RedisOptions};

/// The key of the options.
pub(super) const KEY: &str = "envoy.filters.network.redis_proxy";
const MAX_BYTES: usize = 1 << 20;

message! {
    /// The options.
    pub(crate) struct RedisProtocolOptions: "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions" {
        auth_password: Option<DataSource>,
        auth_username: Option<DataSource>,
        credentials: Vec<Credential>,
    }
}

message! {
    /// Those of one host.
    struct Credential: "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions.Credential" {
        address: Option<Address>,
        auth_password: Option<DataSource>,
        auth_username: Option<DataSource>,
    }
}

/// The credentials in it, if there are some.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Option<Box<RedisOptions>>, Refused> {
    let message: RedisProtocolOptions = any.decode(ctx)?;
    let mut options = RedisOptions {
        default: credentials(&message.auth_username, &message.auth_password, ctx)?,
        ..RedisOptions::default()
    };
    for own in &message.credentials {
        let Some(address) = address(own, ctx)? else {
            continue;
        };
        let credentials = credentials(&own.auth_username, &own.auth_password, ctx)?;
        // As in Envoy the first for a host counts.
        options.of_hosts.entry(address).or_insert(credentials);
    }
    let is_empty = options.default.is_none() && options.of_hosts.is_empty();
    Ok((!is_empty).then(|| Box::new(options)))
}

fn address(own: &Credential, ctx: &mut Ctx) -> Result<Option<SocketAddr>, Refused> {
    let Some(address) = &own.address else {
        ctx.warning(own.span(), "these are never used: they have no address");
        return Ok(None);
    };
    let AddressKind::SocketAddress(address) = &address.address;
    let PortSpecifier::Value(port) = address.port_specifier;
    let Ok(ip) = address.ip() else {
        let what = format!(
            "credentials of `{}`, which is no IP address",
            address.address.value
        );
        return Err(ctx.unsupported_here(address.address.span, what));
    };
    Ok(Some(SocketAddr::new(
        ip,
        u16::try_from(port).unwrap_or(u16::MAX),
    )))
}

fn credentials(
    username: &Option<DataSource>,
    password: &Option<DataSource>,
    ctx: &mut Ctx,
) -> Result<Option<RedisCredentials>, Refused> {
    let mut bytes = |source: &Option<DataSource>| match source {
        Some(source) => source.read(MAX_BYTES, ctx),
        None => Ok(Vec::new()),
    };
    let credentials = RedisCredentials {
        username: bytes(username)?,
        password: bytes(password)?,
    };
    let is_empty = credentials.username.is_empty() && credentials.password.is_empty();
    Ok((!is_empty).then_some(credentials))
}
