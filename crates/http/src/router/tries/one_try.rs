//! One try: from the wait for a connection to the head of the response.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::{PendingStream, ReadyStream, UpstreamError, WorkerHost};

use super::kept_body::{KeptBody, Upload};
use crate::exchange::RequestBody;
use crate::router::try_log::TryLog;
use crate::router::up::Up;

/// A try under way.
pub(super) struct OneTry<'e> {
    pub(super) host: Rc<WorkerHost>,
    pub(super) stage: Stage<'e>,
    /// When it has taken too long.
    pub(super) ends_at: Option<Instant>,
    /// When it has stood still for too long.
    pub(super) idle_at: Option<Instant>,
    /// The next try has begun beside it.
    pub(super) is_doubled: bool,
    /// Outlier detection was told that it took too long.
    pub(super) has_timed_out: bool,
    /// Its log, until it has a connection.
    pub(super) log: Option<Box<TryLog<'e>>>,
}

/// How far it is.
pub(super) enum Stage<'e> {
    Connecting(Pin<Box<PendingStream>>),
    Live(Box<LiveTry<'e>>),
    /// The host takes no more.
    Refused,
}

/// A try that has a connection.
pub(super) struct LiveTry<'e> {
    pub(super) up: RefCell<Up<'e>>,
    pub(super) upload: Upload,
    pub(super) response: HeaderMap,
    /// When it has lasted too long, whatever has come of it.
    pub(super) over_at: Option<Instant>,
}

/// What became of it.
pub(super) enum TryEvent {
    Connected(ReadyStream),
    Head(ResponseHead),
    Failed(UpstreamError),
}

impl<'e> OneTry<'e> {
    pub(super) fn new(host: Rc<WorkerHost>, pending: PendingStream) -> Self {
        Self::at(host, Stage::Connecting(Box::pin(pending)))
    }

    pub(super) fn refused(host: Rc<WorkerHost>) -> Self {
        Self::at(host, Stage::Refused)
    }

    pub(super) fn at(host: Rc<WorkerHost>, stage: Stage<'e>) -> Self {
        Self {
            host,
            stage,
            ends_at: None,
            idle_at: None,
            is_doubled: false,
            has_timed_out: false,
            log: None,
        }
    }

    /// The same, of which there will be a log.
    pub(super) fn with_log(self, log: Option<Box<TryLog<'e>>>) -> Self {
        Self { log, ..self }
    }

    /// Notes for the log that it took too long, or stood still for too long.
    pub(super) fn log_late(&mut self, is_idle: bool) {
        let flags = match is_idle {
            true => ResponseFlags::STREAM_IDLE_TIMEOUT,
            false => ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
        };
        if let Stage::Live(live) = &mut self.stage {
            live.up.get_mut().flag(flags);
        }
    }

    /// Whether some of the request may have reached the host.
    pub(super) fn was_sent(&self) -> bool {
        matches!(self.stage, Stage::Live(_))
    }

    /// Goes on with it; events but the last head and failures do not end it.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        kept: &KeptBody,
        body: &RefCell<RequestBody>,
    ) -> Poll<TryEvent> {
        match &mut self.stage {
            Stage::Connecting(pending) => {
                if let Some(log) = &mut self.log {
                    log.poll(cx, None);
                }
                Poll::Ready(match ready!(pending.as_mut().poll(cx)) {
                    Ok(ready) => TryEvent::Connected(ready),
                    Err(error) => TryEvent::Failed(error),
                })
            }
            Stage::Live(live) => live.poll(cx, kept, body),
            Stage::Refused => Poll::Pending,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let times = [self.ends_at, self.idle_at, self.over_at()];
        times.into_iter().flatten().min()
    }

    /// When it has lasted too long.
    pub(super) fn over_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Live(live) => live.over_at,
            Stage::Connecting(_) | Stage::Refused => None,
        }
    }
}

impl<'e> LiveTry<'e> {
    /// A stream whose head has been written.
    pub(super) fn new(up: Up<'e>, is_bare: bool) -> Box<Self> {
        let upload = match is_bare {
            true => Upload::of_head(),
            false => Upload::default(),
        };
        Box::new(Self {
            up: RefCell::new(up),
            upload,
            response: HeaderMap::response(),
            over_at: None,
        })
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        kept: &KeptBody,
        body: &RefCell<RequestBody>,
    ) -> Poll<TryEvent> {
        let up = self.up.get_mut();
        let _either_way_the_response_counts = self.upload.poll(cx, up, kept, body);
        Poll::Ready(match ready!(up.poll_read_head(cx, &mut self.response)) {
            Ok(head) => TryEvent::Head(head),
            Err(error) => TryEvent::Failed(error),
        })
    }
}
