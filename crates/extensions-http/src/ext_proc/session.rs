//! The stream to the processor: begun with the first message, ended with the stream that it is for.
//!
//! Where it ends well from this side, its end is told, and it stays for a moment until the processor ends it too.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::{GrpcEnd, GrpcEvent, GrpcStream};
use nuncio_service_messages::Message;
use nuncio_service_messages::ext_proc::{ProcessingRequest, ProcessingResponse};

use super::stats::ExtProcStats;

/// The longest message of a processor whose service says no limit.
pub(super) const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// How long a stream stays whose processor does not end it.
const LINGER: Duration = Duration::from_secs(1);

/// What comes from the processor.
pub(super) enum Heard {
    Message(Box<ProcessingResponse>),
    End(GrpcEnd),
}

/// The stream.
#[derive(Default)]
pub(super) enum Session {
    /// Nothing was told yet.
    #[default]
    New,
    /// Under way.
    Open(Box<GrpcStream>, Calls),
    /// Over.
    Over,
}

impl Session {
    /// A stream that has begun.
    pub(super) fn open(mut stream: GrpcStream, calls: Calls) -> Self {
        stream.limit_messages(MAX_MESSAGE_BYTES);
        Session::Open(Box::new(stream), calls)
    }

    pub(super) fn send(&mut self, message: &ProcessingRequest, stats: &ExtProcStats) {
        if let Session::Open(stream, _) = self {
            stream.send(&message.encode_to_vec());
            stats.stream_msgs_sent.inc();
        }
    }

    /// Bytes that wait to be sent.
    pub(super) fn unsent_bytes(&self) -> usize {
        match self {
            Session::Open(stream, _) => stream.unsent_bytes(),
            Session::New | Session::Over => 0,
        }
    }

    /// What comes next; never while the stream is not under way.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        let Session::Open(stream, _) = self else {
            return Poll::Pending;
        };
        loop {
            let Poll::Ready(event) = stream.poll_next(cx) else {
                return Poll::Pending;
            };
            return Poll::Ready(match event {
                GrpcEvent::Head(_) => continue,
                GrpcEvent::Message(bytes) => match ProcessingResponse::decode(&*bytes) {
                    Ok(message) => Heard::Message(Box::new(message)),
                    Err(_) => Heard::End(GrpcEnd::new(status::INTERNAL, "")),
                },
                GrpcEvent::End(end) => Heard::End(end),
            });
        }
    }

    /// Ends it from this side.
    pub(super) fn close(&mut self, stats: &ExtProcStats) {
        if let Session::Open(stream, calls) = std::mem::replace(self, Session::Over) {
            stats.streams_closed.inc();
            linger(*stream, &calls, LINGER);
        }
    }

    /// It has ended.
    pub(super) fn ended(&mut self) {
        *self = Session::Over;
    }
}

/// Tells that no more comes, and waits so long for the processor to end the stream.
pub(super) fn linger(mut stream: GrpcStream, calls: &Calls, patience: Duration) {
    stream.finish();
    let mut patience = calls.sleep(patience);
    calls.spawn(Box::pin(async move {
        let mut end = pin!(async { while !matches!(stream.next().await, GrpcEvent::End(_)) {} });
        poll_fn(|cx| match end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => patience.as_mut().poll(cx),
        })
        .await;
    }));
}
