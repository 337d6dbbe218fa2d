//! What a control plane is reached by: a stream of messages in both directions, over a cluster.

use std::future::Future;
use std::pin::Pin;

use nuncio_contract::grpc_client::GrpcTarget;

/// A future that borrows its stream.
pub(in crate::xds) type Next<'s> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Ended>> + 's>>;

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::xds) struct Ended {
    /// The status of gRPC.
    pub(in crate::xds) status: u32,
    /// What was said of it.
    pub(in crate::xds) message: String,
}

/// Opens streams.
pub(in crate::xds) trait Streams {
    /// Begins a stream to a server's method; it may turn out later that nobody is there.
    /// What is counted of it is under `scope`.
    fn open(&self, target: &GrpcTarget, path: &str, scope: &str) -> Result<Box<dyn Stream>, Ended>;
}

/// A stream.
pub(in crate::xds) trait Stream {
    /// Sends a message.
    fn send(&mut self, message: &[u8]);

    /// Bytes that the server has not taken yet.
    fn unsent_bytes(&self) -> usize;

    /// The next message, or how the stream ended. May be dropped and asked for again.
    fn next(&mut self) -> Next<'_>;
}
