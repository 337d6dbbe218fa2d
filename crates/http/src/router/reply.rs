//! The heads of answers of our own, gRPC's form among them.

use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;

use super::finalize;
use crate::route::{Action, is_grpc};
use crate::stream::StreamState;

/// Makes the head of an answer of our own in `state.response`; whether the body goes with it, which gRPC's form
/// of an answer does not have. The route's own answers get its header mutations behind their own headers.
pub(crate) fn reply_head(
    state: &mut StreamState,
    reply: &LocalReply,
    by_route: bool,
    services: &dyn WorkerServices,
) -> bool {
    state.response.reset(MapKind::Response);
    if is_grpc(&state.request) {
        grpc_reply(&mut state.response, reply);
        return false;
    }
    state
        .response
        .set_integer(Known::Status, u64::from(reply.status));
    let forwards = state
        .route
        .index
        .is_some_and(|index| matches!(state.route.table.action(index), Action::Forward(_)));
    if forwards {
        finalize::response(state, services);
    }
    for (name, value) in &reply.headers {
        state.response.append(name, value);
    }
    if by_route {
        finalize::response(state, services);
    }
    state.info.response_code = Some(reply.status);
    if !reply.body.is_empty() {
        state.response.set_integer(
            Known::ContentLength,
            u64::try_from(reply.body.len()).unwrap_or(u64::MAX),
        );
        if !state.response.contains(Known::ContentType) {
            state.response.set(Known::ContentType, b"text/plain");
        }
    }
    true
}

/// A reply to a gRPC request: status 200, and what went wrong in `grpc-status` and `grpc-message`.
fn grpc_reply(head: &mut HeaderMap, reply: &LocalReply) {
    head.set(Known::Status, b"200");
    head.set(Known::ContentType, b"application/grpc");
    let status = reply
        .grpc_status
        .unwrap_or_else(|| grpc_status_of(reply.status));
    head.set_integer(Known::GrpcStatus, u64::from(status));
    if !reply.body.is_empty() {
        head.set(Known::GrpcMessage, &percent_encoded(&reply.body));
    }
    for (name, value) in &reply.headers {
        head.append(name, value);
    }
}

/// The mapping of gRPC's specification, as Envoy has it.
fn grpc_status_of(status: u16) -> u32 {
    const INTERNAL: u32 = 13;
    const UNAUTHENTICATED: u32 = 16;
    const PERMISSION_DENIED: u32 = 7;
    const UNIMPLEMENTED: u32 = 12;
    const UNAVAILABLE: u32 = 14;
    const UNKNOWN: u32 = 2;
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// `grpc-message`: everything outside of printable ASCII, and `%`, percent-encoded.
fn percent_encoded(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, 0x20..=0x7e) && *byte != b'%' {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
    out
}
