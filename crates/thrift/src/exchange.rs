//! A call's way to its host and back: a connection, the call in what the host speaks, and its answer.
//!
//! As in Envoy a host is told numbers of its connection's own, which begin at 0.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_codec::thrift::{
    AppException, DecodeError, Decoder, DecoderSettings, Head, MAX_FRAME_BYTES, MessageKind,
    Protocol, ReplyKind, Transport, encode, payload_as, reply_kind,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::FilterStateObject as _;
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::{
    Acquired, CallConnection, EndedBy, UpstreamErrorKind, WorkerCluster, WorkerHost,
};

use crate::cluster_stats::ClusterStats;

/// A header that says that whoever sends it had better get no more calls.
pub(crate) const DRAIN: &[u8] = b":drain";

/// What a message holds.
pub(crate) enum Payload {
    /// Values, as the binary protocol writes them.
    Values(Vec<u8>),
    /// Bytes of its protocol that were not looked at.
    Unread(Vec<u8>),
    /// No values.
    Broken(DecodeError),
}

/// A call, and where it goes.
pub(crate) struct Asked {
    pub(crate) cluster: Rc<WorkerCluster>,
    pub(crate) host: Rc<WorkerHost>,
    /// What the host speaks.
    pub(crate) speaks: (Transport, Protocol),
    pub(crate) head: Head,
    pub(crate) payload: Payload,
    pub(crate) keeps_case: bool,
    pub(crate) services: Rc<dyn WorkerServices>,
    pub(crate) progress: Rc<Progress>,
    /// Whether nobody waits for an answer, though it is a call: how long it takes is not recorded, as in Envoy.
    pub(crate) is_mirror: bool,
}

/// How far a call has come.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) bytes_sent: Cell<u64>,
    pub(crate) bytes_received: Cell<u64>,
    /// Whether there is a connection for it.
    pub(crate) is_connected: Cell<bool>,
    /// Whether it has gone whole.
    pub(crate) is_sent: Cell<bool>,
    /// Its host's, as exceptions show it.
    pub(crate) address: RefCell<String>,
}

/// What a host says.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// Never broken.
    pub(crate) payload: Payload,
    pub(crate) reply: Option<ReplyKind>,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// There is no host for it.
    Nowhere(AppException),
    /// It may not go.
    Refused(AppException),
    /// It cannot be read, and nobody was to have it.
    Unread(DecodeError),
    /// The connection is no more, or there was none.
    Connection {
        kind: UpstreamErrorKind,
        /// Whether a part of the answer had come.
        is_started: bool,
    },
    /// The call cannot be told to the host.
    Call(DecodeError),
    /// The answer is none.
    Answer(DecodeError),
}

/// What is spoken to hosts of a cluster by a client that speaks this.
pub(crate) fn spoken(
    cluster: &WorkerCluster,
    (transport, protocol): (Transport, Protocol),
) -> (Transport, Protocol) {
    let options = cluster.settings().thrift;
    (
        options.transport.unwrap_or(transport),
        options.protocol.unwrap_or(strict(protocol)),
    )
}

/// What Envoy takes a client's protocol for: heads of the old form are no protocol of their own.
pub(crate) fn strict(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::LaxBinary => Protocol::Binary,
        other => other,
    }
}

/// Records how long an answer took, whatever became of it.
struct Measured<'a>(&'a ClusterStats, Instant, &'a dyn WorkerServices);

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let Measured(stats, sent_at, services) = self;
        stats.over(services.now().saturating_duration_since(*sent_at));
    }
}

