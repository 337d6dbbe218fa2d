//! A plugin's turn with a stream: the stream's parts go into the VM, the plugin is called, the parts come back.

use std::future::poll_fn;
use std::mem::{swap, take};
use std::rc::Rc;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::services::LocalFuture;

use crate::host::Host;
use crate::live::{Outcome, Sight};
use crate::vm::Vm;

/// The parts of a stream besides what every call has.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// The response's head, where it is at hand.
    pub(crate) response: Option<&'a mut HeaderMap>,
    pub(crate) request_trailers: Option<&'a mut HeaderMap>,
    pub(crate) response_trailers: Option<&'a mut HeaderMap>,
    /// The body of a direction, 0 for the request's.
    pub(crate) body: Option<(usize, &'a mut Buffer)>,
}

/// Does something with the stream in the VM.
pub(crate) fn turn<T>(
    vm: &Rc<Vm>,
    id: u32,
    context: &mut FilterContext<'_>,
    parts: &mut Parts<'_>,
    act: impl FnOnce(&Rc<Vm>) -> T,
) -> T {
    vm.know_node(|| context.services.local_node());
    vm.with(|host| {
        host.live.context = id;
        exchange(host, context, parts);
    });
    let result = act(vm);
    let clears_route = vm.with(|host| {
        exchange(host, context, parts);
        host.live.context = 0;
        take(&mut host.live.clears_route)
    });
    if clears_route {
        context.route_is_stale.set(true);
    }
    result
}

fn exchange(host: &mut Host, context: &mut FilterContext<'_>, parts: &mut Parts<'_>) {
    let live = &mut host.live;
    swap(&mut live.request, context.request_headers);
    swap(&mut live.info, context.stream_info);
    let response = parts.response.as_deref_mut();
    if let Some(response) = response.or(context.response.as_deref_mut()) {
        swap(&mut live.response, response);
    }
    if let Some(trailers) = parts.request_trailers.as_deref_mut() {
        swap(&mut live.request_trailers, trailers);
    }
    if let Some(trailers) = parts.response_trailers.as_deref_mut() {
        swap(&mut live.response_trailers, trailers);
    }
    if let Some((direction, body)) = &mut parts.body
        && let Some(place) = live.bodies.get_mut(*direction)
    {
        swap(place, body);
    }
}

/// Changes what a stream's plugin sees; what it sees now.
pub(crate) fn see(vm: &Vm, id: u32, change: impl FnOnce(&mut Sight)) -> Sight {
    vm.with(|host| {
        let context = host.contexts.entry(id).or_default();
        change(&mut context.sight);
        context.sight
    })
}

/// What a plugin has decided of a stream since the last time.
pub(crate) fn take_outcome(vm: &Vm, id: u32) -> Outcome {
    vm.with(|host| {
        let context = host.contexts.get_mut(&id);
        context
            .map(|context| take(&mut context.outcome))
            .unwrap_or_default()
    })
}

/// A call begins: that a direction was to go on before it is over, and says nothing of what the call will hold.
pub(crate) fn forget_resume(vm: &Vm, id: u32, direction: usize) {
    vm.with(|host| {
        let context = host.contexts.get_mut(&id);
        if let Some(resumes) =
            context.and_then(|context| context.outcome.resumes.get_mut(direction))
        {
            *resumes = false;
        }
    });
}

/// Hands over what came for the stream's plugin while the stream waited.
pub(crate) fn deliver_waiting(vm: &Rc<Vm>, id: u32) {
    loop {
        let next = vm.with(|host| {
            let context = host.contexts.get_mut(&id)?;
            let inbox = &mut context.waiting.inbox;
            match inbox.is_empty() {
                true => None,
                false => Some((context.root, inbox.remove(0))),
            }
        });
        let Some((root, delivery)) = next else { return };
        vm.deliver_now(root, delivery);
    }
}

/// Begins to wait: from now on what comes is delivered in a turn of the stream.
pub(crate) fn begin_wait(vm: &Vm, id: u32) {
    vm.with(|host| {
        if let Some(context) = host.contexts.get_mut(&id) {
            context.waiting.turns += 1;
        }
    });
}

/// No longer waits.
pub(crate) fn end_wait(vm: &Vm, id: u32) {
    vm.with(|host| {
        if let Some(context) = host.contexts.get_mut(&id) {
            context.waiting.turns = context.waiting.turns.saturating_sub(1);
        }
    });
}

/// Over once there is something for the stream.
pub(crate) fn woken(vm: &Rc<Vm>, id: u32) -> LocalFuture<()> {
    let vm = Rc::clone(vm);
    Box::pin(poll_fn(move |cx| {
        vm.with(|host| match host.contexts.get_mut(&id) {
            None => Poll::Ready(()),
            Some(context) if context.waiting.is_woken => {
                context.waiting.is_woken = false;
                Poll::Ready(())
            }
            Some(context) if !context.outcome.is_none() || !context.waiting.inbox.is_empty() => {
                Poll::Ready(())
            }
            Some(context) => {
                context
                    .waiting
                    .wakers
                    .retain(|waker| !waker.will_wake(cx.waker()));
                context.waiting.wakers.push(cx.waker().clone());
                Poll::Pending
            }
        })
    }))
}
