//! `envoy.filters.listener.tls_inspector`: tells TLS from anything else, and reads the server name (SNI) and the
//! protocols (ALPN) that a client asks for, by which filter chains are chosen then. Nothing is decrypted or taken away.
//!
//! Limits: a ClientHello of 16 KiB, or of what `max_client_hello_size` says; a larger one closes the connection. What
//! is cut short or contradicts itself is no TLS. Trust: the name is what the client says. Envoy's documentation:
//! listener filters, TLS Inspector.

mod filter;
mod fingerprint;
mod hello;
mod md5;
mod not_tls;

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::listener_filter::ListenerFilterConfig;
use nuncio_contract::registry::ListenerFilterRoom;

const DEFAULT_MOST_BYTES: u32 = 16 * 1024;

message! {
    /// The filter's config.
    struct TlsInspector: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" {
        inert initial_read_buffer_size = "what has come is looked at as it comes",
        close_connection_on_client_hello_parsing_errors: bool,
        max_client_hello_size: Option<u32>,
        enable_ja3_fingerprinting: Option<bool>,
        enable_ja4_fingerprinting: Option<bool>,
    }
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.tls_inspector",
    message: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    parse,
    support: |table| TlsInspector::support(table),
};

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ListenerFilterConfig>, Refused> {
    let message: TlsInspector = any.decode(ctx)?;
    let most_bytes = message.max_client_hello_size.unwrap_or(DEFAULT_MOST_BYTES);
    Ok(Arc::new(filter::Config {
        most_bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX),
        makes_ja3: message.enable_ja3_fingerprinting == Some(true),
        makes_ja4: message.enable_ja4_fingerprinting == Some(true),
        closes_on_errors: message.close_connection_on_client_hello_parsing_errors,
    }))
}
