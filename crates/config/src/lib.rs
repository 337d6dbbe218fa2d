//! Configuration: from text with spans, to a message tree, to validated, to typed values.
//!
//! ```text
//! source  -> text       YAML or JSON to nodes with spans
//!         -> upgrade    v2 to v3
//!         -> interpret  nodes to the message tree, over the API's descriptors
//!         -> typed      messages to the values that rooms work with
//! ```
//! Errors never stop a step early: they are collected as [`diagnostic::Diagnostics`].
//!
//! How a room declares what it honours of a message, and reads it:
//! ```
//! use nuncio_config::{enumeration, message, one_of, typed::{Ctx, Spanned, decode}};
//! use std::time::Duration;
//!
//! message! {
//!     /// A cluster, as far as this room cares.
//!     pub struct Cluster: "envoy.config.cluster.v3.Cluster" {
//!         pub(crate) name: Spanned<String>,
//!         pub(crate) connect_timeout: Option<Duration>,
//!         pub(crate) per_connection_buffer_limit_bytes: Option<u32>,
//!         pub(crate) oneof cluster_discovery_type: Option<DiscoveryType>,
//!         inert alt_stat_name = "no statistics here",
//!     }
//! }
//! one_of! { pub enum DiscoveryType { r#type => Type(ClusterType) } }
//! enumeration! {
//!     pub enum ClusterType: "envoy.config.cluster.v3.Cluster.DiscoveryType" { STATIC => Static }
//! }
//!
//! use nuncio_config::{diagnostic::Diagnostics, interpret, source::{Format, Source}, text};
//! let source = Source::new("cluster.yaml", Format::Yaml, "{name: a, type: STATIC, connect_timeout: 1.5s}");
//! let mut ctx = Ctx::default();
//! let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).unwrap();
//! let descriptor = nuncio_api::message("envoy.config.cluster.v3.Cluster").unwrap();
//! let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).unwrap();
//! let cluster: Cluster = decode(&std::sync::Arc::new(tree), &mut ctx).unwrap();
//! assert_eq!(cluster.connect_timeout, Some(Duration::from_millis(1500)));
//! assert!(matches!(cluster.cluster_discovery_type, Some(DiscoveryType::Type(ClusterType::Static))));
//! ```
#![forbid(unsafe_code)]

pub mod base64;
pub mod base64_url;
pub mod bootstrap;
pub mod deprecation;
pub mod diagnostic;
pub mod dump;
mod encoding;
pub mod environment;
pub mod expand;
pub mod fuzz;
pub mod interpret;
pub mod json_text;
pub mod lines;
pub mod report;
pub mod resources;
pub mod rewrite;
pub mod runtime;
pub mod sorting;
pub mod source;
pub mod span;
pub mod support;
pub mod text;
pub mod tree;
pub mod typed;
pub mod upgrade;
pub mod validate;
pub mod wire;
