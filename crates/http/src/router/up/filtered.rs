//! A try whose exchange with the host goes through filters. The directions move whenever either is polled.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::upstream_filters::UpstreamSlot;
use nuncio_upstream::{BodyEvent, UpstreamError, UpstreamErrorKind, UpstreamStream};

use super::Up;
use super::flow::{Flows, Pipe, Task};
use crate::exchange::status_of;
use crate::filter_chain::{Way, takes_part_by_name};
use crate::stream::StreamState;
use crate::worker::Worker;

/// The exchange.
pub(crate) struct Filtered<'e> {
    stream: UpstreamStream,
    flows: Rc<Flows<'e>>,
    request: Option<Task<'e>>,
    response: Option<Task<'e>>,
    head: Option<ResponseHead>,
    is_head_written: bool,
    is_end_written: bool,
    /// What of the request's body is being written, and whether it is the last.
    chunk: Buffer,
    is_chunk_last: bool,
}

impl<'e> Filtered<'e> {
    /// Puts filters before `stream`; plain if none of them takes part.
    pub(super) fn begin(
        stream: UpstreamStream,
        slots: &Rc<[UpstreamSlot]>,
        state: &'e RefCell<Box<StreamState>>,
        worker: &'e Worker,
        limit_bytes: u64,
    ) -> Up<'e> {
        let mut begun = state.borrow_mut();
        let begun = &mut **begun;
        let table = Rc::clone(&begun.route.table);
        let connection = Rc::clone(&begun.info.connection);
        let start = (begun.info.start_time(), begun.info.start);
        let mut own = Box::new(StreamState::new(connection, start.0, start.1, table));
        if let Some(metadata) = begun.info.dynamic_metadata() {
            own.info.dynamic_metadata_mut().clone_from(metadata);
        }
        let levels = begun.route.filter_levels();
        own.filters
            .create_beneath(slots, &mut begun.info, limit_bytes, |slot| {
                takes_part_by_name(&levels, &slot.name, slot.disabled)
            });
        if own.filters.is_empty() {
            return Up::Plain(stream);
        }
        Up::Filtered(Box::new(Filtered {
            stream,
            flows: Flows::new(own, state, worker, slots),
            request: None,
            response: None,
            head: None,
            is_head_written: false,
            is_end_written: false,
            chunk: Buffer::default(),
            is_chunk_last: false,
        }))
    }

    pub(super) fn stream(&self) -> &UpstreamStream {
        &self.stream
    }

    pub(super) fn stream_mut(&mut self) -> &mut UpstreamStream {
        &mut self.stream
    }

    /// The head, which is the stream's, goes to the filters when the exchange is polled.
    pub(super) fn write_head(&mut self, end_stream: bool) {
        self.request = Some(self.flows.begin(Way::Decode, end_stream));
    }

    pub(super) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        {
            let came = &mut self.pipe_mut(Way::Decode).came;
            came.data.append(std::mem::take(data));
            came.is_last |= end_stream;
        }
        ready!(self.go_on(cx));
        // Whoever has ended does not care any more.
        let is_taken = self.request.is_none() || self.pipe_mut(Way::Decode).came.data.is_empty();
        match is_taken {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub(super) fn write_trailers(&mut self, trailers: &HeaderMap) {
        let came = &mut self.pipe_mut(Way::Decode).came;
        came.trailers = Some(Box::new(trailers.clone()));
        came.is_last = true;
    }

    pub(super) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.go_on(cx)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.go_on(cx)
    }

    fn pipe_mut(&self, way: Way) -> std::cell::RefMut<'_, Pipe> {
        self.flows.pipe(way).borrow_mut()
    }

    /// Goes on with the request; ready when all that has come out of the filters is sent.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(task) = &mut self.request
                && task.as_mut().poll(cx).is_ready()
            {
                self.request = None;
            }
            if !self.write_what_is_out() {
                break;
            }
            ready!(
                self.stream
                    .poll_write_data(cx, &mut self.chunk, self.is_chunk_last)
            );
            self.is_end_written |= self.is_chunk_last;
        }
        match self.is_head_written {
            true => self.stream.poll_flush(cx),
            false => Poll::Ready(()),
        }
    }

    /// Writes the head and trailers that have come out; whether there is a chunk to be written.
    fn write_what_is_out(&mut self) -> bool {
        let mut pipe = self.flows.pipe(Way::Decode).borrow_mut();
        if !pipe.has_head || self.is_end_written {
            return false;
        }
        let out = &mut pipe.out;
        let is_nothing = out.data.is_empty() && self.chunk.is_empty();
        if !self.is_head_written {
            let is_bare = is_nothing && out.is_last && out.trailers.is_none();
            let state = self.flows.stream.borrow();
            self.stream.write_head(&state.request, is_bare);
            self.is_head_written = true;
            self.is_end_written = is_bare;
            if is_bare {
                return false;
            }
        }
        if self.chunk.is_empty() {
            self.chunk = std::mem::take(&mut out.data);
            self.is_chunk_last = out.is_last && out.trailers.is_none();
        }
        if self.chunk.is_empty()
            && out.is_last
            && let Some(trailers) = out.trailers.take()
        {
            self.stream.write_trailers(&trailers);
            self.is_end_written = true;
            return false;
        }
        !self.chunk.is_empty() || self.is_chunk_last
    }

    pub(super) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        let _goes_on_whenever_we_are_polled = self.go_on(cx);
        loop {
            self.look_for_reply()?;
            let Some(mut head) = self.head else {
                let read = {
                    let response = &mut self.flows.own.borrow_mut().response;
                    ready!(self.stream.poll_read_head(cx, response))?
                };
                if read.is_informational() {
                    std::mem::swap(headers, &mut self.flows.own.borrow_mut().response);
                    return Poll::Ready(Ok(read));
                }
                let end_stream = self.stream.is_response_complete();
                self.head = Some(read);
                self.response = Some(self.flows.begin(Way::Encode, end_stream));
                continue;
            };
            self.respond(cx)?;
            if self.pipe_mut(Way::Encode).has_head {
                std::mem::swap(headers, &mut self.flows.own.borrow_mut().response);
                head.status = status_of(headers);
                return Poll::Ready(Ok(head));
            }
            ready!(self.poll_feed(cx))?;
        }
    }

    pub(super) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        state: &RefCell<Box<StreamState>>,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        let _goes_on_whenever_we_are_polled = self.go_on(cx);
        loop {
            self.respond(cx)?;
            {
                let out = &mut self.flows.pipe(Way::Encode).borrow_mut().out;
                if !out.data.is_empty() {
                    data.append(std::mem::take(&mut out.data));
                    let is_last = out.is_last && out.trailers.is_none();
                    return Poll::Ready(Ok(match is_last {
                        true => BodyEvent::LastData,
                        false => BodyEvent::Data,
                    }));
                }
                if let Some(trailers) = out.trailers.take() {
                    state.borrow_mut().response_trailers = *trailers;
                    return Poll::Ready(Ok(BodyEvent::Trailers));
                }
                if out.is_last {
                    return Poll::Ready(Ok(BodyEvent::End));
                }
            }
            ready!(self.poll_feed(cx))?;
        }
    }

    /// Goes on with the response as far as it has come.
    fn respond(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamError> {
        if let Some(task) = &mut self.response
            && task.as_mut().poll(cx).is_ready()
        {
            self.response = None;
        }
        self.look_for_reply()
    }

    /// Takes more of the response's body from the host.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        let mut pipe = self.flows.pipe(Way::Encode).borrow_mut();
        let came = &mut pipe.came;
        // What has come is not taken yet, or nothing comes any more: somebody else wakes us.
        if !came.data.is_empty() || came.is_last || self.stream.is_response_complete() {
            return Poll::Pending;
        }
        // They may come with data, before they are told of.
        let trailers = &mut self.flows.own.borrow_mut().response_trailers;
        let read = self.stream.poll_read_body(cx, &mut came.data, trailers);
        match ready!(read)? {
            BodyEvent::Data => {}
            BodyEvent::LastData | BodyEvent::End => came.is_last = true,
            BodyEvent::Trailers => {
                let empty = HeaderMap::new(MapKind::ResponseTrailers);
                came.trailers = Some(Box::new(std::mem::replace(trailers, empty)));
                came.is_last = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// A filter's answer is how the exchange ends.
    fn look_for_reply(&self) -> Result<(), UpstreamError> {
        let Some(mut reply) = self.flows.reply.borrow_mut().take() else {
            return Ok(());
        };
        // The try's metadata end with it.
        reply.metadata = None;
        Err(UpstreamError {
            reply: Some(reply),
            ..UpstreamError::new(UpstreamErrorKind::ProtocolError)
        })
    }

    pub(super) fn is_response_complete(&self) -> bool {
        let pipe = self.flows.pipe(Way::Encode).borrow();
        let out = &pipe.out;
        out.is_last && out.data.is_empty() && out.trailers.is_none()
    }
}
