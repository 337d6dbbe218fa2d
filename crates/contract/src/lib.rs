//! What the engine and the extensions share, and nothing else: both sides are siblings that meet here, so
//! that an edit of one never rebuilds the other.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod buffer;
pub mod calls;
pub mod clock;
pub mod config_source;
pub mod cookies;
pub mod cors;
pub mod data_source;
pub mod discovered;
pub mod dns_resolver;
pub mod early_header_mutation;
pub mod error;
pub mod formatter;
pub mod forward_proxy;
pub mod grpc;
pub mod grpc_client;
pub mod hash;
pub mod hash_policy;
pub mod header_mutation;
pub mod headers;
pub mod http_filter;
pub mod http_filter_message;
pub mod http_status;
pub mod level_config;
pub mod listener_filter;
pub mod local_reply;
pub mod match_tree;
pub mod matching;
pub mod metadata_message;
pub mod network_filter;
pub mod overload;
pub mod rate_limit;
pub mod rbac;
pub mod registry;
pub mod services;
pub mod stats;
pub mod stream_info;
pub mod support;
pub mod token_bucket;
pub mod upstream_filters;
pub mod url;
