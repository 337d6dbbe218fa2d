//! Where addresses are, by MaxMind's databases: for the filters that ask (`envoy.geoip_providers.maxmind`).
//!
//! `database` reads the format, `watched` a file that may be replaced while the process runs, `provider` makes of the
//! messages which fields of which database are told under which keys, and counts. The files are the operator's, and are
//! read with every bound checked all the same. Limits: a file of 1 GiB; maps and lists nested 32 deep.
//!
//! Different from Envoy: a file that cannot be read when the configuration loads refuses it, where Envoy ends the process;
//! any change of a file counts, not only one that is moved there; it is held in memory rather than mapped, once for all
//! that name it. Envoy's documentation: geolocation providers, MaxMind.

mod database;
mod message;
mod provider;
#[cfg(test)]
mod tests;
mod watched;

pub use message::ProviderMessage;
pub use provider::{Counted, Located, Provider};
