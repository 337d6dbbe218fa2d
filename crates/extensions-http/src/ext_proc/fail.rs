//! What becomes of a stream whose processor fails or says what cannot be.

use std::borrow::Cow;

use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::local_reply::LocalReply;

use super::filter::Worker;

const GATEWAY_TIMEOUT: u16 = 504;

/// A failure.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether the stream may go on without the processor, where that is allowed.
    pub(super) may_pass: bool,
    /// Whether the processor has ended its stream.
    pub(super) is_end: bool,
    /// Whether a body is more than may be kept.
    pub(super) is_too_large: bool,
    /// None: what the configuration says.
    status: Option<u16>,
    details: Cow<'static, str>,
}

impl Failure {
    /// The stream to the processor has ended badly.
    pub(super) fn ended(end: &GrpcEnd) -> Self {
        let how = match (&end.own_details, end.broke_off) {
            (Some(own), _) => format!("{{{own}}}"),
            (None, true) => "{upstream_reset_after_response_started{remote_reset}}".to_owned(),
            (None, false) => "{via_upstream}".to_owned(),
        };
        let said = match (end.message.as_str(), end.trailers.is_empty()) {
            ("", _) => how,
            (message, true) => format!("{{{message}}}"),
            (message, false) => format!("{{{message}{how}}}"),
        };
        Failure {
            is_end: true,
            ..Failure::of_processor(format!("ext_proc_error_gRPC_error_{}{said}", end.status))
        }
    }

    /// The processor has answered what was not asked.
    pub(super) fn spurious() -> Self {
        Failure::of_processor("spurious_message")
    }

    pub(super) fn of_processor(details: impl Into<Cow<'static, str>>) -> Self {
        Failure {
            may_pass: true,
            is_end: false,
            is_too_large: false,
            status: None,
            details: details.into(),
        }
    }

    /// The processor has not answered in time.
    pub(super) fn timeout() -> Self {
        Failure {
            may_pass: true,
            is_end: false,
            is_too_large: false,
            status: Some(GATEWAY_TIMEOUT),
            details: "ext_proc_error_per-message_timeout_exceeded".into(),
        }
    }

    /// The processor wants a change that cannot be.
    pub(super) fn bad_change(details: &'static str) -> Self {
        Failure {
            may_pass: false,
            is_end: false,
            is_too_large: false,
            status: None,
            details: details.into(),
        }
    }

    /// A length that is not that of the body.
    pub(super) fn bad_length() -> Self {
        Failure::bad_change("mismatch_between_content_length_and_the_length_of_the_mutated_body")
    }

    /// More of a body than may be kept.
    pub(super) fn too_large() -> Self {
        Failure {
            is_too_large: true,
            ..Failure::bad_change("")
        }
    }

    /// What the client gets then.
    pub(super) fn too_large_reply(is_request: bool) -> Box<LocalReply> {
        Box::new(match is_request {
            true => LocalReply::too_much(),
            false => LocalReply::new(
                500,
                b"Internal Server Error".as_slice(),
                "response_payload_too_large",
            ),
        })
    }

    /// What the client gets.
    pub(super) fn reply(self, worker: &Worker) -> Box<LocalReply> {
        let status = self.status.unwrap_or(worker.settings.status_on_error);
        let details = match self.details.contains(char::is_whitespace) {
            true => Cow::Owned(self.details.replace(char::is_whitespace, "_")),
            false => self.details,
        };
        Box::new(LocalReply::new(status, b"".as_slice(), details))
    }
}
