//! The rest of a response of which filters give back later what they take: read from the host as far as they take more,
//! and passed on as they give it back.
//!
//! Once the host has sent all, the route's timeout is over and the connection serves others, however long the filters
//! take.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_upstream::BodyEvent;

use super::Router;
use super::forward::Failure;
use super::up::Up;
use crate::downstream::Downstream;
use crate::exchange::ROUTE;
use crate::filter_engine::LateStep;

/// What came first.
enum Next<R> {
    Read(R),
    Late(LateStep),
}

impl<D: Downstream> Router<'_, '_, D> {
    /// Passes on the rest of the body; `is_complete` once the host has sent it.
    pub(super) async fn stream_late_body(
        &self,
        up: &RefCell<Up<'_>>,
        mut is_complete: bool,
    ) -> Result<(), Failure> {
        let exchange = self.exchange;
        let mut chunk = Buffer::default();
        while !is_complete || exchange.is_response_late() {
            if is_complete {
                exchange.deadlines.clear(ROUTE);
                up.borrow_mut().stream_mut().end_if_complete();
            }
            exchange.down.flush().await?;
            let may_read = !is_complete && exchange.takes_more_response();
            let next = poll_fn(|cx| {
                if may_read {
                    let mut up = up.borrow_mut();
                    let state = &exchange.state;
                    if let Poll::Ready(event) = up.poll_read_body_of(cx, &mut chunk, state) {
                        return Poll::Ready(Next::Read(event));
                    }
                }
                exchange.poll_late_response(cx).map(Next::Late)
            })
            .await;
            exchange.touch_idle();
            match next {
                Next::Late(step) => pin!(exchange.send_late(step)).await?,
                Next::Read(event) => {
                    let event = event?;
                    let chunk = std::mem::take(&mut chunk);
                    is_complete = event != BodyEvent::Data;
                    match event {
                        BodyEvent::Trailers => pin!(exchange.send_trailers()).await?,
                        _ => pin!(exchange.send_data(chunk, is_complete)).await?,
                    }
                }
            }
        }
        Ok(())
    }
}
