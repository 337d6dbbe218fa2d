//! Calls and streams of gRPC to clusters. A service is a cluster's name, or an encoded `GrpcService` that says no more
//! than `envoy_grpc` with `cluster_name` and `authority`; others are refused.
//!
//! Limit: 1,000 calls and streams of a VM at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcEnd, GrpcEvent, GrpcStream, GrpcTarget};

use super::Host;
use super::guest::Guest;
use super::headers::header;
use super::link::Arguments;
use crate::live::{Delivery, Outside};
use crate::pairs::{self, Pairs};
use crate::status::{Done, Status};
use crate::wire;

const MAX_UNDER_WAY: usize = 1000;

/// A call under way, as the plugin sees it. It ends as this is dropped: with the plugin, and with the VM.
pub(crate) struct Under {
    root: u32,
    orders: Rc<RefCell<Orders>>,
}

impl Drop for Under {
    fn drop(&mut self) {
        self.order(|orders| orders.is_cancelled = true);
    }
}

/// What the plugin wants of a call.
#[derive(Default)]
pub(crate) struct Orders {
    messages: VecDeque<(Vec<u8>, bool)>,
    is_closed: bool,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl Under {
    /// Of a plugin.
    pub(crate) fn of(root: u32) -> (Self, Rc<RefCell<Orders>>) {
        let orders = Rc::default();
        let under = Under {
            root,
            orders: Rc::clone(&orders),
        };
        (under, orders)
    }

    /// Whether it is this plugin's.
    pub(crate) fn is_of(&self, root: u32) -> bool {
        self.root == root
    }

    fn order(&self, order: impl FnOnce(&mut Orders)) {
        let mut orders = self.orders.borrow_mut();
        order(&mut orders);
        if let Some(waker) = orders.waker.take() {
            waker.wake();
        }
    }
}

/// What comes of a call; none once it is cancelled.
pub(crate) async fn unless_cancelled<T>(
    orders: &RefCell<Orders>,
    call: impl Future<Output = T>,
) -> Option<T> {
    let mut call = pin!(call);
    poll_fn(|cx| {
        let mut orders = orders.borrow_mut();
        if orders.is_cancelled {
            return Poll::Ready(None);
        }
        orders.waker = Some(cx.waker().clone());
        drop(orders);
        call.as_mut().poll(cx).map(Some)
    })
    .await
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
    let token = begin_call(guest, &asked, &request, timeout)?;
    guest.write_u32(args.u32(11), token)
}

pub(crate) fn stream(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let asked = asked(guest, args)?;
    let token = begin_stream(guest, &asked)?;
    guest.write_u32(args.u32(8), token)
}

/// The token of a call of a kind: 1 for one message each way, 2 for streams; and who makes it, but for trials.
fn token(host: &mut Host, kind: u32) -> Done<(u32, Option<Calls>)> {
    if host.under_way.len() >= MAX_UNDER_WAY {
        return Err(Status::InternalFailure);
    }
    let last = match kind {
        1 => &mut host.tokens[1],
        _ => &mut host.tokens[2],
    };
    let token = last.wrapping_add(4) | kind;
    *last = token & !3;
    Ok((token, host.calls.clone()))
}

/// No call has this token, the last of its kind.
fn give_back(host: &mut Host, token: u32) {
    match token & 3 {
        1 => host.tokens[1] = host.tokens[1].wrapping_sub(4),
        _ => host.tokens[2] = host.tokens[2].wrapping_sub(4),
    }
}

/// Notes a call under way; what the plugin orders of it.
fn note(host: &mut Host, token: u32) -> (Rc<RefCell<Orders>>, Asker) {
    let (under, orders) = Under::of(host.root_id());
    host.under_way.insert(token, under);
    let asker = Asker {
        token,
        root: host.root_id(),
        origin: host.at_work(),
        vm: host.vm.clone(),
    };
    (orders, asker)
}

/// Begins a call with one message each way.
fn begin_call(
    guest: &mut Guest<'_>,
    asked: &Asked,
    request: &[u8],
    timeout: Duration,
) -> Done<u32> {
    let host = guest.host();
    let (token, calls) = token(host, 1)?;
    let Some(calls) = calls else {
        return Ok(token);
    };
    let timeout = (!timeout.is_zero()).then_some(timeout);
    let method = &asked.method;
    let mut answer = Box::pin(asked.target.unary(&*calls, method, request, timeout, None));
    let mut cx = Context::from_waker(Waker::noop());
    let mut early = match answer.as_mut().poll(&mut cx) {
        // There is no such cluster, so that there is nobody to ask.
        Poll::Ready(Err(end)) if end.message == "Cluster not available" => {
            give_back(guest.host(), token);
            return Err(Status::ParseFailure);
        }
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    };
    let (orders, asker) = note(guest.host(), token);
    calls.spawn(Box::pin(async move {
        let answered = poll_fn(|cx| match early.take() {
            Some(answer) => Poll::Ready(answer),
            None => answer.as_mut().poll(cx),
        });
        let Some(answer) = unless_cancelled(&orders, answered).await else {
            return;
        };
        asker.is_over();
        asker.tell(match answer {
            Ok(message) => Delivery::Message(token, message),
            Err(end) => closing(token, end),
        });
    }));
    Ok(token)
}

/// How a call ended, with Envoy's words for who told it.
fn closing(token: u32, end: GrpcEnd) -> Delivery {
    let by_host = !end.broke_off && !end.trailers.is_empty();
    let how = end.own_details.as_deref().unwrap_or("via_upstream");
    let message = match (by_host, &end.message[..]) {
        (true, "") => how.to_owned(),
        (true, said) => format!("{said}{{{how}}}"),
        (false, said) => said.to_owned(),
    };
    let message = message.into_bytes();
    Delivery::Close(token, end.status, message)
}

/// Begins a stream.
fn begin_stream(guest: &mut Guest<'_>, asked: &Asked) -> Done<u32> {
    let host = guest.host();
    let (token, calls) = token(host, 2)?;
    let Some(calls) = calls else {
        return Ok(token);
    };
    let stream = asked.target.stream(&*calls, &asked.method, None);
    let Ok(stream) = stream else {
        give_back(host, token);
        return Err(Status::ParseFailure);
    };
    let (orders, asker) = note(host, token);
    let run = Run {
        stream,
        orders,
        asker,
    };
    calls.spawn(Box::pin(run.run()));
    Ok(token)
}

/// Who began a call.
struct Asker {
    token: u32,
    root: u32,
    origin: u32,
    vm: Weak<dyn Outside>,
}

impl Asker {
    fn tell(&self, delivery: Delivery) {
        if let Some(vm) = self.vm.upgrade() {
            vm.deliver(self.root, self.origin, delivery);
        }
    }

    fn is_over(&self) {
        if let Some(vm) = self.vm.upgrade() {
            vm.forget_call(self.token);
        }
    }
}

/// A stream under way, as its task sees it.
struct Run {
    stream: GrpcStream,
    orders: Rc<RefCell<Orders>>,
    asker: Asker,
}

/// What comes next of a stream.
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
            let token = self.asker.token;
            match next {
                Next::Cancelled => return,
                Next::Event(GrpcEvent::Head(head)) => {
                    self.asker.tell(Delivery::InitialMetadata(token, head));
                }
                Next::Event(GrpcEvent::Message(message)) => {
                    self.asker.tell(Delivery::Message(token, message));
                }
                Next::Event(GrpcEvent::End(end)) => {
                    self.asker.is_over();
                    if !end.trailers.is_empty() {
                        let trailers = end.trailers.clone();
                        self.asker.tell(Delivery::TrailingMetadata(token, trailers));
                    }
                    self.asker.tell(closing(token, end));
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
    let under = guest.host().under_way.remove(&token);
    // It is cancelled as it is dropped.
    under.map(drop).ok_or(Status::NotFound)
}
