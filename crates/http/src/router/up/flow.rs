//! What runs through the filters of a try: in each direction a task that takes what comes and leaves what comes out.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::upstream_filters::UpstreamSlot;

use crate::filter_chain::Way;
use crate::filter_engine::{Beneath, Flow, LateStep, Run};
use crate::stream::StreamState;
use crate::worker::Worker;

/// A direction under way.
pub(super) type Task<'e> = Pin<Box<dyn Future<Output = ()> + 'e>>;

/// Both directions and the filters.
pub(super) struct Flows<'e> {
    /// The response's head as these filters see it, their metadata, and the filters.
    pub(super) own: RefCell<Box<StreamState>>,
    pub(super) stream: &'e RefCell<Box<StreamState>>,
    worker: &'e Worker,
    slots: Rc<[UpstreamSlot]>,
    up: RefCell<Pipe>,
    down: RefCell<Pipe>,
    /// A filter's answer in the place of the host's.
    pub(super) reply: RefCell<Option<Box<LocalReply>>>,
}

/// What has come and what has come out.
#[derive(Default)]
pub(super) struct Pipe {
    pub(super) came: Piece,
    /// Whether the head may go on.
    pub(super) has_head: bool,
    pub(super) out: Piece,
}

/// Some of a body.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) data: Buffer,
    pub(super) trailers: Option<Box<HeaderMap>>,
    /// Whether nothing comes behind.
    pub(super) is_last: bool,
}

impl Piece {
    fn is_none(&self) -> bool {
        self.data.is_empty() && !self.is_last
    }
}

enum Next {
    Piece(Piece),
    Late(LateStep),
}

impl<'e> Flows<'e> {
    pub(super) fn new(
        own: Box<StreamState>,
        stream: &'e RefCell<Box<StreamState>>,
        worker: &'e Worker,
        slots: &Rc<[UpstreamSlot]>,
    ) -> Rc<Self> {
        Rc::new(Flows {
            own: RefCell::new(own),
            stream,
            worker,
            slots: Rc::clone(slots),
            up: RefCell::default(),
            down: RefCell::default(),
            reply: RefCell::default(),
        })
    }

    pub(super) fn pipe(&self, way: Way) -> &RefCell<Pipe> {
        match way {
            Way::Decode => &self.up,
            Way::Encode => &self.down,
        }
    }

    /// A direction, from the head that is in `own` to its end.
    pub(super) fn begin(self: &Rc<Self>, way: Way, end_stream: bool) -> Task<'e> {
        let flows = Rc::clone(self);
        Box::pin(async move {
            if let Err(reply) = flows.pass(way, end_stream).await {
                *flows.reply.borrow_mut() = Some(reply);
            }
        })
    }

    async fn pass(&self, way: Way, end_stream: bool) -> Result<(), Box<LocalReply>> {
        let run = Run {
            state: &self.own,
            worker: self.worker,
            routes: None,
            way,
            beneath: Some(Beneath {
                stream: self.stream,
                slots: &self.slots,
            }),
        };
        run.headers(0, end_stream).await?;
        let mut is_all_here = end_stream;
        while !self.settle(&run, is_all_here) {
            match poll_fn(|cx| self.poll_next(cx, &run, is_all_here)).await {
                Next::Piece(piece) => {
                    is_all_here = piece.is_last;
                    self.take(&run, piece).await?;
                }
                Next::Late(step) => {
                    let released = run.release(step).await?;
                    let out = &mut self.pipe(way).borrow_mut().out;
                    if let Flow::Through(data) = released.data {
                        out.data.append(data);
                    }
                    if released.trailers.is_some() {
                        out.trailers = released.trailers;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells how far it is; whether that is the end.
    fn settle(&self, run: &Run<'_>, is_all_here: bool) -> bool {
        let holds_head = self.own.borrow().filters.holds_headers(run.way);
        let pipe = &mut *self.pipe(run.way).borrow_mut();
        pipe.has_head = !holds_head;
        pipe.out.is_last = is_all_here && !holds_head && !run.is_late();
        pipe.out.is_last
    }

    fn poll_next(&self, cx: &mut Context<'_>, run: &Run<'_>, is_all_here: bool) -> Poll<Next> {
        let is_late = run.is_late();
        let came = &mut self.pipe(run.way).borrow_mut().came;
        if !is_all_here && !came.is_none() && (!is_late || run.takes_more()) {
            return Poll::Ready(Next::Piece(std::mem::take(came)));
        }
        match is_late {
            true => run.poll_late(cx).map(Next::Late),
            false => Poll::Pending,
        }
    }

    async fn take(&self, run: &Run<'_>, piece: Piece) -> Result<(), Box<LocalReply>> {
        let has_trailers = piece.trailers.is_some();
        let out = |flow: Flow<Buffer>| {
            if let Flow::Through(data) = flow {
                self.pipe(run.way).borrow_mut().out.data.append(data);
            }
        };
        if !piece.data.is_empty() || !has_trailers {
            let is_last = piece.is_last && !has_trailers;
            out(run.data(0, piece.data, is_last).await?);
        }
        if let Some(mut trailers) = piece.trailers {
            out(run.trailers(0, &mut trailers).await?);
            if !run.awaits_trailers() {
                self.pipe(run.way).borrow_mut().out.trailers = Some(trailers);
            }
        }
        Ok(())
    }
}

impl Drop for Flows<'_> {
    fn drop(&mut self) {
        self.own.get_mut().filters.destroy();
    }
}
