//! The request's way up: from the client through the filters into what waits to be sent.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, MapKind};

use super::{Exchange, REQUEST, Stop};
use crate::downstream::{BodyEvent, Downstream};
use crate::filter_chain::Way;
use crate::filter_engine::Flow;

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
        if self.down.request_done() {
            return Ok(false);
        }
        self.down.flush().await?;
        self.read_request_now().await
    }

    /// The same for a request that goes on whatever becomes of the response.
    pub(crate) async fn read_request_now(&self) -> Result<bool, Stop> {
        let mut chunk = Buffer::default();
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        let event = self.down.read_body(&mut chunk, &mut trailers).await?;
        self.touch_idle();
        self.state.borrow_mut().info.bytes_received +=
            u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let filters = self.run_filters(Way::Decode);
        let through = match event {
            BodyEvent::Data { end_stream } => filters.data(0, chunk, end_stream).await?,
            BodyEvent::Trailers => {
                if !chunk.is_empty()
                    && let Flow::Through(data) = filters.data(0, chunk, false).await?
                {
                    self.body.borrow_mut().data.append(data);
                }
                filters.trailers(&mut trailers).await?
            }
        };
        let mut body = self.body.borrow_mut();
        if let Flow::Through(data) = through {
            body.data.append(data);
        }
        if self.down.request_done() {
            body.done = true;
            self.request_complete();
            if event == BodyEvent::Trailers {
                body.trailers = Some(Box::new(trailers));
            }
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
