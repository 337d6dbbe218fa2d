//! HTTP filters, one room each. A room is a folder with the same files everywhere: `mod.rs` says what it is,
//! its limits and its trust; `config.rs` parses its messages once; `filter.rs` is what it does; `tests.rs`.
//! A new room is its folder and one line in [`ROOMS`]; what changes requests before they are routed is in
//! [`EARLY_HEADER_MUTATIONS`].
#![forbid(unsafe_code)]

use nuncio_contract::cluster_specifier::ClusterSpecifierRoom;
use nuncio_contract::early_header_mutation::EarlyHeaderMutationRoom;
use nuncio_contract::registry::HttpFilterRoom;

pub mod adaptive_concurrency;
pub mod admission_control;
pub mod alternate_protocols_cache;
pub mod api_key_auth;
mod aws;
pub mod aws_lambda;
pub mod aws_request_signing;
pub mod bandwidth_limit;
pub mod basic_auth;
pub mod body_size_limit;
pub mod buffer;
pub mod cache;
pub mod cache_v2;
mod caching;
pub mod cdn_loop;
pub mod cluster_matcher;
mod cluster_verdicts;
pub mod composite;
mod compression;
pub mod compressor;
pub mod cors;
pub mod credential_injector;
pub mod csrf;
pub mod custom_response;
pub mod decompressor;
mod delegation;
pub mod dynamic_forward_proxy;
pub mod early_header_mutation;
mod escape;
pub mod ext_authz;
pub mod ext_proc;
pub mod fault;
pub mod gcp_authn;
pub mod geoip;
mod grpc;
pub mod grpc_http1_bridge;
pub mod grpc_http1_reverse_bridge;
pub mod grpc_json_transcoder;
pub mod grpc_stats;
pub mod grpc_web;
pub mod header_mutation;
pub mod header_to_metadata;
pub mod health_check;
pub mod ip_tagging;
mod json_rules;
pub mod json_to_metadata;
pub mod jwt_authn;
mod level_stats;
pub mod local_ratelimit;
pub mod lua;
pub mod match_delegate;
mod mutation_rules;
pub mod oauth2;
pub mod on_demand;
pub mod original_src;
mod pacing;
pub mod priority_group;
mod query;
pub mod rate_limit_quota;
pub mod ratelimit;
pub mod rbac;
pub mod set_filter_state;
pub mod set_metadata;
pub mod sse_to_metadata;
pub mod stateful_session;
pub mod tap;
#[cfg(test)]
mod tests;
mod unusable;

/// Every room of the family.
pub static ROOMS: &[&HttpFilterRoom] = &[
    &adaptive_concurrency::ROOM,
    &admission_control::ROOM,
    &alternate_protocols_cache::ROOM,
    &api_key_auth::ROOM,
    &aws_lambda::ROOM,
    &aws_request_signing::ROOM,
    &basic_auth::ROOM,
    &bandwidth_limit::ROOM,
    &body_size_limit::ROOM,
    &buffer::ROOM,
    &cache::ROOM,
    &cache_v2::ROOM,
    &cdn_loop::ROOM,
    &composite::ROOM,
    &compressor::ROOM,
    &cors::ROOM,
    &credential_injector::ROOM,
    &csrf::ROOM,
    &custom_response::ROOM,
    &decompressor::ROOM,
    &dynamic_forward_proxy::ROOM,
    &ext_authz::ROOM,
    &ext_proc::ROOM,
    &fault::ROOM,
    &gcp_authn::ROOM,
    &geoip::ROOM,
    &grpc_http1_bridge::ROOM,
    &grpc_http1_reverse_bridge::ROOM,
    &grpc_json_transcoder::ROOM,
    &grpc_stats::ROOM,
    &grpc_web::ROOM,
    &header_mutation::ROOM,
    &header_to_metadata::ROOM,
    &health_check::ROOM,
    &ip_tagging::ROOM,
    &json_to_metadata::ROOM,
    &jwt_authn::ROOM,
    &local_ratelimit::ROOM,
    &lua::ROOM,
    &match_delegate::ROOM,
    &oauth2::ROOM,
    &on_demand::ROOM,
    &original_src::ROOM,
    &rate_limit_quota::ROOM,
    &ratelimit::ROOM,
    &rbac::ROOM,
    &set_filter_state::ROOM,
    &set_metadata::ROOM,
    &sse_to_metadata::ROOM,
    &stateful_session::ROOM,
    &tap::ROOM,
];

/// Every early header mutation of the family.
pub static EARLY_HEADER_MUTATIONS: &[&EarlyHeaderMutationRoom] = &[&early_header_mutation::ROOM];

/// Every cluster specifier of the family.
pub static CLUSTER_SPECIFIERS: &[&ClusterSpecifierRoom] = &[
    &cluster_matcher::ROOM,
    &lua::cluster_specifier::ROOM,
    &priority_group::ROOM,
];
