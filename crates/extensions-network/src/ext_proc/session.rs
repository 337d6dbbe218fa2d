//! The stream to the service, which both directions of a connection share.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stat_group;
use nuncio_service_messages::Message;
use nuncio_service_messages::common::Struct;
use nuncio_service_messages::network_ext_proc::{
    CLOSE, CLOSE_RST, Data, ProcessingRequest, ProcessingResponse,
};

/// From the client.
pub(super) const READ: usize = 0;
/// To the client.
pub(super) const WRITE: usize = 1;
/// As many answers are kept for a direction that waits for none,
const MOST_KEPT: usize = 64;
/// and none more once they have so many bytes.
const MOST_KEPT_BYTES: usize = 1 << 20;

stat_group! {
    /// What happens, at `network_ext_proc.<stat_prefix>.`.
    pub struct NetworkExtProcStats("") {
        counters {
            connections_closed, connections_reset, empty_response_received, failure_mode_allowed, message_timeouts,
            read_data_injected, read_data_sent, spurious_msgs_received, stream_msgs_received, stream_msgs_sent,
            stream_open_failures, streams_closed, streams_grpc_close, streams_grpc_error, streams_started,
            write_data_injected, write_data_sent
        }
        gauges { }
    }
}

/// What a direction waits for.
pub(super) enum Outcome {
    /// This goes on.
    Answer(Data),
    /// Nobody is asked any more: what is held goes on, behind this.
    AsItCame(Vec<u8>),
    /// The connection is closed.
    Close(NetworkClose),
}

enum State {
    New,
    Open(Box<GrpcStream>),
    /// Nothing is told any more.
    Over,
    /// Nor does the connection go on.
    Closed(NetworkClose),
}

/// The stream, and what it has said.
pub(super) struct Session {
    state: State,
    passes_on_error: bool,
    stats: Arc<NetworkExtProcStats>,
    flows: [Flow; 2],
    /// What was said of the connection and is not noted yet.
    metadata: Vec<Struct>,
}

/// A direction.
#[derive(Default)]
struct Flow {
    /// What was said of it and has not gone on yet.
    kept: Vec<Data>,
    /// How much of what was told is not answered.
    unanswered: usize,
    /// Whether its end was told.
    has_told_end: bool,
    /// Whether its end has gone on.
    has_ended: bool,
    /// Who waits.
    waiting: Option<Waker>,
}

impl Flow {
    /// All that was said, as one.
    fn take(&mut self) -> Data {
        let mut kept = std::mem::take(&mut self.kept).into_iter();
        let mut all = kept.next().unwrap_or_default();
        for next in kept {
            all.data.extend_from_slice(&next.data);
            all.end_of_stream |= next.end_of_stream;
        }
        all
    }
}

impl Session {
    pub(super) fn new(passes_on_error: bool, stats: Arc<NetworkExtProcStats>) -> Self {
        Session {
            state: State::New,
            passes_on_error,
            stats,
            flows: Default::default(),
            metadata: Vec::new(),
        }
    }

    /// Whether the stream has not begun.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    /// Whether there is a stream to tell something.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// How the connection ends, if it does.
    pub(super) fn close(&self) -> Option<NetworkClose> {
        match &self.state {
            State::Closed(close) => Some(close.clone()),
            State::New | State::Open(_) | State::Over => None,
        }
    }

    /// The stream has begun, or cannot. One that fails at once is counted as both, as in Envoy.
    pub(super) fn begun(&mut self, stream: Option<GrpcStream>) {
        let Some(stream) = stream else {
            return self.fail_to_open();
        };
        self.state = State::Open(Box::new(stream));
        self.catch_up();
        match self.is_open() {
            true => self.stats.streams_started.inc(),
            false => self.fail_to_open(),
        }
    }

    fn fail_to_open(&mut self) {
        self.stats.stream_open_failures.inc();
        self.fail("ext_proc_stream_error");
    }

    pub(super) fn send(&mut self, direction: usize, request: &ProcessingRequest) {
        let State::Open(stream) = &mut self.state else {
            return;
        };
        stream.send(&request.encode_to_vec());
        if let Some(flow) = self.flows.get_mut(direction) {
            let data = [&request.read_data, &request.write_data];
            flow.has_told_end |= data.into_iter().flatten().any(|data| data.end_of_stream);
            flow.unanswered += 1;
        }
        self.stats.stream_msgs_sent.inc();
        match direction {
            READ => self.stats.read_data_sent.inc(),
            _ => self.stats.write_data_sent.inc(),
        }
    }

    /// An answer did not come in time.
    pub(super) fn time_out(&mut self) {
        if !self.is_open() {
            return;
        }
        self.stats.message_timeouts.inc();
        self.end();
        self.fail("ext_proc_message_timeout");
        self.wake();
    }

    fn wake(&mut self) {
        let waiting = self.flows.iter_mut().map(|flow| &mut flow.waiting);
        waiting.filter_map(Option::take).for_each(Waker::wake);
    }

    /// Whether something is to go on of a direction, or to be noted, whoever is asked.
    pub(super) fn has_kept(&self, direction: usize) -> bool {
        !self.metadata.is_empty() || self.has_answers(direction)
    }

    /// Whether something is to go on of a direction.
    pub(super) fn has_answers(&self, direction: usize) -> bool {
        let flow = self.flows.get(direction);
        flow.is_some_and(|flow| !flow.kept.is_empty())
    }

    /// Whether the end of a direction was told.
    pub(super) fn has_told_end(&self, direction: usize) -> bool {
        let flow = self.flows.get(direction);
        flow.is_some_and(|flow| flow.has_told_end)
    }

