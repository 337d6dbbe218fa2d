//! `envoy.filters.network.direct_response`: answers each connection with the same bytes and closes it.
//!
//! What the client sends is not looked at. Limit: a response from a file has at most 64 MiB. The log shows
//! `direct_response` as the details, as Envoy's. Envoy's documentation: network filters, Direct response.

mod filter;

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::registry::NetworkFilterRoom;

/// The largest response that is read from a file.
const MOST_BYTES: usize = 64 << 20;

message! {
    /// The filter's config.
    struct Config: "envoy.extensions.filters.network.direct_response.v3.Config" {
        response: Option<DataSource>,
    }
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.direct_response",
    message: "envoy.extensions.filters.network.direct_response.v3.Config",
    parse,
    support: |table| Config::support(table),
};

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let config: Config = any.decode(ctx)?;
    let bytes = match &config.response {
        Some(source) => source.read(MOST_BYTES, ctx)?,
        None => Vec::new(),
    };
    Ok(Arc::new(filter::Answering(bytes.into())))
}
