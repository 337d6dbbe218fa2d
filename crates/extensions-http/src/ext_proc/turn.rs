//! What happens next on a stream that waits for the processor: what may go on, what the processor says, that it is late or
//! gone, and what comes of that.

use std::task::{Context, Poll, Waker};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::http_filter::{FilterContext, Late, Then};
use nuncio_contract::local_reply::LocalReply;
use nuncio_service_messages::ext_proc::Answer;

use super::answers::{Head, restore_length, way_of};
use super::fail::Failure;
use super::filter::Filter;
use super::session::Heard;
use super::side::{Trailers, Way};

/// What a turn of the filter came to.
enum Step {
    /// The engine gets this.
    Late(Late),
    /// Something was done.
    Done(Result<(), Failure>),
}

impl Filter {
    pub(super) fn poll(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        mut head: Head<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        loop {
            let done = match self.failed.take() {
                Some(failure) => Err(failure),
                None => match self.poll_step(way, context, head.as_deref_mut(), cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Step::Late(late)) => return Poll::Ready(late),
                    Poll::Ready(Step::Done(done)) => done,
                },
            };
            let Err(failure) = done else { continue };
            if failure.is_too_large {
                self.side_mut(way).give_up();
                let reply = Failure::too_large_reply(way == Way::Request);
                return Poll::Ready(reply_late(reply));
            }
            if let Some(reply) = self.fail(failure, context) {
                return Poll::Ready(reply_late(reply));
            }
            self.restore_lengths(way, context, head.as_deref_mut());
        }
    }

    /// The next thing that happens.
    fn poll_step(
        &mut self,
        way: Way,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        self.settle_duplex();
        if self.side(way).lets_head_go {
            let headers = head.as_deref().unwrap_or(&*context.request_headers);
            self.side_mut(way).keep_to_length(headers);
        }
        if let Some(late) = self.side_mut(way).next() {
            let is_last = match late.then {
                Then::End => true,
                // Trailers are behind it.
                Then::Nothing => matches!(self.side(way).trailers, Trailers::Settled(_)),
                _ => false,
            };
            let is_true = self.side_mut(way).count(late.data.len(), is_last);
            return Poll::Ready(match is_true {
                true => Step::Late(late),
                false => Step::Done(Err(Failure::bad_length())),
            });
        }
        if let Some(message) = self.side_mut(way).inbox.pop_front() {
            let done = self.take_answer(way, *message, context, head);
            return Poll::Ready(Step::Done(done));
        }
        let heard = match self.early.pop_front() {
            Some(heard) => Poll::Ready(heard),
            None => self.session.poll(cx),
        };
        match heard {
            Poll::Ready(Heard::End(end)) => {
                let done = self.take_end(&end);
                if done.is_ok() {
                    self.restore_lengths(way, context, head);
                    cx.waker().wake_by_ref();
                }
                return Poll::Ready(Step::Done(done));
            }
            Poll::Ready(Heard::Message(message)) => {
                if let Some(timeout) = message.override_message_timeout {
                    self.take_more_time(timeout, context);
                    return Poll::Ready(Step::Done(Ok(())));
                }
                let other = way_of(&message).filter(|of| *of != way);
                if let Some(Answer::Immediate(immediate)) = message.answer {
                    let metadata = message.dynamic_metadata;
                    return Poll::Ready(match self.take_immediate(immediate, metadata, context) {
                        Ok(reply) => Step::Late(reply_late(self.answer_with(reply, context))),
                        Err(failure) => Step::Done(Err(failure)),
                    });
                }
                let done = match other {
                    Some(other) if self.side(other).is_kept => {
                        self.side_mut(other).inbox.push_back(message);
                        cx.waker().wake_by_ref();
                        Ok(())
                    }
                    _ => self.take_answer(way_of(&message).unwrap_or(way), *message, context, head),
                };
                return Poll::Ready(Step::Done(done));
            }
            Poll::Pending => {}
        }
        for side in [&mut self.request, &mut self.response] {
            if let Some(timer) = &mut side.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                side.timer = None;
                self.worker.stats.cells.message_timeouts.inc();
                return Poll::Ready(Step::Done(Err(Failure::timeout())));
            }
        }
        Poll::Pending
    }

    /// The processor has ended its stream.
    fn take_end(&mut self, end: &GrpcEnd) -> Result<(), Failure> {
        let stats = &self.worker.stats.cells;
        stats.server_half_closed.inc();
        if end.status != status::OK {
            stats.streams_failed.inc();
            self.session.ended();
            return Err(Failure::ended(end));
        }
        stats.streams_closed.inc();
        self.session.ended();
        if self.is_body_lost() {
            return Err(Failure::of_processor("ext_proc_error_body_not_returned"));
        }
        self.give_up();
        Ok(())
    }

    /// Whether some of a body is with the processor alone.
    fn is_body_lost(&self) -> bool {
        self.request.is_body_lost() || self.response.is_body_lost()
    }

    /// What a failure comes to: an answer, or that the stream goes on without the processor.
    pub(super) fn fail(
        &mut self,
        failure: Failure,
        context: &mut FilterContext<'_>,
    ) -> Option<Box<LocalReply>> {
        let stats = &self.worker.stats.cells;
        if failure.may_pass && self.effective.passes_on_error && !self.is_body_lost() {
            stats.failure_mode_allowed.inc();
            if failure.is_end {
                // Envoy closes what has ended, and counts both once more.
                stats.server_half_closed.inc();
                stats.streams_closed.inc();
            }
            self.session.close(stats);
            self.give_up();
            return None;
        }
        let reply = failure.reply(&self.worker);
        Some(self.answer_with(reply, context))
    }

    /// The client gets an answer, which the processor does not see.
    fn answer_with(
        &mut self,
        reply: Box<LocalReply>,
        context: &mut FilterContext<'_>,
    ) -> Box<LocalReply> {
        let stats = &self.worker.stats.cells;
        stats.immediate_responses_sent.inc();
        self.session.close(stats);
        self.give_up();
        // Where a response has begun it is all that tells why it ends.
        context.stream_info.response_code_details = Some(reply.details.clone());
        reply
    }

    /// A length that the processor has said does not hold for a body that goes on as it came.
    fn restore_lengths(&mut self, way: Way, context: &mut FilterContext<'_>, head: Head<'_>) {
        let headers = head.unwrap_or(&mut *context.request_headers);
        let side = self.side_mut(way);
        if side.lets_head_go {
            restore_length(side, headers);
        }
    }

    /// Listens without waiting, before something is told.
    pub(super) fn hear_early(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(heard) = self.session.poll(&mut cx) {
            let is_end = matches!(heard, Heard::End(_));
            self.early.push_back(heard);
            if is_end {
                break;
            }
        }
    }

    /// Nothing was asked, so that there is nothing to be answered.
    pub(super) fn take_early(&mut self, context: &mut FilterContext<'_>) -> Result<(), Failure> {
        if self.request.awaits() || self.response.awaits() || self.request.is_kept {
            return Ok(());
        }
        while let Some(heard) = self.early.pop_front() {
            match heard {
                Heard::End(end) => self.take_end(&end)?,
                Heard::Message(message) if message.override_message_timeout.is_some() => {
                    self.worker
                        .stats
                        .cells
                        .override_message_timeout_ignored
                        .inc();
                }
                Heard::Message(message) => {
                    let way = way_of(&message).unwrap_or(Way::Request);
                    self.take_answer(way, *message, context, None)?;
                }
            }
        }
        Ok(())
    }
}

fn reply_late(reply: Box<LocalReply>) -> Late {
    Late {
        data: Buffer::default(),
        taken_bytes: 0,
        then: Then::Reply(reply),
    }
}
