//! HTTP/2 for tests: frames as they are, so that wrong ones can be sent as well as right ones.
//!
//! Nothing here shares code with the proxy, and nothing is enforced: what the peer sends is recorded
//! whatever the rules say.

pub mod frame;
pub mod hpack;
pub(crate) mod huffman;
pub mod peer;