/// Sends a call; none is answered where none is wanted.
pub(crate) async fn ask(mut asked: Asked) -> Result<Option<Answer>, Failure> {
    let stats = ClusterStats::of(&asked.cluster);
    let address = asked.host.host().shown_address();
    *asked.progress.address.borrow_mut() = address.serialize_as_string().unwrap_or_default();
    let mut connection = connect(&asked).await?;
    asked.progress.is_connected.set(true);
    let id = connection.calls_before().cast_signed();
    let mut hearing = Hearing::of(&asked, id);
    let bytes = match asked.take_bytes(id) {
        Ok(bytes) => bytes,
        Err(error) => {
            connection.reset(EndedBy::Us);
            return Err(Failure::Call(error));
        }
    };
    if send(&mut connection, &bytes, &mut hearing).await.is_err() {
        let is_started = asked.progress.bytes_received.get() > 0;
        return Err(asked.lost(connection, is_started));
    }
    drop(bytes);
    stats.sent(asked.progress.bytes_sent.get());
    asked.progress.is_sent.set(true);
    let measured = || Measured(&stats, asked.services.now(), &*asked.services);
    let _measured = (!asked.is_mirror).then(measured);
    match asked.head.kind {
        MessageKind::Call => {}
        MessageKind::Oneway => {
            connection.sent_oneway();
            match hearing.decoder.waiting_bytes() > 0 {
                true => connection.close(),
                false => connection.finish(),
            }
            return Ok(None);
        }
        // As in Envoy, which sends them and waits for nothing.
        MessageKind::Reply | MessageKind::Exception => {
            connection.reset(EndedBy::Us);
            let kind = UpstreamErrorKind::LocalConnectionFailure;
            return Err(Failure::Connection {
                kind,
                is_started: false,
            });
        }
    }
    asked.answer(connection, hearing, &stats).await.map(Some)
}

/// What is heard of a host.
struct Hearing {
    decoder: Decoder,
    input: Buffer,
    progress: Rc<Progress>,
    /// The number of the call.
    id: i32,
    /// Whether payloads are taken unread.
    unread: bool,
}

