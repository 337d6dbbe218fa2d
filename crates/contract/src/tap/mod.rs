//! What taps share, those of connections and those of HTTP streams: their messages, conditions, and what is written.
//!
//! Limits: bodies are kept up to `max_buffered_rx_bytes` and `max_buffered_tx_bytes` (1 KiB each); of a body that is
//! searched as many bytes are kept as the longest pattern has, less one. A file that cannot be written is given up in
//! silence, as in Envoy. Not supported: sinks of gRPC and of extensions, and taps of control planes.

mod binary;
mod fields;
mod json;
mod messages;
mod output;
mod predicate;
mod text;

pub use fields::{Field, Message, Value};
pub use messages::{
    AdminConfig, BufferedAdminSink, CommonExtensionConfig, ConfigType, FilePerTapSink, Format,
    OutputConfig, OutputSink, OutputSinkType, SocketTapConfig, TapConfig, TapEnabled,
};
pub use output::{File, address, body, encode, readable, sampling};
pub use predicate::{Condition, Event, Part, Patterns, Status};

/// Bytes that are kept of each direction if nothing is said.
pub const DEFAULT_BUFFERED_BYTES: u32 = 1024;

impl OutputConfig {
    /// How many bytes are kept of what comes from the client.
    pub fn received_bytes(&self) -> usize {
        kept(self.max_buffered_rx_bytes)
    }

    /// How many bytes are kept of what goes to the client.
    pub fn sent_bytes(&self) -> usize {
        kept(self.max_buffered_tx_bytes)
    }
}

fn kept(bytes: Option<u32>) -> usize {
    usize::try_from(bytes.unwrap_or(DEFAULT_BUFFERED_BYTES)).unwrap_or(usize::MAX)
}
