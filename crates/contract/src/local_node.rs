//! Who this process is for those that it reports to: its node, as the bootstrap and the flags say it.

use std::net::IpAddr;

/// The node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNode {
    /// The whole message, encoded.
    pub encoded: Vec<u8>,
    /// Its id.
    pub id: Box<str>,
    /// Its cluster.
    pub cluster: Box<str>,
    /// Its zone.
    pub zone: Box<str>,
    /// The version of the program.
    pub version: Box<str>,
    /// The machine's address.
    pub address: Option<IpAddr>,
}
