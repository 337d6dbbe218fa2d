//! The number of a stream of QUIC, which says who opened it and which way it goes.

use std::fmt;

/// The number of a stream (RFC 9000 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl StreamId {
    /// The number that a notice of a shutdown has: above that of any request, as Envoy counts.
    pub const LAST_REQUEST: Self = Self((1 << 32) - 4);

    /// Whether it is a client's and goes both ways: a request and its response.
    pub const fn is_request(self) -> bool {
        self.0 & 3 == 0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
