//! `envoy.filters.http.decompressor`: decompresses the bodies of requests and responses that come in gzip, brotli or
//! zstd, and tells hosts that it can.
//!
//! What was decompressed ends with trailers that tell the bytes before and after. Limits: those of `compression`; of a
//! body that is broken or swells too much the rest is dropped and counted, as in Envoy, so that who reads it must look
//! at what it is. Trust: bodies of anybody are safe to decompress. Differs from Envoy: the trailers of each decompressor
//! have its own name (there all have the name of the first). Envoy's documentation: HTTP filters, Decompressor.

mod body;
mod config;
mod filter;
mod headers;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

use crate::compression::DecompressorLibrary;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.decompressor",
    message: "envoy.extensions.filters.http.decompressor.v3.Decompressor",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::Decompressor::support(table);
        DecompressorLibrary::support(table);
    },
};
