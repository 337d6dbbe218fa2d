//! An answer of the admin, free of its transport.

use std::time::{Duration, Instant};

use nuncio_contract::services::LocalFuture;

/// Status, headers and body.
pub struct AdminResponse {
    /// The status code.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// Headers of this endpoint alone.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Body,
}

/// A body, whole or made piece by piece while it is sent.
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// Pieces of about [`CHUNK_BYTES`]; the server takes the next one when the connection has room, and
    /// serves other connections in between. A piece may be empty: there is more to come, but making it
    /// took long enough; nothing must be written for it.
    Chunks(Box<dyn Iterator<Item = Vec<u8>>>),
    /// Another response altogether, once there is one; what stands beside this one is void.
    Later(LocalFuture<AdminResponse>),
}

/// About how much a streamed body makes at a time.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// How long a streamed body is made between two looks at other connections.
const CHUNK_TIME: Duration = Duration::from_micros(500);
/// Steps of work between two looks at the clock, at a few microseconds each.
const CLOCK_STEPS: usize = 32;

/// Plain text, Envoy's default.
pub const TEXT: &str = "text/plain; charset=UTF-8";
/// JSON.
pub const JSON: &str = "application/json";
/// What Prometheus reads as protobuf messages.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
/// A page.
pub const HTML: &str = "text/html; charset=UTF-8";

/// Headers of every answer, after `content-type`.
const COMMON_HEADERS: [(&str, &str); 2] = [
    ("cache-control", "no-cache, max-age=0"),
    ("x-content-type-options", "nosniff"),
];

impl AdminResponse {
    /// A text answer with a status.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: TEXT,
            headers: Vec::new(),
            body: Body::Whole(body.into()),
        }
    }

    /// `OK`, as every action that was done answers.
    pub fn ok() -> Self {
        Self::text(200, "OK\n")
    }

    /// A JSON answer.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: JSON,
            ..Self::text(200, body)
        }
    }

    /// A body made piece by piece.
    pub fn stream(
        content_type: &'static str,
        chunks: impl Iterator<Item = Vec<u8>> + 'static,
    ) -> Self {
        Self {
            content_type,
            body: Body::Chunks(Box::new(chunks)),
            ..Self::text(200, "")
        }
    }

    /// The response that a future comes to.
    pub fn later(response: LocalFuture<AdminResponse>) -> Self {
        Self {
            body: Body::Later(response),
            ..Self::text(200, "")
        }
    }

    /// All headers in their order; `date`, `server` and the framing are the transport's.
    pub fn all_headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own = self.headers.iter().copied();
        own.chain([("content-type", self.content_type)])
            .chain(COMMON_HEADERS)
    }
}

/// What pieces of a body are made as.
pub(super) trait Piece {
    /// An empty one.
    fn with_capacity(bytes: usize) -> Self;
    /// Its length in bytes.
    fn byte_len(&self) -> usize;
    /// The bytes.
    fn into_bytes(self) -> Vec<u8>;
}

impl Piece for String {
    fn with_capacity(bytes: usize) -> Self {
        String::with_capacity(bytes)
    }

    fn byte_len(&self) -> usize {
        self.len()
    }

    fn into_bytes(self) -> Vec<u8> {
        String::into_bytes(self)
    }
}

impl Piece for Vec<u8> {
    fn with_capacity(bytes: usize) -> Self {
        Vec::with_capacity(bytes)
    }

    fn byte_len(&self) -> usize {
        self.len()
    }

    fn into_bytes(self) -> Vec<u8> {
        self
    }
}

/// Pieces of a body that `step` makes bit by bit until it returns false.
pub(super) fn chunks<P: Piece>(
    mut step: impl FnMut(&mut P) -> bool,
) -> impl Iterator<Item = Vec<u8>> {
    let mut done = false;
    let mut last_len = 0;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let mut piece = P::with_capacity(last_len);
        let began = Instant::now();
        while !done && piece.byte_len() < CHUNK_BYTES && began.elapsed() < CHUNK_TIME {
            for _ in 0..CLOCK_STEPS {
                done = done || !step(&mut piece);
            }
        }
        last_len = piece.byte_len();
        Some(piece.into_bytes())
    })
}

impl Body {
    /// The whole body at once; for tests and small bodies.
    pub fn collect(self) -> Vec<u8> {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Chunks(chunks) => chunks.flatten().collect(),
            Self::Later(_) => Vec::new(),
        }
    }
}

impl std::fmt::Debug for AdminResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.body {
            Body::Whole(_) => "whole",
            Body::Chunks(_) => "chunks",
            Body::Later(_) => "later",
        };
        write!(
            formatter,
            "AdminResponse({} {} {kind})",
            self.status, self.content_type
        )
    }
}
