//! `envoy.filters.listener.http_inspector`: tells HTTP/1.0, HTTP/1.1 and HTTP/2 from anything else, by which filter
//! chains are chosen then (`application_protocols`: `http/1.0`, `http/1.1`, `h2c`).
//!
//! Looks for the preface of HTTP/2, or for a request line, whose version is HTTP/1.0 if it is none of HTTP/1.1; limit:
//! 64 KiB of a line that does not end, which then is no HTTP. Where another filter found TLS nothing is looked at. Trust: the client's bytes choose. Envoy's documentation:
//! listener filters, HTTP Inspector.

mod filter;

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::registry::ListenerFilterRoom;

message! {
    /// It has no fields.
    struct HttpInspector: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" {}
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.http_inspector",
    message: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    parse: |any, ctx| {
        any.decode::<HttpInspector>(ctx)?;
        Ok(Arc::new(filter::Config))
    },
    support: |table| HttpInspector::support(table),
};
