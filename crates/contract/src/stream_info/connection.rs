//! The downstream connection that carries a stream; made once a connection and shared by its streams.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::metadata::Metadata;
use super::{Address, FilterState, Protocol, ProxyValues, ResponseFlags, StreamInfo, TlsInfo};

/// A downstream connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionInfo {
    /// `%CONNECTION_ID%`: unique in the process while it runs.
    pub id: u64,
    /// When it was accepted.
    pub begin: Option<Instant>,
    /// When the TLS handshake was done.
    pub handshake_complete: Option<Instant>,
    /// The peer's address on the socket.
    pub direct_remote_address: Option<Address>,
    /// The peer's address: of the PROXY protocol or the socket's.
    pub remote_address: Option<Address>,
    /// Our address on the socket.
    pub direct_local_address: Option<Address>,
    /// Our address, restored by the original-destination filter, or the socket's.
    pub local_address: Option<Address>,
    /// The name that the client asked for by SNI; empty for none.
    pub requested_server_name: Box<str>,
    /// TLS, if the connection has it.
    pub tls: Option<Arc<TlsInfo>>,
    /// JA3 of the client's hello; empty for none.
    pub ja3_hash: Box<str>,
    /// JA4 of the client's hello; empty for none.
    pub ja4_hash: Box<str>,
    /// Why the transport failed; empty if it did not.
    pub transport_failure_reason: Box<str>,
    /// The listener that accepted it.
    pub listener: Option<Arc<ListenerDescription>>,
    /// The filter chain that serves it.
    pub filter_chain: Option<Arc<FilterChainDescription>>,
    /// What the client's PROXY header had of values that go on; none without a header.
    pub proxy_values: Option<Arc<ProxyValues>>,
    /// Objects that its filters left for its streams.
    pub filter_state: Option<Arc<FilterState>>,
    /// What comes of it as a whole, if somebody wants to know.
    pub tally: Option<Rc<ConnectionTally>>,
}

/// What comes of a connection that carries streams, for the log of its listener.
#[derive(Debug, Default)]
pub struct ConnectionTally {
    /// Bytes that came, without those of TLS.
    pub received: Cell<u64>,
    /// Bytes that went, without those of TLS.
    pub sent: Cell<u64>,
    /// What was spoken.
    pub protocol: Cell<Option<Protocol>>,
    /// What happened to the connection and not only to a stream.
    pub flags: Cell<ResponseFlags>,
    /// Why it is no TLS, which streams of HTTP do not know.
    pub failure: OnceCell<Box<str>>,
    /// Why a filter has it closed.
    pub termination: OnceCell<Cow<'static, str>>,
    /// What filters tell of it.
    pub metadata: OnceCell<Metadata>,
}

impl ConnectionTally {
    /// Keeps what network filters know of the connection, which its streams do not.
    pub fn keep(&self, info: &mut StreamInfo) {
        if let Some(details) = info.connection_termination_details.take() {
            let _the_first_counts = self.termination.set(details);
        }
        if let Some(metadata) = info.dynamic_metadata() {
            let _the_first_counts = self.metadata.set(metadata.clone());
        }
    }

    /// A stream is over.
    pub fn saw(&self, stream: &StreamInfo) {
        let of_connection = ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR;
        if stream.response_flags.contains(of_connection) {
            self.flags.set(self.flags.get() | of_connection);
        } else {
            self.protocol.set(stream.protocol);
        }
    }
}

/// What is logged of a listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerDescription {
    /// Its name; may be empty.
    pub name: Box<str>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Which way its traffic goes, by the API's number: 1 in, 2 out.
    pub direction: i64,
}

/// What is logged of a filter chain.
#[derive(Clone, Debug, Default)]
pub struct FilterChainDescription {
    /// Its name; may be empty.
    pub name: Box<str>,
    /// Its metadata.
    pub metadata: Metadata,
}
