//! The part of a case's shape that is below HTTP: TLS and datagrams.

use serde::Deserialize;

use super::StatValue;

/// An upstream's TLS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// Names that a certificate made for the case is valid for.
    #[serde(default)]
    pub names: Vec<String>,
    /// One of `differential/certificates` instead.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Protocols for ALPN.
    #[serde(default)]
    pub alpn: Vec<String>,
    /// Asks for a certificate, and believes any.
    #[serde(default)]
    pub asks: bool,
}

/// A client's TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// SNI.
    #[serde(default)]
    pub sni: Option<String>,
    /// Protocols for ALPN. A client of HTTP/2 that names none offers `h2`.
    #[serde(default)]
    pub alpn: Vec<String>,
    /// One of `differential/certificates`.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Versions that it speaks: `"1.2"`, `"1.3"`.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Kind of signatures that it understands, if not all: `rsa` or `ecdsa`.
    #[serde(default)]
    pub signatures: Option<String>,
}

/// A step of a client of datagrams.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum DatagramStep {
    /// Sends a datagram.
    Send {
        /// What it carries.
        send: String,
    },
    /// Sends a datagram of so many times the letter `a`.
    Fill {
        /// How often.
        fill: usize,
    },
    /// Waits for so many datagrams.
    Receive {
        /// How many.
        receive: usize,
    },
    /// Waits until an upstream has seen so many datagrams that no exchange has shown yet.
    AwaitUpstream {
        /// The upstream.
        await_upstream: String,
        /// How many.
        datagrams: usize,
    },
    /// Waits until the proxy's admin shows a stat with a value.
    AwaitStat {
        /// Which, and what value.
        await_stat: StatValue,
    },
}
