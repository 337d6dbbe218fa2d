//! Calls of gRPC over the proxy's own clusters: streams in both directions, and calls with one message each way.

mod frames;
mod google;
mod stream;
mod target;
#[cfg(test)]
mod tests;

pub use frames::{FrameError, FrameReader, frame};
pub use google::{GoogleGrpc, support};
pub use stream::{GrpcEnd, GrpcEvent, GrpcStream};
pub use target::{EnvoyGrpc, GrpcServiceMessage, GrpcTarget, GrpcTargetMessage};