    /// The end of a direction goes on.
    pub(super) fn note_end(&mut self, direction: usize) {
        if let Some(flow) = self.flows.get_mut(direction) {
            flow.has_ended = true;
        }
    }

    /// Whether a direction has to have the connection closed: not while the other one has still something to go on.
    fn closes(&self, direction: usize) -> bool {
        let other = self.flows.get(1 - direction);
        let goes_on = other.is_some_and(|other| !other.kept.is_empty() && !other.has_ended);
        let close = self.close();
        close.is_some_and(|close| !close.flushes || !goes_on)
    }

    /// Whether the service has said something of a direction that does not wait for it, or has left its end to it.
    pub(super) fn poll_unasked(&mut self, direction: usize, cx: &mut Context<'_>) -> Poll<()> {
        while self.hear(cx).is_ready() {}
        let is_left = |flow: &Flow| flow.has_told_end && !flow.has_ended;
        let is_left = self.flows.get(direction).is_some_and(is_left);
        let is_left = is_left && matches!(self.state, State::Over);
        match is_left || self.has_answers(direction) || self.closes(direction) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Ends the stream from this side.
    pub(super) fn end(&mut self) {
        if let State::Open(mut stream) = std::mem::replace(&mut self.state, State::Over) {
            stream.finish();
            self.stats.streams_closed.inc();
        }
    }

    /// What has been said of the connection.
    pub(super) fn take_metadata(&mut self) -> Vec<Struct> {
        std::mem::take(&mut self.metadata)
    }

    /// Hears what has been said while nobody waited. Both directions are one task: who waits in the other is woken still.
    pub(super) fn catch_up(&mut self) {
        let waiting = self.flows.iter().find_map(|flow| flow.waiting.clone());
        let waker = waiting.unwrap_or_else(|| Waker::noop().clone());
        let mut cx = Context::from_waker(&waker);
        while self.hear(&mut cx).is_ready() {}
    }

    /// What becomes of what a direction holds, which the service `was_told` just now or is not told.
    pub(super) fn poll_outcome(
        &mut self,
        direction: usize,
        was_told: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        while self.hear(cx).is_ready() {}
        let closes = self.closes(direction);
        let Some(flow) = self.flows.get_mut(direction) else {
            return Poll::Pending;
        };
        let has_kept = !flow.kept.is_empty();
        let is_answered = has_kept && flow.unanswered == 0;
        match &self.state {
            State::Closed(close) if closes && (!has_kept || !close.flushes) => {
                Poll::Ready(Outcome::Close(close.clone()))
            }
            State::Closed(_) if has_kept => Poll::Ready(Outcome::Answer(flow.take())),
            State::Open(_) | State::Over if was_told && is_answered => {
                Poll::Ready(Outcome::Answer(flow.take()))
            }
            State::Open(_) if !was_told && has_kept => Poll::Ready(Outcome::Answer(flow.take())),
            State::New | State::Over => Poll::Ready(Outcome::AsItCame(flow.take().data)),
            State::Open(_) | State::Closed(_) => {
                flow.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes what the service says next; never while there is no stream.
    fn hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Open(stream) = &mut self.state else {
            return Poll::Pending;
        };
        match std::task::ready!(stream.poll_next(cx)) {
            GrpcEvent::Head(_) => return Poll::Ready(()),
            GrpcEvent::Message(bytes) => match ProcessingResponse::decode(&*bytes) {
                Ok(response) => self.take(response),
                Err(_) => self.fail_of_grpc(),
            },
            GrpcEvent::End(end) if end.status == status::OK => {
                self.stats.streams_grpc_close.inc();
                self.state = State::Over;
            }
            GrpcEvent::End(_) => self.fail_of_grpc(),
        }
        self.wake();
        Poll::Ready(())
    }

    fn take(&mut self, response: ProcessingResponse) {
        self.stats.stream_msgs_received.inc();
        let close = match response.connection_status {
            CLOSE => Some(NetworkClose::after_flush("ext_proc_close_requested")),
            CLOSE_RST => {
                self.stats.connections_reset.inc();
                Some(NetworkClose::by_reset("ext_proc_reset_requested"))
            }
            _ => None,
        };
        if let Some(close) = close {
            self.end();
            self.stats.connections_closed.inc();
            self.state = State::Closed(close);
            return;
        }
        self.metadata.extend(response.dynamic_metadata);
        match (response.read_data, response.write_data) {
            (Some(data), _) => {
                self.stats.read_data_injected.inc();
                self.keep(READ, data);
            }
            (None, Some(data)) => {
                self.stats.write_data_injected.inc();
                self.keep(WRITE, data);
            }
            (None, None) => self.stats.empty_response_received.inc(),
        }
        if response.close_stream_to_ext_proc_server {
            self.end();
        }
    }

    fn keep(&mut self, direction: usize, data: Data) {
        let Some(flow) = self.flows.get_mut(direction) else {
            return;
        };
        let bytes: usize = flow.kept.iter().map(|kept| kept.data.len()).sum();
        if flow.kept.len() >= MOST_KEPT || bytes >= MOST_KEPT_BYTES {
            return self.fail_of_grpc();
        }
        flow.unanswered = flow.unanswered.saturating_sub(1);
        flow.kept.push(data);
    }

    fn fail_of_grpc(&mut self) {
        self.stats.streams_grpc_error.inc();
        self.fail("ext_proc_grpc_error");
    }

    /// Goes on without the service, or has the connection closed.
    fn fail(&mut self, reason: &'static str) {
        self.state = if self.passes_on_error {
            self.stats.failure_mode_allowed.inc();
            State::Over
        } else {
            self.stats.connections_closed.inc();
            State::Closed(NetworkClose::after_flush(reason))
        };
    }
}
