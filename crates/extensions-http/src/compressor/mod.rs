//! `envoy.filters.http.compressor`: compresses the bodies of responses for clients that accept it, and those of requests
//! where that is configured, with gzip, brotli or zstd.
//!
//! Of several compressors in a chain one is chosen for the whole stream. Limits: what a compressor keeps is up to its
//! windows and memory level (gzip 256 KiB, brotli and zstd some MiB at high levels); nothing is held back beyond that.
//! Trust: `accept-encoding` chooses only among what is configured. Differs from Envoy: a route's own library is used as
//! well where `status_header_enabled` is set. Envoy's documentation: HTTP filters, Compressor.

mod body;
mod config;
mod filter;
mod headers;
mod negotiation;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

use crate::compression::CompressorLibrary;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.compressor",
    message: "envoy.extensions.filters.http.compressor.v3.Compressor",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::Compressor::support(table);
        config::CompressorPerRoute::support(table);
        CompressorLibrary::support(table);
    },
};
