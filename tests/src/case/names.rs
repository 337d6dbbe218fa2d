//! The part of a case's shape that tells what DNS servers know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nuncio_testkit::names::Known;
use serde::Deserialize;

/// What a DNS server knows, by name. It is asked at `{{names:NAME}}`, a port; a section of the pin tells all that it
/// was asked, each once.
pub type ZoneSpec = BTreeMap<String, NameSpec>;

/// What is known of a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameSpec {
    /// Its addresses, of both versions.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// How long an answer is good for, in seconds.
    #[serde(default)]
    pub ttl_s: u32,
    /// The response code.
    #[serde(default)]
    pub code: u8,
    /// Another name that it stands for.
    #[serde(default)]
    pub alias: Option<String>,
    /// No answer is given.
    #[serde(default)]
    pub silent: bool,
    /// An answer by UDP says that it is cut short.
    #[serde(default)]
    pub long: bool,
}

impl NameSpec {
    /// The same for the server.
    pub fn known(&self) -> Known {
        Known {
            addresses: self.addresses.clone(),
            ttl_s: self.ttl_s,
            code: self.code,
            alias: self.alias.clone(),
            is_silent: self.silent,
            is_long: self.long,
        }
    }
}
