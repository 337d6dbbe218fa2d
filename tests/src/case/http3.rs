//! The part of a case's shape that speaks HTTP/3.
//!
//! Headers are written as for HTTP/2. Where a step names no stream, it is the one that the step before was on; `request`,
//! `headers` and `block` of a client open the next one.

use std::io;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::http3::frame::{Frame, error_code, kind};
use nuncio_testkit::http3::qpack;
use serde::Deserialize;

use super::BeforeStep;
use super::http2::{lines, request_headers};

/// What a client does on a connection of HTTP/3.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Http3Exchange {
    /// A request; see [`Http3Send::request`].
    Request(String),
    /// Steps.
    Steps(Vec<ClientHttp3Step>),
    /// Steps, and how the connection is treated.
    Whole(Http3Connection),
}

/// See [`Http3Exchange::Whole`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http3Connection {
    /// No control stream is opened.
    #[serde(default)]
    pub bare: bool,
    /// Settings that the control stream begins with, by number.
    #[serde(default)]
    pub settings: Vec<(u64, u64)>,
    /// What the client does.
    pub steps: Vec<ClientHttp3Step>,
}

/// A step of a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ClientHttp3Step {
    /// A step without an argument.
    Word(ClientHttp3Word),
    /// Waits until an upstream has seen the heads of so many requests in this exchange.
    AwaitUpstream {
        /// The upstream.
        await_upstream: String,
        /// How many.
        #[serde(default = "one")]
        requests: usize,
    },
    /// Waits for something on a stream or the connection.
    Await {
        /// What.
        r#await: Http3Await,
        /// On which stream.
        #[serde(default)]
        stream: Option<u64>,
    },
    /// What happens around the connection meanwhile.
    Meanwhile {
        /// What.
        meanwhile: Vec<BeforeStep>,
    },
    /// Sends something.
    Send(Box<Http3Send>),
}

fn one() -> usize {
    1
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Http3Await {
    /// The head of a response.
    Head,
    /// A part of a body.
    Data,
    /// The end of a stream.
    End,
    /// That the proxy resets a stream.
    Reset,
    /// That the proxy wants no more of a stream.
    Stop,
    /// The proxy's SETTINGS.
    Settings,
    /// GOAWAY.
    Goaway,
}

/// Steps of a client without an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientHttp3Word {
    /// Read until the proxy closes.
    ReadToClose,
    /// Have the proxy acknowledge what was sent.
    RoundTrip,
    /// End without waiting for the ends of streams.
    Settle,
    /// Close at once, with nothing more read.
    Leave,
}

/// What a client sends: exactly one of the fields down to `close`, and details.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http3Send {
    /// `METHOD PATH`, header lines, and behind an empty line the body: HEADERS with `:scheme` https and `:authority`
    /// example.com where no line says otherwise, and DATA. The stream ends.
    pub request: Option<String>,
    /// HEADERS with these lines.
    pub headers: Option<String>,
    /// HEADERS with these bytes.
    pub block: Option<String>,
    /// HEADERS with these lines that end the stream.
    pub trailers: Option<String>,
    /// DATA.
    pub data: Option<String>,
    /// DATA of so many times the letter `a`.
    pub fill: Option<usize>,
    /// A frame of this type, with `payload`.
    pub frame: Option<u64>,
    /// Bytes.
    pub bytes: Option<String>,
    /// Bytes on the control stream.
    pub control: Option<String>,
    /// Bytes on a stream of its own that goes one way.
    pub uni: Option<String>,
    /// Resets the stream with this code, by name or number.
    pub reset: Option<String>,
    /// Wants no more of the stream, with this code.
    pub stop: Option<String>,
    /// Resets the control stream with this code.
    pub reset_control: Option<String>,
    /// Closes the connection with this code.
    pub close: Option<String>,
    /// Takes so many streams on which nothing is sent.
    pub skip: Option<usize>,
    /// The stream.
    pub stream: Option<u64>,
    /// Whether the stream ends.
    pub end: Option<bool>,
    /// Payload of `frame`.
    #[serde(default)]
    pub payload: String,
    /// How often; requests on a stream each.
    pub times: Option<usize>,
}

impl Http3Send {
    /// Whether a client opens a stream with it.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.stream.is_none()
            && (self.request.is_some() || self.headers.is_some() || self.block.is_some())
    }

    /// All texts, for placeholders to be filled.
    pub fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        [
            &mut self.request,
            &mut self.headers,
            &mut self.trailers,
            &mut self.data,
        ]
        .into_iter()
        .flatten()
    }

    /// The bytes for the stream of a request, and whether they end it; none if the step sends something else.
    ///
    /// # Errors
    /// If it names headers that are none.
    pub fn bytes(&self) -> io::Result<Option<(Vec<u8>, bool)>> {
        let headers = |text: &str| -> io::Result<Vec<u8>> {
            let block = qpack::encode(&lines(text)?);
            Ok(Frame::new(kind::HEADERS, block).bytes())
        };
        let (bytes, ends) = if let Some(text) = &self.request {
            (request(text)?, true)
        } else if let Some(text) = &self.headers {
            (headers(text)?, false)
        } else if let Some(text) = &self.trailers {
            (headers(text)?, true)
        } else if let Some(text) = &self.block {
            (Frame::new(kind::HEADERS, from_text(text)).bytes(), false)
        } else if let Some(text) = &self.data {
            (Frame::new(kind::DATA, from_text(text)).bytes(), false)
        } else if let Some(len) = self.fill {
            (Frame::new(kind::DATA, vec![b'a'; len]).bytes(), false)
        } else if let Some(number) = self.frame {
            (Frame::new(number, from_text(&self.payload)).bytes(), false)
        } else if let Some(text) = &self.bytes {
            (from_text(text), false)
        } else {
            return Ok(None);
        };
        Ok(Some((bytes, self.end.unwrap_or(ends))))
    }
}

/// A whole request.
fn request(text: &str) -> io::Result<Vec<u8>> {
    let text = match text.contains(":scheme:") {
        true => text.to_owned(),
        false => with_scheme(text),
    };
    let block = qpack::encode(&request_headers(&text)?);
    let mut bytes = Frame::new(kind::HEADERS, block).bytes();
    if let Some((_, body)) = text.split_once("\n\n")
        && !body.is_empty()
    {
        bytes.extend(Frame::new(kind::DATA, from_text(body)).bytes());
    }
    Ok(bytes)
}

fn with_scheme(text: &str) -> String {
    let end = text.find('\n').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    format!("{first}\n:scheme: https{rest}")
}

/// A code by its name or number.
///
/// # Errors
/// If there is none of the name.
pub fn code(text: &str) -> io::Result<u64> {
    error_code(text).ok_or_else(|| io::Error::other(format!("what is {text}?")))
}
