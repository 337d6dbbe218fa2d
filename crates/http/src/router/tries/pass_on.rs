//! The response that the client gets, with the times that still count for it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::WorkerHost;

use super::Tries;
use super::kept_body::Upload;
use super::one_try::LiveTry;
use crate::downstream::Downstream;
use crate::router::attempt::NotesBytes;
use crate::router::forward::Failure;

impl<'e, D: Downstream> Tries<'_, 'e, '_, D> {
    /// Passes a response on, with what is left of the request going up beside it.
    pub(super) async fn pass_on(
        &mut self,
        live: Box<LiveTry<'e>>,
        host: &Rc<WorkerHost>,
        status: u16,
    ) -> Result<(), Failure> {
        let LiveTry {
            up,
            mut upload,
            response,
            over_at,
        } = *live;
        let (router, body) = (self.router, &self.exchange().body);
        self.exchange().state.borrow_mut().response = response;
        if self.begun > 1 {
            router.note_host(host);
            router.note_last_attempted(host);
            router.note_connection(up.borrow().stream());
        }
        let _however_it_ends = NotesBytes { router, up: &up };
        let mut download = pin!(router.pass_response(&up, status));
        let mut idle_at = self.wishes.per_try_idle.map(|time| self.now() + time);
        let mut received_bytes = 0;
        poll_fn(|cx| {
            loop {
                let has_read = self.read_some(cx)?;
                let _whenever_it_is_done =
                    Upload::poll(&mut upload, cx, &mut up.borrow_mut(), &self.body, body);
                if !has_read && !self.read_some(cx)? {
                    break;
                }
            }
            if let Poll::Ready(done) = download.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            router.note_unread(&up);
            let is_complete = up.borrow().is_response_complete();
            let bytes = up.borrow().stream().wire_bytes().1;
            if bytes != std::mem::replace(&mut received_bytes, bytes) {
                idle_at = self.wishes.per_try_idle.map(|time| self.now() + time);
            }
            let idle_end = idle_at.filter(|_| body.borrow().done);
            let times = [self.ends_at, idle_end, over_at].into_iter().flatten();
            let Some(nearest) = times.min().filter(|_| !is_complete) else {
                return Poll::Pending;
            };
            self.timer.set(0, nearest);
            let worker = &*router.exchange.manager.worker;
            self.timer.poll_expired(cx, worker).map(|_| {
                if over_at == Some(nearest) {
                    return Err(self.ends_over());
                }
                let is_idle = self.ends_at.is_none_or(|end| end > nearest);
                if is_idle {
                    up.borrow_mut().flag(ResponseFlags::STREAM_IDLE_TIMEOUT);
                }
                Err(self.ends_too_late(is_idle))
            })
        })
        .await
    }
}
