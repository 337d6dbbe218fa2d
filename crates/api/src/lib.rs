//! Envoy's configuration API as static tables: the v3 and v2 messages, enums, fields,
//! oneofs and validation rules, and the xDS, UDPA, CEL and well-known types that they use.
//!
//! Everything is a `Copy` handle into tables that are part of the binary's read-only
//! data: no heap, no start-up work, no relocations. There is no logic beyond look-up;
//! `nuncio-config` reads text and checks rules.
//!
//! ```
//! let cluster = nuncio_api::message("envoy.config.cluster.v3.Cluster").unwrap();
//! let field = cluster.field("connectTimeout").unwrap();
//! assert_eq!(field.name(), "connect_timeout");
//! assert_eq!(field.number(), 4);
//! assert_eq!(cluster.previous_name(), Some("envoy.api.v2.Cluster"));
//! ```
//!
//! The files below `generated/` come from published packages by one command,
//! `cargo run -p xtask -- api`; `generated/layout.rs` names the packages and their
//! versions. The definitions are the Envoy authors', under the Apache License 2.0; see NOTICE.
#![forbid(unsafe_code)]

mod descriptor;
mod enumeration;
mod generated;
mod rules;
mod tables;

pub use descriptor::{Cardinality, Field, Kind, Message, Oneof, message, messages};
pub use enumeration::{Enum, EnumValue, enumeration};
pub use rules::{
    AnyRules, BytesRules, DurationRules, Element, EnumRules, List, MapRules, MessageRules, Number,
    NumberRules, RepeatedRules, RuleSet, Rules, StringRules, TimestampRules, WellKnown,
};
