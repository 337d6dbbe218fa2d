//! Calls and streams of gRPC to clusters. A service is a cluster's name, or an encoded `GrpcService` that says no more
//! than `envoy_grpc` with `cluster_name` and `authority`; others are refused.
//!
//! Limit: 1,000 calls and streams of a VM at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream, GrpcTarget};

use super::guest::Guest;
use super::headers::header;
use super::link::Arguments;
use crate::live::Delivery;
use crate::pairs::{self, Pairs};
use crate::status::{Done, Status};
use crate::vm::Vm;
use crate::wire;

const MAX_UNDER_WAY: usize = 1000;

/// A call under way, as the plugin sees it.
pub(crate) struct Under(Rc<RefCell<Orders>>);

/// What the plugin wants of a call.
#[derive(Default)]
struct Orders {
    messages: VecDeque<(Vec<u8>, bool)>,
    is_closed: bool,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl Under {
    fn order(&self, order: impl FnOnce(&mut Orders)) {
        let mut orders = self.0.borrow_mut();
        order(&mut orders);
        if let Some(waker) = orders.waker.take() {
            waker.wake();
        }
    }
}

/// Where a call goes, as the plugin says it.
fn target(service: &[u8]) -> Done<GrpcTarget> {
    if let Some(found) = wire::grpc_service(service) {
        return found
            .map(|cluster| GrpcTarget::of_cluster(&cluster))
            .ok_or(Status::BadArgument);
    }
    let cluster = std::str::from_utf8(service).map_err(|_| Status::ParseFailure)?;
    Ok(GrpcTarget::of_cluster(cluster))
}

struct Asked {
    target: GrpcTarget,
    method: String,
}

fn asked(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done<Asked> {
    let service = guest.read(args.u32(0), args.u32(1))?;
    let name = guest.read(args.u32(2), args.u32(3))?;
    let method = guest.read(args.u32(4), args.u32(5))?;
    let metadata: Pairs = pairs::read(&guest.read(args.u32(6), args.u32(7))?);
    let mut target = target(&service)?;
    for (name, value) in metadata {
        if let (Ok(name), Ok(value)) = (header(&name, &value), std::str::from_utf8(&value)) {
            target = target.with_metadata(name, value);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Asked {
        target,
        method: format!("/{}/{}", text(&name), text(&method)),
    })
}

pub(crate) fn call(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let asked = asked(guest, args)?;
    let request = guest.read(args.u32(8), args.u32(9))?;
    let timeout = Duration::from_millis(args.u32(10).into());
    let token = begin(guest, &asked, 1, Some((request, timeout)))?;
    guest.write_u32(args.u32(11), token)
}

pub(crate) fn stream(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let asked = asked(guest, args)?;
    let token = begin(guest, &asked, 2, None)?;
    guest.write_u32(args.u32(8), token)
}

/// Begins a call of a kind: 1 for one message each way, 2 for streams.
fn begin(
    guest: &mut Guest<'_>,
    asked: &Asked,
    kind: u32,
    only: Option<(Vec<u8>, Duration)>,
) -> Done<u32> {
    let host = guest.host();
    if host.under_way.len() >= MAX_UNDER_WAY {
        return Err(Status::InternalFailure);
    }
    let last = if kind == 1 {
        &mut host.tokens[1]
    } else {
        &mut host.tokens[2]
    };
    let token = last.wrapping_add(4) | kind;
    *last = token & !3;
    if host.is_trial {
        return Ok(token);
    }
    let calls = host.calls.clone().ok_or(Status::InternalFailure)?;
    let begun = asked.target.stream(&*calls, &asked.method, None);
    // Without such a cluster there is nobody to ask.
    let mut begun = begun.map_err(|_| Status::ParseFailure)?;
    let orders = Rc::new(RefCell::new(Orders::default()));
    let mut deadline = None;
    if let Some((message, timeout)) = only {
        begun.send(&message);
        begun.finish();
        deadline = (!timeout.is_zero()).then(|| calls.sleep(timeout));
    }
    let (root, origin, vm) = (host.root_id(), host.at_work(), host.vm.clone());
    host.under_way.insert(token, Under(Rc::clone(&orders)));
    let run = Run {
        stream: begun,
        orders,
        token,
        is_unary: kind == 1,
        root,
        origin,
        vm,
    };
    calls.spawn(Box::pin(async move {
        let mut run = Box::pin(run.run());
        poll_fn(|cx| {
            let is_late = deadline
                .as_mut()
                .is_some_and(|it| it.as_mut().poll(cx).is_ready());
            match run.as_mut().poll(cx) {
                Poll::Pending if is_late => Poll::Ready(()),
                other => other,
            }
        })
        .await;
    }));
    Ok(token)
}

/// A call under way, as its task sees it.
struct Run {
    stream: GrpcStream,
    orders: Rc<RefCell<Orders>>,
    token: u32,
    is_unary: bool,
    root: u32,
    origin: u32,
    vm: Weak<Vm>,
}

/// What comes next of a call.
enum Next {
    Event(GrpcEvent),
    Cancelled,
}

impl Run {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut orders = self.orders.borrow_mut();
        if orders.is_cancelled {
            return Poll::Ready(Next::Cancelled);
        }
        while let Some((message, is_last)) = orders.messages.pop_front() {
            self.stream.send(&message);
            if is_last {
                self.stream.finish();
            }
        }
        if std::mem::take(&mut orders.is_closed) {
            self.stream.finish();
        }
        orders.waker = Some(cx.waker().clone());
        drop(orders);
        self.stream.poll_next(cx).map(Next::Event)
    }

    async fn run(mut self) {
        loop {
            let next = poll_fn(|cx| self.poll(cx)).await;
            let Some(vm) = self.vm.upgrade() else { return };
            let token = self.token;
            let tell = |delivery| vm.deliver(self.root, self.origin, delivery);
            match next {
                Next::Cancelled => return,
                Next::Event(GrpcEvent::Head(head)) if !self.is_unary => {
                    tell(Delivery::InitialMetadata(token, head));
                }
                Next::Event(GrpcEvent::Head(_)) => {}
                Next::Event(GrpcEvent::Message(message)) => {
                    if self.is_unary {
                        vm.forget_call(token);
                    }
                    tell(Delivery::Message(token, message));
                    if self.is_unary {
                        return;
                    }
                }
                Next::Event(GrpcEvent::End(end)) => {
                    vm.forget_call(token);
                    if !self.is_unary && !end.trailers.is_empty() {
                        tell(Delivery::TrailingMetadata(token, end.trailers));
                    }
                    let message = end.message.into_bytes();
                    tell(Delivery::Close(token, end.status, message));
                    return;
                }
            }
        }
    }
}

pub(crate) fn send(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let message = guest.read(args.u32(1), args.u32(2))?;
    let (token, is_last) = (args.u32(0), args.u32(3) != 0);
    if token & 3 != 2 {
        return Err(Status::BadArgument);
    }
    let under = guest.host().under_way.get(&token).ok_or(Status::NotFound)?;
    under.order(|orders| orders.messages.push_back((message, is_last)));
    Ok(())
}

pub(crate) fn close(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let token = args.u32(0);
    match token & 3 {
        1 => cancel(guest, args),
        2 => {
            let under = guest.host().under_way.get(&token).ok_or(Status::NotFound)?;
            under.order(|orders| orders.is_closed = true);
            Ok(())
        }
        _ => Err(Status::BadArgument),
    }
}

pub(crate) fn cancel(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let token = args.u32(0);
    if !matches!(token & 3, 1 | 2) {
        return Err(Status::BadArgument);
    }
    let under = guest
        .host()
        .under_way
        .remove(&token)
        .ok_or(Status::NotFound)?;
    under.order(|orders| orders.is_cancelled = true);
    Ok(())
}
