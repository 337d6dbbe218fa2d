//! Our answer to a request of which what others say (a service, a token) would make one that cannot be sent: 503, as
//! from Envoy's router, but given at once.

use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;

/// What is said of a value that cannot be one.
pub(crate) fn invalid_value(name: &str) -> String {
    format!("invalid header value for: {name}")
}

/// The answer that tells what is wrong.
pub(crate) fn unusable(text: String) -> Box<LocalReply> {
    let details = text.replace(' ', "_");
    let details = format!("filter_removed_required_request_headers{{{details}}}");
    let reply = LocalReply::new(503, text.into_bytes(), details);
    Box::new(reply.with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR))
}
