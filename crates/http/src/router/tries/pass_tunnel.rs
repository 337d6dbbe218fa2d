//! A host has answered one that is to become a tunnel: from here on it is like one that was never tried again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use nuncio_codec::http1::ResponseHead;
use nuncio_upstream::WorkerHost;

use super::Tries;
use super::one_try::LiveTry;
use crate::downstream::Downstream;
use crate::exchange::ROUTE;
use crate::router::attempt::NotesBytes;
use crate::router::forward::Failure;

impl<'e, D: Downstream> Tries<'_, 'e, '_, D> {
    /// Passes the answer on, and both directions if it has opened the tunnel. What was kept of the request goes first.
    pub(super) async fn pass_tunnel(
        &mut self,
        live: Box<LiveTry<'e>>,
        host: &Rc<WorkerHost>,
        head: ResponseHead,
    ) -> Result<(), Failure> {
        let LiveTry {
            up,
            response,
            over_at,
            ..
        } = *live;
        let router = self.router;
        let exchange = self.exchange();
        exchange.state.borrow_mut().response = response;
        if self.begun > 1 {
            router.note_host(host);
            router.note_last_attempted(host);
            router.note_connection(up.borrow().stream());
        }
        {
            let mut body = exchange.body.borrow_mut();
            let mut kept = self.body.take_all();
            kept.append(std::mem::take(&mut body.data));
            body.data = kept;
        }
        if let Some(ends_at) = self.ends_at.take() {
            exchange.deadlines.set(ROUTE, ends_at);
        }
        let _however_it_ends = NotesBytes { router, up: &up };
        let mut tunnel = pin!(router.tunnel_on(&up, head, self.reading.take()));
        poll_fn(|cx| {
            if let Poll::Ready(done) = tunnel.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let Some(over_at) = over_at else {
                return Poll::Pending;
            };
            self.timer.set(0, over_at);
            let over = self.timer.poll_expired(cx, &*exchange.manager.worker);
            over.map(|_| Err(self.ends_over()))
        })
        .await
    }
}
