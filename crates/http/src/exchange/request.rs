//! The request's way up: from the client through the filters into what waits to be sent.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, MapKind};

use super::{Exchange, REQUEST, Stop};
use crate::downstream::{BodyEvent, Downstream, DownstreamError};
use crate::filter_chain::Way;
use crate::filter_engine::{Flow, LateStep};

/// What came first.
enum Next {
    Event(Result<BodyEvent, DownstreamError>),
    Late(LateStep),
}

impl<D: Downstream> Exchange<'_, D> {
    /// Feeds the body to the filters until none of them holds the head any more.
    pub(crate) async fn read_until_released(&self) -> Result<(), Stop> {
        while self.state.borrow().filters.holds_headers(Way::Decode) {
            if !self.read_request().await? {
                return Err(Stop::ResponseBroken);
            }
        }
        Ok(())
    }

    /// Reads one more piece of the request and runs it through the filters; what comes out is added to
    /// the body. False if the request was complete already.
    pub(crate) async fn read_request(&self) -> Result<bool, Stop> {
        if self.down.request_done() && !self.is_request_late() {
            return Ok(false);
        }
        self.down.flush().await?;
        self.read_request_now().await
    }

    /// Whether more of the request is to come than what the client sends.
    #[inline]
    pub(crate) fn is_request_late(&self) -> bool {
        self.state.borrow().filters.has_late_body(Way::Decode)
    }

    /// A filter has added a body to a request that had none.
    pub(crate) fn expect_added_body(&self) {
        let mut body = self.body.borrow_mut();
        body.done = false;
        body.is_absent = false;
    }

    /// The same for a request that goes on whatever becomes of the response.
    pub(crate) async fn read_request_now(&self) -> Result<bool, Stop> {
        if self.is_request_late() {
            return Box::pin(self.read_late_request()).await;
        }
        // From here on what comes is seen when it comes.
        self.state.borrow_mut().filters.has_waited = false;
        let mut chunk = Buffer::default();
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        let event = self.down.read_body(&mut chunk, &mut trailers).await?;
        self.take_event(event, chunk, trailers).await
    }

    /// Takes the whole body of a request that begins anew through the filters.
    pub(crate) async fn take_again(&self, data: Buffer) -> Result<(), Stop> {
        let event = BodyEvent::Data { end_stream: true };
        let trailers = HeaderMap::new(MapKind::RequestTrailers);
        self.take_event(event, data, trailers).await.map(|_| ())
    }

    /// Reads what is there of the request, as far as it would be held, without waiting for more; Envoy has read as much
    /// by the time that a host fails.
    pub(crate) async fn read_what_is_there(&self) -> Result<(), Stop> {
        let limit = self.manager.config.buffer_limit_bytes;
        let is_full = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX) >= limit;
        while !self.body.borrow().done && !is_full(self.body.borrow().data.len()) {
            let mut reading = pin!(self.read_request_now());
            match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
                Poll::Ready(read) => read?,
                Poll::Pending => break,
            };
        }
        Ok(())
    }

    /// Reads what is there of a request that nobody will have; Envoy has read as much while its filters waited, and
    /// would have told what is wrong with it.
    pub(crate) async fn drop_what_is_there(&self) -> Result<(), Stop> {
        let limit = self.manager.config.buffer_limit_bytes;
        let mut bytes = 0;
        while !self.down.request_done() && bytes < limit {
            let mut chunk = Buffer::default();
            let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
            let read = {
                let mut reading = pin!(self.down.read_body(&mut chunk, &mut trailers));
                poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await
            };
            let is_all = match read {
                Poll::Ready(read) => read.map(|_| false)?,
                Poll::Pending => true,
            };
            let read_bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.state.borrow_mut().info.bytes_received += read_bytes;
            bytes += read_bytes;
            if is_all {
                break;
            }
        }
        Ok(())
    }

    /// What comes first: more from the client, as long as the filters take more, or what they give back.
    async fn read_late_request(&self) -> Result<bool, Stop> {
        let run = self.run_filters(Way::Decode);
        let may_read = !self.down.request_done() && run.takes_more();
        let mut chunk = Buffer::default();
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        let next = {
            let mut reading = pin!(self.down.read_body(&mut chunk, &mut trailers));
            poll_fn(|cx| {
                if may_read && let Poll::Ready(event) = reading.as_mut().poll(cx) {
                    return Poll::Ready(Next::Event(event));
                }
                run.poll_late(cx).map(Next::Late)
            })
            .await
        };
        match next {
            Next::Event(event) => self.take_event(event?, chunk, trailers).await,
            Next::Late(step) => {
                let is_some_there = !chunk.is_empty();
                self.take_late(step).await?;
                if is_some_there {
                    let event = BodyEvent::Data { end_stream: false };
                    return self.take_event(event, chunk, trailers).await;
                }
                Ok(true)
            }
        }
    }

    /// Adds what filters give back to the body.
    async fn take_late(&self, step: LateStep) -> Result<(), Stop> {
        self.touch_idle();
        let work_bytes = step.bytes();
        let released = self.run_filters(Way::Decode).release(step).await?;
        {
            let mut body = self.body.borrow_mut();
            if let Flow::Through(data) = released.data {
                body.data.append(data);
            }
            if released.trailers.is_some() {
                body.trailers = released.trailers;
            }
            body.done = self.down.request_done() && !self.is_request_late();
        }
        self.give_way(Way::Decode, work_bytes).await;
        Ok(())
    }

    async fn take_event(
        &self,
        event: BodyEvent,
        chunk: Buffer,
        mut trailers: HeaderMap,
    ) -> Result<bool, Stop> {
        self.touch_idle();
        self.state.borrow_mut().info.bytes_received +=
            u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let mut work_bytes = chunk.len();
        let filters = self.run_filters(Way::Decode);
        let through = match event {
            BodyEvent::Data { end_stream } => filters.data(0, chunk, end_stream).await?,
            BodyEvent::Trailers => {
                if !chunk.is_empty()
                    && let Flow::Through(data) = filters.data(0, chunk, false).await?
                {
                    self.body.borrow_mut().data.append(data);
                }
                filters.trailers(0, &mut trailers).await?
            }
        };
        {
            let mut body = self.body.borrow_mut();
            if let Flow::Through(data) = through {
                work_bytes = work_bytes.max(data.len());
                body.data.append(data);
            }
            if self.down.request_done() {
                body.done = !filters.is_late();
                self.request_complete();
                if event == BodyEvent::Trailers && !filters.awaits_trailers() {
                    body.trailers = Some(Box::new(trailers));
                }
            }
        }
        if !self.down.request_done() {
            self.give_way(Way::Decode, work_bytes).await;
        }
        Ok(true)
    }

    /// The request has been read to its end.
    fn request_complete(&self) {
        self.deadlines.clear(REQUEST);
        let now = self.manager.worker.now();
        self.state.borrow_mut().info.downstream_timing.last_rx_byte = Some(now);
    }
}
