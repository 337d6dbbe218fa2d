//! What the connection manager does to every response on its way down.

use nuncio_contract::headers::{HeaderMap, Known, KnownSet};
use nuncio_contract::stream_info::StreamInfo;

use super::config::ConnectionManagerConfig;
use super::request::{append_via, is_upgrade};
use crate::config::connection_manager::ServerHeaderTransformation;

static HOP_BY_HOP: KnownSet = KnownSet::of(&[
    Known::TransferEncoding,
    Known::KeepAlive,
    Known::ProxyConnection,
]);

/// Date, server, hop-by-hop headers, request id, via; in Envoy's order. `date` is an HTTP date of now.
pub fn mutate(
    response: &mut HeaderMap,
    request: &HeaderMap,
    info: &StreamInfo,
    config: &ConnectionManagerConfig,
    date: &[u8],
) {
    if !response.contains(Known::Date) {
        response.set(Known::Date, date);
    }
    let set_server = match config.response.server {
        ServerHeaderTransformation::Overwrite => true,
        ServerHeaderTransformation::AppendIfAbsent => !response.contains(Known::Server),
        ServerHeaderTransformation::PassThrough => false,
    };
    if set_server {
        response.set(Known::Server, config.response.server_name.as_bytes());
    }
    mutate_informational(response, request, config);
    response.remove_all(&HOP_BY_HOP);
    append_via(response, &config.request.via);
    if let Some(proxy_status) = &config.response.proxy_status {
        proxy_status.tell(response, info);
    }
}

/// What of it is done to heads of 1xx as well.
pub fn mutate_informational(
    response: &mut HeaderMap,
    request: &HeaderMap,
    config: &ConnectionManagerConfig,
) {
    if !(is_upgrade(request) && is_upgrade(response)) {
        response.remove(Known::Connection);
        response.remove(Known::Upgrade);
    }
    let shows_id =
        config.response.always_set_request_id || request.contains(Known::XEnvoyForceTrace);
    if shows_id && let Some(id) = request.get(Known::XRequestId) {
        response.set(Known::XRequestId, id);
    }
}
