//! An answer that the proxy gives itself: an error, a direct response, a filter's refusal.
//! Follows Envoy's `sendLocalReply`: the engine adds `content-length` and `content-type: text/plain` for a
//! body, runs the encoder filters over it and logs its details.

use std::borrow::Cow;
use std::sync::Arc;

use crate::header_mutation::HeaderMutations;
use crate::headers::HeaderName;
use crate::stream_info::ResponseFlags;
use crate::stream_info::metadata::Struct;

/// An answer made by the proxy instead of an upstream.
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// HTTP status, 200..=599.
    pub status: u16,
    /// Body bytes; empty for none.
    pub body: Cow<'static, [u8]>,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: Cow<'static, str>,
    /// Response flags to add to the stream's.
    pub flags: ResponseFlags,
    /// Headers set on the answer, in order, after the engine's and the route's own; each replaces those of its name.
    pub headers: Vec<(HeaderName, Vec<u8>)>,
    /// Headers that are computed when the answer is made, behind `headers`.
    pub mutations: Option<Arc<HeaderMutations>>,
    /// The type of the body, whatever other headers say; plain text if there is no other word.
    pub content_type: Option<Box<ContentType>>,
    /// The `grpc-status` for gRPC requests; derived from `status` if absent.
    pub grpc_status: Option<u32>,
    /// What a namespace of the stream's metadata is given once the answer is worded, for filters on its way and logs.
    pub metadata: Option<Box<(&'static str, Struct)>>,
    /// A filter's own response without a body, sent as it is: without the headers that the route adds, the wording of
    /// the connection manager, or a form for gRPC.
    pub is_bare: bool,
    /// Whether a name may come several times among `headers`, which then take the place of all that has their names.
    pub repeats_names: bool,
    /// Whether what words the answer does not see `flags` yet.
    pub flags_are_late: bool,
    /// What of the request it was given on.
    pub basis: Basis,
}

/// What an answer was given on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// All that had come: a request that was complete by then is.
    #[default]
    All,
    /// All that has come while a filter before it waited.
    Awaited,
    /// A part of its body, whatever is behind it. Over HTTP/1 the end of a body stands behind it, also where both came
    /// at once, so that the request is not complete.
    Part,
    /// More of its body than may be held; the rest counts for nothing.
    TooMuch,
    /// It is no answer: in the place of the response that it met, the whole request is to begin anew, its head as the
    /// filter has changed it.
    Anew,
}

/// The type of a body.
#[derive(Clone, Debug)]
pub struct ContentType(pub Box<str>);

impl LocalReply {
    /// A reply with a plain-text body.
    pub fn new(
        status: u16,
        body: impl Into<Cow<'static, [u8]>>,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        LocalReply {
            status,
            body: body.into(),
            details: details.into(),
            flags: ResponseFlags::default(),
            headers: Vec::new(),
            mutations: None,
            content_type: None,
            grpc_status: None,
            metadata: None,
            is_bare: false,
            repeats_names: false,
            flags_are_late: false,
            basis: Basis::All,
        }
    }

    /// Of a request of which more would have to be held than may be.
    pub fn too_much() -> Self {
        let body = b"Payload Too Large".as_slice();
        LocalReply::new(413, body, "request_payload_too_large").on(Basis::TooMuch)
    }

    /// In the place of a response: the request begins anew. Only for a request that has come to its end.
    pub fn anew() -> Self {
        LocalReply::new(0, b"".as_slice(), "").on(Basis::Anew)
    }

    /// The same reply, given on this.
    #[must_use]
    pub fn on(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    /// A filter's own response without a body, which nothing but filters changes.
    pub fn bare(status: u16, details: impl Into<Cow<'static, str>>) -> Self {
        LocalReply {
            is_bare: true,
            ..LocalReply::new(status, b"".as_slice(), details)
        }
    }

    /// The same reply with `flags` added.
    #[must_use]
    pub fn with_flags(mut self, flags: ResponseFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The same reply with a header added.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
