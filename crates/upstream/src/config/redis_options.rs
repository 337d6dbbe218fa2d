//! `envoy.filters.network.redis_proxy` among a cluster's protocol options: how its hosts are told who asks them.
//!
//! Left out, and so refused: `credentials` of hosts, `aws_iam` and `protocol_version`.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::data_source::DataSource;

use crate::cluster::RedisCredentials;

/// The key of the options.
pub(super) const KEY: &str = "envoy.filters.network.redis_proxy";
const MAX_BYTES: usize = 1 << 20;

message! {
    /// The options.
    pub(crate) struct RedisProtocolOptions: "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions" {
        auth_password: Option<DataSource>,
        auth_username: Option<DataSource>,
    }
}

/// The credentials in it, if there are some.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Option<Box<RedisCredentials>>, Refused> {
    let message: RedisProtocolOptions = any.decode(ctx)?;
    let mut bytes = |source: &Option<DataSource>| match source {
        Some(source) => source.read(MAX_BYTES, ctx),
        None => Ok(Vec::new()),
    };
    let credentials = RedisCredentials {
        username: bytes(&message.auth_username)?,
        password: bytes(&message.auth_password)?,
    };
    let is_empty = credentials.username.is_empty() && credentials.password.is_empty();
    Ok((!is_empty).then(|| Box::new(credentials)))
}
