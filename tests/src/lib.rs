//! The differential suite: the same configs and the same bytes go to Nuncio and to the real Envoy
//! 1.40, and what comes out must be the same.
//!
//! A case is a file `differential/cases/<area>/<name>.yaml` ([`case`]): a config, scripted
//! upstreams and exchanges. Beside it `<name>.pin` holds what the real Envoy did, as text
//! ([`report`]) with the volatile parts masked. The suite passes without Envoy: it compares Nuncio
//! with the pins.
//!
//! ```text
//! cargo test -p nuncio-tests                                              Nuncio against the pins
//! cargo run -p nuncio-tests --bin differential -- run --against nuncio    the same, as a table with diffs
//! ENVOY=envoy cargo run -p nuncio-tests --bin differential -- run --against envoy
//! ENVOY=envoy cargo run -p nuncio-tests --bin differential -- pin         write the pins anew
//! ```
#![forbid(unsafe_code)]

mod await_stat;
pub mod binary;
pub mod case;
pub mod certificates;
pub mod client_steps;
pub mod coding;
pub mod compare;
pub mod connecting;
pub mod control_plane;
pub mod corpus;
pub mod datagram_client;
pub mod diagnostics;
mod glob;
pub mod http2_client;
pub mod http3_client;
mod ids;
pub mod known;
mod meanwhile;
pub mod not_yet;
pub mod outcome;
pub mod privileges;
pub mod receiver;
pub mod report;
pub mod run;
pub mod setup;
pub mod show;
pub mod side;
pub mod sinks;
pub mod suite;
pub mod tally;
pub mod unix_gate;
pub mod upstreams;
