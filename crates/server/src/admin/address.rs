//! How addresses are shown.

use std::net::IpAddr;

use super::json::Json;
use super::state::Address;

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket {
                ip: IpAddr::V4(ip),
                port,
            } => write!(formatter, "{ip}:{port}"),
            Self::Socket {
                ip: IpAddr::V6(ip),
                port,
            } => write!(formatter, "[{ip}]:{port}"),
            Self::Pipe { path } => formatter.write_str(path),
            Self::Internal {
                listener,
                endpoint_id,
            } => write!(formatter, "envoy://{listener}/{endpoint_id}"),
        }
    }
}

impl Address {
    /// Message `envoy.config.core.v3.Address` in JSON.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Socket { ip, port } => {
                let socket = Json::object()
                    .with("address", ip.to_string())
                    .with("port_value", u32::from(*port));
                Json::object().with("socket_address", socket)
            }
            Self::Pipe { path } => {
                Json::object().with("pipe", Json::object().with("path", path.as_str()))
            }
            Self::Internal {
                listener,
                endpoint_id,
            } => {
                let internal = Json::object()
                    .with("server_listener_name", listener.as_str())
                    .with_if(!endpoint_id.is_empty(), "endpoint_id", endpoint_id.as_str());
                Json::object().with("envoy_internal_address", internal)
            }
        }
    }
}
