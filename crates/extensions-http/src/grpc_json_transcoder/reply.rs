//! Answers in the place of a service's.

use nuncio_contract::local_reply::LocalReply;

/// Where a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// With its head.
    Early,
    /// Later.
    Late,
}

/// An answer; `code` is a name of a status of gRPC or of a limit.
pub(super) fn failure(status: u16, words: String, when: When, code: &str) -> Box<LocalReply> {
    let early = match when {
        When::Early => "early_",
        When::Late => "",
    };
    let details = format!("{early}grpc_json_transcode_failure{{{code}}}");
    Box::new(LocalReply::new(status, words.into_bytes(), details))
}

/// A request that makes no message.
pub(super) fn bad_request(words: String, when: When) -> Box<LocalReply> {
    failure(400, words, when, "INVALID_ARGUMENT")
}

/// A request that is too large.
pub(super) fn too_large() -> Box<LocalReply> {
    let words = "Request rejected because the transcoder's internal buffer size exceeds the configured limit.";
    let code = "request_buffer_size_limit_reached";
    failure(413, words.to_owned(), When::Late, code)
}

/// A response that is too large.
pub(super) fn response_too_large() -> Box<LocalReply> {
    let words = "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit.";
    let code = "response_buffer_size_limit_reached";
    failure(500, words.to_owned(), When::Late, code)
}

/// A response that is none.
pub(super) fn bad_gateway(words: String, code: &str) -> Box<LocalReply> {
    failure(502, words, When::Late, code)
}
