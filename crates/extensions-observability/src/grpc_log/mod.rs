//! `envoy.access_loggers.http_grpc` and `tcp_grpc`: entries told to a service of access logs over a stream of gRPC.
//!
//! A worker has one stream for all logs of one configuration, begun with the first entries; who tells is said in its
//! first message. Defaults are Envoy's: entries leave after 1 s, or once they come to 16 KiB. Limits: a stream takes no
//! more while 1 MiB waits to be sent; entries are then kept up to the size of the buffer, and those beyond are dropped and
//! counted. Trust: the service is told what clients send; what it answers is passed over.
//!
//! Differs from Envoy: the interval begins with the first entry that waits, so that nothing happens while there is
//! none; objects of filter state are told where they are texts; entries of connections are bounded as those of requests are.
//! Documentation: gRPC Access Log Service (ALS).

mod certificates;
mod common;
mod config;
mod entry;
mod flags;
pub(crate) mod messages;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use messages::ApiVersion;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::AccessLogRoom;

/// Of requests.
pub static HTTP_ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.http_grpc",
    message: "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    parse: config::parse_http,
    support: messages::HttpGrpcAccessLog::support,
};

/// Of connections.
pub static TCP_ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.tcp_grpc",
    message: "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
    parse: config::parse_tcp,
    support: messages::TcpGrpcAccessLog::support,
};
