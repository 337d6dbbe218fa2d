//! A call's way to its host and back: a connection, the call in what the host speaks, and its answer.
//!
//! As in Envoy a host is told numbers of its connection's own, which begin at 0.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::ready;
use std::time::Instant;

use nuncio_codec::thrift::{
    AppException, DecodeError, Decoder, DecoderSettings, Head, MessageKind, Protocol, ReplyKind,
    Transport, encode, payload_as, reply_kind,
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
pub(crate) async fn ask(asked: Asked) -> Result<Option<Answer>, Failure> {
    let stats = ClusterStats(Rc::clone(&asked.cluster));
    let address = asked.host.host().shown_address();
    *asked.progress.address.borrow_mut() = address.serialize_as_string().unwrap_or_default();
    let mut connection = connect(&asked).await?;
    asked.progress.is_connected.set(true);
    let bytes = match asked.bytes(&connection) {
        Ok(bytes) => bytes,
        Err(error) => {
            connection.reset(EndedBy::Us);
            return Err(Failure::Call(error));
        }
    };
    if send(&mut connection, &bytes, &asked.progress)
        .await
        .is_err()
    {
        return Err(asked.lost(connection, false));
    }
    stats.sent(asked.progress.bytes_sent.get());
    asked.progress.is_sent.set(true);
    let measured = || Measured(&stats, asked.services.now(), &*asked.services);
    let _measured = (!asked.is_mirror).then(measured);
    match asked.head.kind {
        MessageKind::Call => {}
        MessageKind::Oneway => {
            connection.finish();
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
    asked.answer(connection, &stats).await.map(Some)
}

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
    progress: &Progress,
) -> Result<(), ()> {
    let mut sent = 0;
    poll_fn(|cx| {
        while let Some(rest @ [_, ..]) = bytes.get(sent..) {
            match ready!(connection.poll_write(cx, rest)) {
                Ok(count @ 1..) => {
                    sent += count;
                    let sent = u64::try_from(sent).unwrap_or(u64::MAX);
                    progress.bytes_sent.set(sent);
                }
                _ => return Err(()).into(),
            }
        }
        connection.poll_flush(cx).map_err(|_| ())
    })
    .await
}

impl Asked {
    /// The call as its host is told it.
    fn bytes(&self, connection: &CallConnection) -> Result<Vec<u8>, DecodeError> {
        let (_, protocol) = self.speaks;
        let payload = match &self.payload {
            Payload::Unread(bytes) => bytes.as_slice().into(),
            Payload::Values(values) => payload_as(protocol, values)?,
            Payload::Broken(error) => return Err(error.clone()),
        };
        let mut head = self.head.clone();
        head.sequence_id = connection.calls_before().cast_signed();
        let mut out = Vec::with_capacity(payload.len() + head.method.len() + 64);
        encode(self.speaks, &head, &payload, &mut out);
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
        stats: &ClusterStats,
    ) -> Result<Answer, Failure> {
        let (transport, protocol) = self.speaks;
        let mut decoder = Decoder::new(DecoderSettings {
            transport: Some(transport),
            protocol: Some(protocol),
            keeps_case: self.keeps_case,
        });
        let unread = matches!(self.payload, Payload::Unread(_));
        let mut head = None;
        let mut input = Buffer::new();
        loop {
            let most = Buffer::BODY_BYTES;
            let read = poll_fn(|cx| connection.poll_read(cx, &mut input, most)).await;
            let Ok(count @ 1..) = read else {
                let is_started = self.progress.bytes_received.get() > 0;
                return Err(self.lost(connection, is_started));
            };
            let received = &self.progress.bytes_received;
            received.set(received.get() + u64::try_from(count).unwrap_or(u64::MAX));
            decoder.push(input.readable());
            input.clear();
            let payload = match decode(&mut decoder, &mut head, unread) {
                Ok(None) => continue,
                Ok(Some(payload)) => payload,
                Err(error) => {
                    connection.reset(EndedBy::Us);
                    stats.count("upstream_resp_decoding_error");
                    return Err(Failure::Answer(error));
                }
            };
            let Some(head) = head.take() else {
                continue;
            };
            return Ok(self.answered(connection, stats, (head, payload), &decoder));
        }
    }

    fn answered(
        &self,
        connection: CallConnection,
        stats: &ClusterStats,
        (mut head, payload): (Head, Vec<u8>),
        decoder: &Decoder,
    ) -> Answer {
        let unread = matches!(self.payload, Payload::Unread(_));
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
            stats.count("upstream_cx_drain_close");
        }
        match drains || decoder.waiting_bytes() > 0 {
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