impl Hearing {
    fn of(asked: &Asked, id: i32) -> Self {
        let (transport, protocol) = asked.speaks;
        Hearing {
            decoder: Decoder::new(DecoderSettings {
                transport: Some(transport),
                protocol: Some(protocol),
                keeps_case: asked.keeps_case,
            }),
            input: Buffer::new(),
            progress: Rc::clone(&asked.progress),
            id,
            unread: matches!(asked.payload, Payload::Unread(_)),
        }
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// Nothing more comes.
    fn poll(&mut self, connection: &mut CallConnection, cx: &mut Context<'_>) -> PollHeard {
        let most = Buffer::BODY_BYTES;
        let Ok(count @ 1..) = ready!(connection.poll_read(cx, &mut self.input, most)) else {
            return Err(()).into();
        };
        let received = &self.progress.bytes_received;
        received.set(received.get() + u64::try_from(count).unwrap_or(u64::MAX));
        self.decoder.push(self.input.readable());
        self.input.clear();
        Ok(()).into()
    }
}

type PollHeard = Poll<Result<(), ()>>;

async fn connect(asked: &Asked) -> Result<CallConnection, Failure> {
    let acquired = match asked.host.new_call() {
        Ok(Acquired::Ready(ready)) => Ok(ready),
        Ok(Acquired::Pending(pending)) => pending.await,
        Err(error) => Err(error),
    };
    let failed = |kind| Failure::Connection {
        kind,
        is_started: false,
    };
    match acquired {
        Ok(ready) => ready
            .into_calls()
            .ok_or_else(|| failed(UpstreamErrorKind::LocalConnectionFailure)),
        Err(error) => {
            match error.kind {
                UpstreamErrorKind::Overflow => {}
                UpstreamErrorKind::ConnectionTimeout => {
                    asked.host.report(Outcome::TimedOut(504));
                }
                _ => asked.host.report(Outcome::Failed),
            }
            Err(failed(error.kind))
        }
    }
}

async fn send(
    connection: &mut CallConnection,
    bytes: &[u8],
    hearing: &mut Hearing,
) -> Result<(), ()> {
    let mut sent = 0;
    poll_fn(|cx| {
        let is_sent = poll_send(connection, bytes, (&mut sent, &hearing.progress), cx);
        if is_sent.is_ready() {
            return is_sent;
        }
        // Some hosts have to say something before they hear the rest.
        while hearing.decoder.waiting_bytes() < MAX_FRAME_BYTES {
            match hearing.poll(connection, cx) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
        Poll::Pending
    })
    .await
}

fn poll_send(
    connection: &mut CallConnection,
    bytes: &[u8],
    (sent, progress): (&mut usize, &Progress),
    cx: &mut Context<'_>,
) -> PollHeard {
    while let Some(rest @ [_, ..]) = bytes.get(*sent..) {
        match ready!(connection.poll_write(cx, rest)) {
            Ok(count @ 1..) => {
                *sent += count;
                let sent = u64::try_from(*sent).unwrap_or(u64::MAX);
                progress.bytes_sent.set(sent);
            }
            _ => return Err(()).into(),
        }
    }
    connection.poll_flush(cx).map_err(|_| ())
}

impl Asked {
    /// The call as its host is told it; what it holds is no longer kept.
    fn take_bytes(&mut self, id: i32) -> Result<Vec<u8>, DecodeError> {
        let (_, protocol) = self.speaks;
        let payload = std::mem::replace(&mut self.payload, Payload::Values(Vec::new()));
        let payload = match &payload {
            Payload::Unread(bytes) => bytes.as_slice().into(),
            Payload::Values(values) => payload_as(protocol, values)?,
            Payload::Broken(error) => return Err(error.clone()),
        };
        let mut head = self.head.clone();
        head.sequence_id = id;
        let mut out = Vec::with_capacity(payload.len() + head.method.len() + 64);
        encode(self.speaks, &head, &payload, &mut out)?;
        Ok(out)
    }

    /// The host has closed its connection.
    fn lost(&self, connection: CallConnection, is_started: bool) -> Failure {
        self.host.report(Outcome::Failed);
        connection.reset(EndedBy::Host);
        Failure::Connection {
            kind: UpstreamErrorKind::RemoteConnectionFailure,
            is_started,
        }
    }

    async fn answer(
        &self,
        mut connection: CallConnection,
        mut hearing: Hearing,
        stats: &ClusterStats,
    ) -> Result<Answer, Failure> {
        let mut head = None;
        loop {
            let payload = match decode(&mut hearing.decoder, &mut head, hearing.unread) {
                Ok(payload) => payload,
                Err(error) => {
                    connection.reset(EndedBy::Us);
                    stats.upstream_resp_decoding_error();
                    return Err(Failure::Answer(error));
                }
            };
            if let Some(payload) = payload
                && let Some(head) = head.take()
            {
                let earlier = 0..hearing.id;
                if connection.may_owe() && earlier.contains(&head.sequence_id) {
                    // What a call before this one is answered that wanted no answer.
                    continue;
                }
                return Ok(self.answered(connection, stats, (head, payload), &hearing));
            }
            let heard = poll_fn(|cx| hearing.poll(&mut connection, cx)).await;
            if heard.is_err() {
                let is_started = self.progress.bytes_received.get() > 0;
                return Err(self.lost(connection, is_started));
            }
        }
    }

    fn answered(
        &self,
        connection: CallConnection,
        stats: &ClusterStats,
        (mut head, payload): (Head, Vec<u8>),
        hearing: &Hearing,
    ) -> Answer {
        let (decoder, unread) = (&hearing.decoder, hearing.unread);
        let protocol = match unread {
            true => decoder.protocol().unwrap_or(Protocol::Binary),
            false => Protocol::Binary,
        };
        let reply = (head.kind == MessageKind::Reply).then(|| reply_kind(protocol, &payload));
        let reply = reply.flatten();
        stats.answered(head.kind, reply, self.progress.bytes_received.get());
        self.host.report(match reply {
            Some(ReplyKind::Success) => Outcome::Answered(200),
            _ => Outcome::Answered(500),
        });
        let is_drain = |(name, value): &(Vec<u8>, Vec<u8>)| name == DRAIN && value == b"true";
        let drains = head.headers.iter().any(is_drain);
        head.headers.retain(|(name, _)| name != DRAIN);
        if drains {
            stats.upstream_cx_drain_close();
        }
        // Another call must not be given what is left of this one, or what belongs to one before it.
        let is_odd =
            decoder.waiting_bytes() > 0 || !decoder.was_used_up() || head.sequence_id != hearing.id;
        match drains || is_odd {
            true => connection.close(),
            false => connection.finish(),
        }
        Answer {
            head,
            payload: match unread {
                true => Payload::Unread(payload),
                false => Payload::Values(payload),
            },
            reply,
        }
    }
}

/// The payload of the answer, once it is there; its head is kept meanwhile.
fn decode(
    decoder: &mut Decoder,
    head: &mut Option<Head>,
    unread: bool,
) -> Result<Option<Vec<u8>>, DecodeError> {
    if head.is_none() {
        *head = decoder.head()?;
    }
    match head {
        Some(_) => decoder.payload(unread),
        None => Ok(None),
    }
}
