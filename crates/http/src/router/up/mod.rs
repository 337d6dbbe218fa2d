//! A try's exchange with its host, as the router sees it: plain, or with the filters of the cluster or the router in
//! between (upstream HTTP filters).
//!
//! Each try has filters of its own. What they change of the request's head is changed for later tries and logs as well;
//! what they add to the dynamic metadata nobody else sees. Their buffer limit is that of the connection. As in Envoy, an answer of such a filter is the
//! stream's, without another try, and heads of 1xx pass them by. The differences: they run once there is a connection,
//! not while it is waited for; and what the proxy asks itself (`contract/src/calls/`) and mirrored copies go without.
//!
//! Follows Envoy's upstream HTTP filters (`upstream_filters.rst`).

mod filtered;
mod flow;
mod logged;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::upstream_filters::UpstreamSlot;
use nuncio_upstream::{BodyEvent, ReadyStream, UpstreamError, UpstreamStream};

use self::filtered::Filtered;
use self::logged::Logged;
use super::Router;
use super::try_log::TryLog;
use crate::downstream::Downstream;
use crate::stream::StreamState;

/// A request and its response.
#[expect(
    clippy::large_enum_variant,
    reason = "the plain one is what nearly all requests have, and lives where it is made"
)]
pub(crate) enum Up<'e> {
    /// Nothing in between.
    Plain(UpstreamStream),
    /// Filters in between.
    Filtered(Box<Filtered<'e>>),
    /// Either of them, of which there will be a log.
    Logged(Box<Logged<'e>>),
}

/// Calls what stands there.
macro_rules! either {
    ($self:expr, $up:ident => $body:expr) => {
        match $self {
            Up::Plain($up) => $body,
            Up::Filtered($up) => $body,
            Up::Logged($up) => $body,
        }
    };
}

/// The functions are those of [`UpstreamStream`]. The stream's state must not be borrowed while one that begins with
/// `poll_` runs.
impl Up<'_> {
    /// What is exchanged with the host itself.
    #[inline]
    pub(crate) fn stream(&self) -> &UpstreamStream {
        match self {
            Up::Plain(stream) => stream,
            Up::Filtered(filtered) => filtered.stream(),
            Up::Logged(logged) => logged.stream(),
        }
    }

    /// The same for a change.
    pub(crate) fn stream_mut(&mut self) -> &mut UpstreamStream {
        match self {
            Up::Plain(stream) => stream,
            Up::Filtered(filtered) => filtered.stream_mut(),
            Up::Logged(logged) => logged.stream_mut(),
        }
    }

    /// Notes for its log that no more of the answer counts.
    pub(crate) fn note_answered(&mut self) {
        if let Up::Logged(logged) = self {
            logged.log().note_whole();
        }
    }

    /// Notes for its log what has happened to it.
    pub(crate) fn flag(&mut self, flags: ResponseFlags) {
        if let Up::Logged(logged) = self {
            logged.log().flag(flags);
        }
    }

    #[inline]
    pub(crate) fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        match self {
            Up::Plain(up) => up.write_head(headers, end_stream),
            Up::Filtered(up) => up.write_head(end_stream),
            Up::Logged(up) => up.write_head(headers, end_stream),
        }
    }

    #[inline]
    pub(crate) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        either!(self, up => up.poll_write_data(cx, data, end_stream))
    }

    pub(crate) fn write_trailers(&mut self, trailers: &HeaderMap) {
        either!(self, up => up.write_trailers(trailers));
    }

    #[inline]
    pub(crate) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, up => up.poll_send_off(cx))
    }

    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, up => up.poll_flush(cx))
    }

    #[inline]
    pub(crate) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        either!(self, up => up.poll_read_head(cx, headers))
    }

    /// Reads the head into the stream's state.
    #[inline]
    pub(crate) fn poll_read_head_of(
        &mut self,
        cx: &mut Context<'_>,
        state: &RefCell<Box<StreamState>>,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        match self {
            Up::Plain(up) => up.poll_read_head(cx, &mut state.borrow_mut().response),
            _ => {
                let mut response = HeaderMap::response();
                let read = self.poll_read_head(cx, &mut response);
                if read.is_ready() {
                    state.borrow_mut().response = response;
                }
                read
            }
        }
    }

    /// Reads some of the body; trailers go into the stream's state.
    #[inline]
    pub(crate) fn poll_read_body_of(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        state: &RefCell<Box<StreamState>>,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        match self {
            Up::Plain(up) => up.poll_read_body(cx, data, &mut state.borrow_mut().response_trailers),
            Up::Filtered(up) => up.poll_read_body(cx, data, state),
            Up::Logged(up) => up.poll_read_body_of(cx, data, state),
        }
    }

    #[inline]
    pub(crate) fn is_response_complete(&self) -> bool {
        either!(self, up => up.is_response_complete())
    }
}

impl<'e, D: Downstream> Router<'e, '_, D> {
    /// The exchange over a connection, with the filters that are to be in between and the log that is to be written.
    #[inline]
    pub(super) fn begin_up(&self, ready: ReadyStream, log: Option<Box<TryLog<'e>>>) -> Up<'e> {
        let up = self.begin_unlogged(ready);
        match log {
            None => up,
            Some(log) => Logged::begin(up, log),
        }
    }

    #[inline]
    fn begin_unlogged(&self, ready: ReadyStream) -> Up<'e> {
        let manager = self.exchange.manager;
        let account = self.exchange.account.borrow();
        let clusters = account.as_ref().and_then(|it| it.cluster.filters());
        match clusters.or(manager
            .router_parts(self.exchange.upgrade_filters())
            .filters
            .as_ref())
        {
            None => Up::Plain(ready.begin()),
            Some(slots) => self.begin_filtered(ready.begin(), slots),
        }
    }

    #[cold]
    fn begin_filtered(&self, stream: UpstreamStream, slots: &Rc<[UpstreamSlot]>) -> Up<'e> {
        let exchange = self.exchange;
        let (state, manager) = (&exchange.state, exchange.manager);
        Filtered::begin(
            stream,
            slots,
            state,
            &manager.worker,
            manager.config.buffer_limit_bytes,
        )
    }
}
