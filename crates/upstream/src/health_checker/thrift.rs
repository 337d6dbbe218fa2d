//! Checks of Thrift: a call without arguments, which a healthy host answers with a result.
//!
//! Limits are those of the codec: an answer has 16,384,000 bytes at most.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::thrift::{
    Decoder, DecoderSettings, Head, MessageKind, Protocol, ReplyKind, encode, reply_kind,
};
use nuncio_net::transport::Transport;

use super::flags::CheckFlags;
use super::link::{Dialer, Gone};
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::ThriftProbe;
use crate::host::Host;

const PASSED: Outcome = Outcome::Passed { is_degraded: false };
const FAILED: Outcome = Outcome::Failed(Failure::Network);
const REFUSED: Outcome = Outcome::Failed(Failure::Active {
    status: 0,
    is_retriable: false,
});

/// A host that says so much without being asked has failed a check. Less is not listened to.
const MAX_UNASKED_BYTES: usize = 64 << 10;

/// One host's connection.
pub(super) struct ThriftProber {
    dialer: Rc<Dialer>,
    host: Arc<Host>,
    flags: Rc<CheckFlags>,
    reuses: bool,
    link: Option<Transport>,
    /// The number of the next call.
    next_id: i32,
}

impl ThriftProber {
    pub(super) fn new(dialer: &Rc<Dialer>, flags: &Rc<CheckFlags>, reuses: bool) -> Self {
        Self {
            dialer: Rc::clone(dialer),
            host: flags.host(),
            flags: Rc::clone(flags),
            reuses,
            link: None,
            next_id: 0,
        }
    }

    pub(super) async fn check(&mut self, probe: &ThriftProbe) -> Outcome {
        self.follow_host();
        match self.exchange(probe).await {
            Ok(outcome) => {
                if !self.reuses {
                    self.link = None;
                }
                outcome
            }
            Err(Gone) => {
                self.link = None;
                FAILED
            }
        }
    }

    /// What discovery says of the host now counts from the next check on.
    fn follow_host(&mut self) {
        let now = self.flags.host();
        if self.host.is_reached_otherwise(&now) {
            self.link = None;
        }
        self.host = now;
    }

    /// Sends the call, and waits for its answer.
    async fn exchange(&mut self, probe: &ThriftProbe) -> Result<Outcome, Gone> {
        if self.link.is_none() {
            self.next_id = 0;
            let opened = self.dialer.open(&self.host).await;
            self.link = Some(opened.map_err(|_| Gone)?);
        }
        let link = self.link.as_mut().ok_or(Gone)?;
        let head = Head::new(&probe.method, MessageKind::Call, self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut out = Vec::new();
        encode((probe.transport, probe.protocol), &head, &[0], &mut out).map_err(|_| Gone)?;
        send(link, &out).await?;
        let mut decoder = Decoder::new(DecoderSettings {
            transport: Some(probe.transport),
            protocol: Some(probe.protocol),
            keeps_case: false,
        });
        let mut head = None;
        let mut input = Vec::new();
        loop {
            input.clear();
            let read = poll_fn(|cx| link.poll_read(cx, &mut input)).await;
            if read.map_err(|_| Gone)? == 0 {
                return Err(Gone);
            }
            decoder.push(&input);
            if head.is_none() {
                head = decoder.head().map_err(|_| Gone)?;
            }
            let Some(head) = &head else {
                continue;
            };
            if let Some(payload) = decoder.payload(false).map_err(|_| Gone)? {
                return Ok(judge(head, &payload));
            }
        }
    }

    /// A host that ends a connection between two checks has failed one, as in Envoy; so has one that says too much.
    pub(super) async fn between(&mut self) -> Outcome {
        if let Some(link) = &mut self.link {
            let (mut unasked, mut heard) = (Vec::new(), 0);
            while let Ok(1..) = poll_fn(|cx| link.poll_read(cx, &mut unasked)).await {
                heard += unasked.len();
                unasked.clear();
                if heard > MAX_UNASKED_BYTES {
                    break;
                }
            }
            self.link = None;
            return FAILED;
        }
        pending().await
    }

    /// Nothing came in time.
    pub(super) fn give_up(&mut self) {
        self.link = None;
    }
}

fn judge(head: &Head, payload: &[u8]) -> Outcome {
    let is_reply = head.kind == MessageKind::Reply;
    match reply_kind(Protocol::Binary, payload) {
        Some(ReplyKind::Success) if is_reply => PASSED,
        _ => REFUSED,
    }
}

async fn send(link: &mut Transport, bytes: &[u8]) -> Result<(), Gone> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = poll_fn(|cx| link.poll_write(cx, rest)).await;
        let count = count.ok().filter(|count| *count > 0).ok_or(Gone)?;
        rest = rest.get(count..).unwrap_or_default();
    }
    let flushed = poll_fn(|cx| link.poll_flush(cx)).await;
    flushed.map_err(|_| Gone)
}
