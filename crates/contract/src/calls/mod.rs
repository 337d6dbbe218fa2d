//! Calls that the proxy makes itself, over its own clusters: what filters, loggers and control planes see of them.
//!
//! The engine's side is behind [`HttpCalls`], one for each thread; [`grpc_client`](crate::grpc_client) makes calls of gRPC of them. A
//! call moves while it is polled, in both directions, and ends when it is dropped. What comes is read when it is asked
//! for, so that a host is held back; what is sent waits in the call until the host takes it. As in Envoy, where no host
//! answers the proxy does: with 503 or 504, or the status of gRPC for it.

mod answer;
mod of_thread;
mod retries;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use answer::{CallAnswer, MAX_ANSWER_BYTES, collect, collect_at_most};
pub use of_thread::{of_thread, offer_on_thread};
pub use retries::{CallRetries, CoreRetryPolicy};

use crate::buffer::Buffer;
use crate::call_notes::CallNotes;
use crate::headers::HeaderMap;
use crate::stats::Scope;
use crate::stats::groups::ChannelStats;

/// How a call is made.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// How long the whole answer may take once the request is complete.
    pub timeout: Option<Duration>,
    /// What is tried again; none: what the cluster says.
    pub retries: Option<Arc<CallRetries>>,
    /// Whether the request goes without `x-envoy-internal`.
    pub hides_internal: bool,
    /// Whether it goes without `x-forwarded-for`.
    pub hides_address: bool,
    /// Whether it goes without `x-envoy-expected-rq-timeout-ms`.
    pub hides_timeout: bool,
}

/// What comes of a call.
#[derive(Debug)]
pub enum CallEvent {
    /// The head; nothing follows if `end_stream`.
    Head {
        /// With its pseudo-headers.
        headers: HeaderMap,
        /// Whether it is all.
        end_stream: bool,
    },
    /// Some of the body.
    Data {
        /// The bytes.
        data: Buffer,
        /// Whether they are the last.
        end_stream: bool,
    },
    /// The trailers, which are the last.
    Trailers(HeaderMap),
    /// The answer broke off, or took too long after it had begun; or all of it has come before.
    Reset,
}

/// A call under way. Dropped, it ends.
pub trait HttpCall {
    /// Sends more of the request's body; with `end_stream` it is the last.
    fn send(&mut self, data: &[u8], end_stream: bool);

    /// Bytes of the request that wait to be sent.
    fn unsent_bytes(&self) -> usize;

    /// Why the answer is the proxy's own, as details of response codes say it; none if a host gave it.
    fn own_details(&self) -> Option<Box<str>> {
        None
    }

    /// Goes on with both directions; ready with what has come.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<CallEvent>;
}

/// The calls that a thread can make.
pub trait HttpCalls {
    /// Begins a call of a cluster, whose request has this head; none if there is no such cluster. It is up to the
    /// caller to end the request ([`HttpCall::send`]).
    fn start(
        &self,
        cluster: &str,
        head: HeaderMap,
        options: CallOptions,
    ) -> Option<Box<dyn HttpCall>>;

    /// The same, which notes for a span what becomes of it.
    fn start_noting(
        &self,
        cluster: &str,
        head: HeaderMap,
        options: CallOptions,
        _notes: Option<Rc<CallNotes>>,
    ) -> Option<Box<dyn HttpCall>> {
        self.start(cluster, head, options)
    }

    /// What calls over channels of their own count with, by the scope; none where nothing is counted.
    fn channel_stats(&self, _scope: &str) -> Option<Arc<ChannelStats>> {
        None
    }

    /// Where the process counts; none where nothing is counted.
    fn root(&self) -> Option<Scope> {
        None
    }

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()>>>;

    /// Lets a task run by itself on this thread.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>);
}

/// The calls of a thread, shared by who makes them.
pub type Calls = Rc<dyn HttpCalls>;
