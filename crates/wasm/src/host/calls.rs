//! Calls over HTTP to clusters. The answer comes to the plugin's own context; where the stream that asked waits, in the
//! stream's turn, so that the plugin can change what it holds.
//!
//! Limits: answers of 32 MiB; 10,000 calls of a VM at once.

use std::future::poll_fn;
use std::time::Duration;

use nuncio_contract::calls::{CallEvent, CallOptions, HttpCall, MAX_ANSWER_BYTES};
use nuncio_contract::headers::{HeaderMap, Known};

use super::grpc::{Under, unless_cancelled};
use super::guest::Guest;
use super::headers::header;
use super::link::Arguments;
use crate::live::{Answer, Delivery};
use crate::pairs::{self, Pairs};
use crate::status::{Done, Status};

const MAX_CALLS: usize = 10_000;

pub(crate) fn http_call(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let cluster = guest.read(args.u32(0), args.u32(1))?;
    let headers = pairs::read(&guest.read(args.u32(2), args.u32(3))?);
    let body = guest.read(args.u32(4), args.u32(5))?;
    let _trailers_that_no_call_has = guest.read(args.u32(6), args.u32(7))?;
    let timeout_ms = args.u32(8);
    guest.write_u32(args.u32(9), 0)?;
    let token = start(guest, &cluster, &headers, &body, timeout_ms)?;
    guest.write_u32(args.u32(9), token)
}

fn start(
    guest: &mut Guest<'_>,
    cluster: &[u8],
    headers: &Pairs,
    body: &[u8],
    timeout_ms: u32,
) -> Done<u32> {
    if timeout_ms > i32::MAX.unsigned_abs() {
        return Err(Status::BadArgument);
    }
    let mut head = HeaderMap::request();
    for (name, value) in headers {
        if let Ok(name) = header(name, value) {
            head.append(&name, value);
        }
    }
    let mut needed = [Known::Path, Known::Method, Known::Authority].into_iter();
    if !needed.all(|name| head.contains(name)) {
        return Err(Status::BadArgument);
    }
    let host = guest.host();
    if host.calls_under_way.len() >= MAX_CALLS {
        return Err(Status::InternalFailure);
    }
    let cluster = std::str::from_utf8(cluster).map_err(|_| Status::BadArgument)?;
    let token = host.tokens[0].wrapping_add(4);
    if host.is_trial {
        host.tokens[0] = token;
        return Ok(token);
    }
    if !body.is_empty() {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        head.set_integer(Known::ContentLength, length);
    }
    let options = CallOptions {
        timeout: (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into())),
        hides_address: true,
        ..CallOptions::default()
    };
    let calls = host.calls.clone().ok_or(Status::BadArgument)?;
    let call = calls.start(cluster, head, options);
    let mut call = call.ok_or(Status::BadArgument)?;
    call.send(body, true);
    host.tokens[0] = token;
    let (under, orders) = Under::of(host.root_id());
    host.calls_under_way.insert(token, under);
    let (root, origin, vm) = (host.root_id(), host.at_work(), host.vm.clone());
    calls.spawn(Box::pin(async move {
        let Some(answer) = unless_cancelled(&orders, gather(call)).await else {
            return;
        };
        if let Some(vm) = vm.upgrade() {
            vm.deliver(root, origin, Delivery::Answer(token, answer.map(Box::new)));
        }
    }));
    Ok(token)
}

/// The whole answer; none if it breaks off or is too long.
async fn gather(mut call: Box<dyn HttpCall>) -> Option<Answer> {
    let mut answer = Answer {
        headers: HeaderMap::response(),
        body: Vec::new(),
        trailers: None,
    };
    loop {
        let is_whole = match poll_fn(|cx| call.poll_next(cx)).await {
            CallEvent::Head {
                headers,
                end_stream,
            } => {
                answer.headers = headers;
                end_stream
            }
            CallEvent::Data { data, end_stream } => {
                if answer.body.len() + data.len() > MAX_ANSWER_BYTES {
                    return None;
                }
                answer.body.extend_from_slice(data.readable());
                end_stream
            }
            CallEvent::Trailers(trailers) => {
                answer.trailers = Some(trailers);
                true
            }
            CallEvent::Reset => return None,
        };
        if is_whole {
            return Some(answer);
        }
    }
}
