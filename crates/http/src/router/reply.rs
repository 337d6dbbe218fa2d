//! The heads of answers of our own, gRPC's form among them.

use std::borrow::Cow;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;

use super::finalize;
use crate::connection_manager::ConnectionManagerConfig;
use crate::connection_manager::local_reply::Worded;
use crate::exchange::status_of;
use crate::route::{Action, is_grpc};
use crate::stream::StreamState;

/// Makes the head of an answer of our own in `state.response`, worded as the connection manager says, and notes it
/// in the stream's info; returns the body that goes with it, which gRPC's form of an answer does not have. The
/// route's own answers get its header mutations behind their own headers.
pub(crate) fn make_reply(
    state: &mut StreamState,
    reply: LocalReply,
    by_route: bool,
    manager: &ConnectionManagerConfig,
    services: &dyn WorkerServices,
) -> Cow<'static, [u8]> {
    if reply.is_bare {
        bare(state, reply);
        return Cow::default();
    }
    if !reply.flags_are_late {
        state.info.response_flags |= reply.flags;
    }
    state.info.response_code_details = Some(reply.details.clone());
    state.response.reset(MapKind::Response);
    begin_head(state, &reply, by_route, services);
    state.info.response_code = Some(reply.status);
    let worded = word(state, reply.body, manager, services);
    state.info.response_flags |= reply.flags;
    if let Some(metadata) = reply.metadata {
        let (namespace, fields) = *metadata;
        state.info.dynamic_metadata_mut().merge(namespace, fields);
    }
    end_reply(state, worded, reply.grpc_status)
}

/// Makes an answer of our own of a host's to a WebSocket handshake, whose head is in `state.response`; returns the
/// body. Length and type of the host's, which is not passed on, give theirs their places.
pub(super) fn make_handshake_reply(
    state: &mut StreamState,
    status: u16,
    manager: &ConnectionManagerConfig,
    services: &dyn WorkerServices,
) -> Cow<'static, [u8]> {
    state.info.response_code_details = Some("websocket_handshake_unsuccessful".into());
    let given = std::mem::replace(&mut state.response, HeaderMap::response());
    state.response.set_integer(Known::Status, u64::from(status));
    finalize::response(state, services);
    for header in given.iter_regular() {
        let known = Known::find(header.name);
        state
            .response
            .append_found(known, header.name, header.value);
    }
    state.info.response_code = Some(status);
    let worded = word(state, Cow::default(), manager, services);
    end_reply(state, worded, None)
}

/// Has the connection manager word an answer.
fn word<'a>(
    state: &mut StreamState,
    body: Cow<'static, [u8]>,
    manager: &'a ConnectionManagerConfig,
    services: &dyn WorkerServices,
) -> Worded<'a> {
    match &manager.local_replies {
        None => Worded::as_it_is(body),
        Some(replies) => replies.rewrite(state, body, services),
    }
}

/// Puts the answer in gRPC's form where that is wanted; returns its body.
fn end_reply(
    state: &mut StreamState,
    mut worded: Worded<'_>,
    grpc_status: Option<u32>,
) -> Cow<'static, [u8]> {
    let is_head = state.request.get(Known::Method) == Some(b"HEAD");
    if is_of_grpc(state) {
        let message = if is_head { b"" } else { worded.as_line() };
        grpc_reply(&mut state.response, grpc_status, message);
        return Cow::default();
    }
    finish_head(&mut state.response, &mut worded);
    if is_head { Cow::default() } else { worded.body }
}

/// Whether the client's request was of gRPC, whatever filters have made of it.
fn is_of_grpc(state: &StreamState) -> bool {
    match state.filters.knows_grpc {
        true => state.filters.began_as_grpc,
        false => is_grpc(&state.request),
    }
}

/// Nobody knows the status before the filters have seen it, as that of an upstream's response.
fn bare(state: &mut StreamState, reply: LocalReply) {
    state.info.response_flags |= reply.flags;
    state.info.response_code_details = Some(reply.details);
    let head = &mut state.response;
    head.reset(MapKind::Response);
    head.set_integer(Known::Status, u64::from(reply.status));
    for (name, value) in &reply.headers {
        head.append(name, value);
    }
}

fn begin_head(
    state: &mut StreamState,
    reply: &LocalReply,
    by_route: bool,
    services: &dyn WorkerServices,
) {
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
    if reply.repeats_names {
        for (name, _) in &reply.headers {
            state.response.remove(name);
        }
    }
    for (name, value) in &reply.headers {
        match reply.repeats_names {
            true => state.response.append(name, value),
            false => state.response.replace(name, value),
        }
    }
    if let Some(mutations) = &reply.mutations {
        let mut formats = FormatContext::new(&state.info, services);
        formats.request_headers = Some(&state.request);
        let values = mutations.evaluate(&state.response, &formats);
        values.apply(&mut state.response);
    }
    if by_route {
        finalize::response(state, services);
    }
    if let Some(content_type) = &reply.content_type {
        state
            .response
            .set(Known::ContentType, content_type.0.as_bytes());
    }
}

/// Length and type of the body; there are none where there is no body, whoever set them.
fn finish_head(head: &mut HeaderMap, worded: &mut Worded<'_>) {
    // Whoever reads such an answer takes a body for the begin of the next one; Envoy sends it.
    if matches!(status_of(head), 204 | 304) {
        worded.body = Cow::default();
    }
    if worded.body.is_empty() {
        head.remove(Known::ContentLength);
        head.remove(Known::ContentType);
        return;
    }
    head.set_integer(
        Known::ContentLength,
        u64::try_from(worded.body.len()).unwrap_or(u64::MAX),
    );
    if worded.sets_type || !head.contains(Known::ContentType) {
        head.set(Known::ContentType, worded.content_type.as_bytes());
    }
}

/// A reply to a gRPC request: status 200, and what went wrong in `grpc-status` and `grpc-message`.
fn grpc_reply(head: &mut HeaderMap, grpc_status: Option<u32>, message: &[u8]) {
    let of_http = grpc::status_of_http(status_of(head));
    head.set(Known::Status, b"200");
    head.set(Known::ContentType, b"application/grpc");
    if head.get(Known::GrpcStatus).is_none_or(<[u8]>::is_empty) {
        let status = grpc_status.unwrap_or(of_http);
        head.set_integer(Known::GrpcStatus, u64::from(status));
    }
    if !message.is_empty() {
        head.set(Known::GrpcMessage, &grpc::percent_encoded(message));
    }
    head.remove(Known::ContentLength);
}
