//! The part of a case's shape that speaks HTTP/2.
//!
//! Headers are written a line each, `name: value`, pseudo-headers too; `\n` inside a value cannot be
//! written this way, but in a `block`, which is HPACK as bytes. Where a step names no stream, it is
//! the one that the step before was on; `request` and `headers` of a client open the next one.

use std::collections::BTreeMap;
use std::io;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::http2::frame::{ERRORS, Frame, SETTINGS, TYPES, flag, kind, number_of};
use nuncio_testkit::http2::hpack::{self, Header};
use serde::Deserialize;

use super::BeforeStep;

/// Longest payload that is put into one frame.
const MOST_PAYLOAD_BYTES: usize = 16_384;

/// What a client does on a connection of HTTP/2.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Http2Exchange {
    /// A request; see [`FrameStep::request`].
    Request(String),
    /// Steps.
    Steps(Vec<ClientHttp2Step>),
    /// Steps, and how the connection is treated.
    Whole(Http2Connection),
}

/// See [`Http2Exchange::Whole`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Connection {
    /// Settings by name or number that the client begins with.
    #[serde(default)]
    pub settings: BTreeMap<String, u32>,
    /// Nothing is sent by itself: no preface, no SETTINGS, no answers to SETTINGS and PING, no
    /// windows given back.
    #[serde(default)]
    pub bare: bool,
    /// The windows that DATA takes are not given back.
    #[serde(default)]
    pub keeps_windows: bool,
    /// What is compared.
    #[serde(default)]
    pub view: View,
    /// What the client does.
    pub steps: Vec<ClientHttp2Step>,
}

/// What is compared of what a client got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// What came on each stream, put together, and GOAWAY.
    #[default]
    Streams,
    /// Frame by frame, DATA joined, but for windows and the answer to SETTINGS.
    Frames,
    /// Frame by frame.
    AllFrames,
}

/// A step of a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ClientHttp2Step {
    /// A step without an argument.
    Word(ClientHttp2Word),
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
        r#await: Await,
        /// On which stream.
        #[serde(default)]
        stream: Option<u32>,
    },
    /// What happens around the connection meanwhile.
    Meanwhile {
        /// What.
        meanwhile: Vec<BeforeStep>,
    },
    /// Sends frames in one write, so that a proxy that reads them reads all of them.
    Together {
        /// The frames.
        together: Vec<FrameStep>,
    },
    /// Sends frames.
    Frame(Box<FrameStep>),
}

pub(super) fn one() -> usize {
    1
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Await {
    /// The proxy's SETTINGS.
    Settings,
    /// The answer to the client's SETTINGS.
    SettingsAck,
    /// The answer to a PING.
    PingAck,
    /// GOAWAY.
    Goaway,
    /// The head of a response.
    Head,
    /// DATA.
    Data,
    /// The end of a stream.
    End,
}

/// Steps of a client without an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientHttp2Word {
    /// Say that nothing more will be sent.
    HalfClose,
    /// Read until the proxy closes.
    ReadToClose,
    /// End without waiting for the ends of streams.
    Settle,
    /// End without waiting for anything.
    Leave,
    /// Close with a reset.
    Reset,
}

/// An upstream of HTTP/2.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Upstream {
    /// Settings by name or number.
    #[serde(default)]
    pub settings: BTreeMap<String, u32>,
    /// Sent behind SETTINGS.
    #[serde(default)]
    pub opening: Vec<FrameStep>,
    /// Answers by path without query, `*` for any. A path without an entry gets 200 and a body that
    /// names the upstream, the method and the path.
    #[serde(default)]
    pub answers: BTreeMap<String, Http2Answer>,
}

/// An answer of an upstream.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Http2Answer {
    /// See [`FrameStep::response`].
    Response(String),
    /// Steps.
    Steps(Vec<UpstreamHttp2Step>),
    /// One answer after another; the last stays.
    InOrder {
        /// The answers.
        in_order: Vec<Http2Answer>,
    },
}

/// A step of an upstream.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum UpstreamHttp2Step {
    /// A step without an argument.
    Word(UpstreamHttp2Word),
    /// Sends frames.
    Frame(Box<FrameStep>),
}

/// Steps of an upstream without an argument; see [`nuncio_testkit::upstream::Http2Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamHttp2Word {
    /// Wait for the end of the request.
    ReadBody,
    /// Don't wait for the end of the request before the first step.
    Early,
    /// Send nothing more on this stream.
    Never,
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
}

/// Frames to send: exactly one of the fields down to `bytes`, and details.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameStep {
    /// `METHOD PATH`, header lines, and behind an empty line the body: HEADERS with `:scheme` http
    /// (https under TLS) and `:authority` example.com where no line says otherwise, and DATA. The stream ends.
    pub request: Option<String>,
    /// `STATUS`, header lines, and behind an empty line the body. The stream ends.
    pub response: Option<String>,
    /// HEADERS with these lines.
    pub headers: Option<String>,
    /// HEADERS with these bytes.
    pub block: Option<String>,
    /// CONTINUATION with these bytes.
    pub continuation: Option<String>,
    /// HEADERS with these lines that end the stream.
    pub trailers: Option<String>,
    /// DATA.
    pub data: Option<String>,
    /// So many times the letter `a`, in as many DATA as it takes.
    pub fill: Option<usize>,
    /// RST_STREAM with this code, by name or number.
    pub reset: Option<String>,
    /// SETTINGS by name or number.
    pub settings: Option<BTreeMap<String, u32>>,
    /// PING with these eight bytes.
    pub ping: Option<String>,
    /// GOAWAY with this code.
    pub goaway: Option<String>,
    /// WINDOW_UPDATE; without `stream`, of the connection.
    pub window_update: Option<u32>,
    /// PRIORITY with these bytes.
    pub priority: Option<String>,
    /// METADATA with these bytes; `part` if others follow.
    pub metadata: Option<String>,
    /// A frame of this type, by name or number, with `flags` and `payload`.
    pub frame: Option<String>,
    /// Bytes (of a client's alone).
    pub bytes: Option<String>,
    /// The stream.
    pub stream: Option<u32>,
    /// Whether the stream ends.
    pub end: Option<bool>,
    /// HEADERS, CONTINUATION or METADATA that others follow.
    #[serde(default)]
    pub part: bool,
    /// Flags of `frame`.
    #[serde(default)]
    pub flags: u8,
    /// Payload of `frame`.
    #[serde(default)]
    pub payload: String,
    /// So many bytes of padding.
    pub pad: Option<u8>,
    /// GOAWAY's last stream, if not the one that the step is on.
    pub last: Option<u32>,
    /// GOAWAY's text.
    #[serde(default)]
    pub debug: String,
    /// Answers a SETTINGS or a PING.
    #[serde(default)]
    pub ack: bool,
    /// How often, in one write; requests on a stream each.
    pub times: Option<usize>,
}

impl FrameStep {
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
            &mut self.response,
            &mut self.headers,
            &mut self.trailers,
            &mut self.data,
        ]
        .into_iter()
        .flatten()
    }

    /// The frames, on `stream` where the step names none.
    ///
    /// # Errors
    /// If the step does not say what to send, or twice, or names what there is not.
    pub fn frames(&self, stream: u32) -> io::Result<Vec<Frame>> {
        let stream = self.stream.unwrap_or(stream);
        let mut all = Vec::new();
        let single = |frame: Frame| vec![frame];
        if let Some(text) = &self.request {
            all.push(self.message(stream, request_headers(text)?, text));
        }
        if let Some(text) = &self.response {
            all.push(self.message(stream, response_headers(text)?, text));
        }
        if let Some(text) = &self.headers {
            let block = hpack::encode(&lines(text)?);
            all.push(single(self.head(stream, block, false)));
        }
        if let Some(text) = &self.block {
            all.push(single(self.head(stream, from_text(text), false)));
        }
        if let Some(text) = &self.trailers {
            let block = hpack::encode(&lines(text)?);
            all.push(single(self.head(stream, block, true)));
        }
        if let Some(text) = &self.continuation {
            let flags = if self.part { 0 } else { flag::END_HEADERS };
            all.push(single(Frame::new(
                kind::CONTINUATION,
                flags,
                stream,
                from_text(text),
            )));
        }
        if let Some(text) = &self.data {
            all.push(single(self.data_frame(
                stream,
                from_text(text),
                self.end == Some(true),
            )));
        }
        if let Some(length) = self.fill {
            all.push(self.body(stream, &vec![b'a'; length], self.end == Some(true)));
        }
        all.extend(self.control(stream)?.map(single));
        if all.len() != 1 {
            return Err(io::Error::other(format!(
                "a step must say one thing to send, not {}: {self:?}",
                all.len()
            )));
        }
        Ok(all.concat())
    }

    /// What belongs to no message.
    fn control(&self, stream: u32) -> io::Result<Option<Frame>> {
        let ack = if self.ack { flag::ACK } else { 0 };
        let code = |text: &String| known(&ERRORS, text);
        if let Some(text) = &self.reset {
            return Ok(Some(Frame::reset(stream, code(text)?)));
        }
        if let Some(values) = &self.settings {
            let frame = Frame {
                flags: ack,
                stream: self.stream.unwrap_or(0),
                ..Frame::settings(&settings(values)?)
            };
            return Ok(Some(frame));
        }
        if let Some(text) = &self.ping {
            let on = self.stream.unwrap_or(0);
            return Ok(Some(Frame::new(kind::PING, ack, on, from_text(text))));
        }
        if let Some(text) = &self.goaway {
            let last = self.last.unwrap_or(stream);
            let frame = Frame::goaway(last, code(text)?, &from_text(&self.debug));
            return Ok(Some(frame));
        }
        if let Some(bytes) = self.window_update {
            return Ok(Some(Frame::window_update(self.stream.unwrap_or(0), bytes)));
        }
        if let Some(text) = &self.priority {
            return Ok(Some(Frame::new(kind::PRIORITY, 0, stream, from_text(text))));
        }
        if let Some(text) = &self.metadata {
            let flags = if self.part { 0 } else { flag::END_HEADERS };
            let frame = Frame::new(kind::METADATA, flags, stream, from_text(text));
            return Ok(Some(frame));
        }
        if let Some(text) = &self.frame {
            let number = u8::try_from(known(&TYPES, text)?).map_err(io::Error::other)?;
            let payload = from_text(&self.payload);
            let on = self.stream.unwrap_or(0);
            return Ok(Some(Frame::new(number, self.flags, on, payload)));
        }
        Ok(None)
    }

    fn message(&self, stream: u32, headers: Vec<Header>, text: &str) -> Vec<Frame> {
        let ends = self.end.unwrap_or(true);
        let body = text.split_once("\n\n").map(|(_, body)| from_text(body));
        let block = hpack::encode(&headers);
        let Some(body) = body.filter(|body| !body.is_empty()) else {
            return vec![self.head(stream, block, ends)];
        };
        let mut flags = self.flags;
        if !self.part {
            flags |= flag::END_HEADERS;
        }
        let mut frames = vec![Frame::new(kind::HEADERS, flags, stream, block)];
        frames.extend(self.body(stream, &body, ends));
        frames
    }

    fn head(&self, stream: u32, block: Vec<u8>, ends: bool) -> Frame {
        let mut flags = self.flags;
        if self.end.unwrap_or(ends) {
            flags |= flag::END_STREAM;
        }
        if !self.part {
            flags |= flag::END_HEADERS;
        }
        self.padded(Frame::new(kind::HEADERS, flags, stream, block))
    }

    fn body(&self, stream: u32, bytes: &[u8], ends: bool) -> Vec<Frame> {
        let pieces: Vec<&[u8]> = bytes.chunks(MOST_PAYLOAD_BYTES).collect();
        let last = pieces.len().saturating_sub(1);
        let frames = pieces.iter().enumerate();
        frames
            .map(|(at, piece)| self.data_frame(stream, piece.to_vec(), ends && at == last))
            .collect()
    }

    fn data_frame(&self, stream: u32, bytes: Vec<u8>, ends: bool) -> Frame {
        let flags = if ends { flag::END_STREAM } else { 0 };
        self.padded(Frame::new(kind::DATA, flags, stream, bytes))
    }

    fn padded(&self, mut frame: Frame) -> Frame {
        if let Some(pad) = self.pad {
            frame.flags |= flag::PADDED;
            frame.payload.insert(0, pad);
            frame.payload.extend(vec![0; usize::from(pad)]);
        }
        frame
    }
}

/// Settings by their numbers.
///
/// # Errors
/// If there is none of a name.
pub fn settings(values: &BTreeMap<String, u32>) -> io::Result<Vec<(u16, u32)>> {
    let number = |name: &String| u16::try_from(known(&SETTINGS, name)?).map_err(io::Error::other);
    values
        .iter()
        .map(|(name, value)| Ok((number(name)?, *value)))
        .collect()
}

fn known(names: &[&str], text: &str) -> io::Result<u32> {
    number_of(names, text).ok_or_else(|| io::Error::other(format!("what is {text}?")))
}

pub(super) fn request_headers(text: &str) -> io::Result<Vec<Header>> {
    let (first, rest) = first_line(text);
    let (method, path) = first
        .split_once(' ')
        .ok_or_else(|| io::Error::other(format!("no method and path: {first}")))?;
    let mut headers = vec![header(":method", method), header(":path", path)];
    let given = lines(rest)?;
    for (name, value) in [(":scheme", "http"), (":authority", "example.com")] {
        if !given.iter().any(|(known, _)| known == name.as_bytes()) {
            headers.push(header(name, value));
        }
    }
    headers.extend(given);
    Ok(headers)
}

fn response_headers(text: &str) -> io::Result<Vec<Header>> {
    let (status, rest) = first_line(text);
    let mut headers = vec![header(":status", status)];
    headers.extend(lines(rest)?);
    Ok(headers)
}

/// The first line of a message, and the rest of its head.
fn first_line(text: &str) -> (&str, &str) {
    let head = text.split("\n\n").next().unwrap_or_default();
    head.split_once('\n').unwrap_or((head, ""))
}

fn header(name: &str, value: &str) -> Header {
    (from_text(name), from_text(value))
}

/// Lines `name: value`; of a name that begins with a colon, the second one counts.
pub(super) fn lines(text: &str) -> io::Result<Vec<Header>> {
    let headers = text.split('\n').filter(|line| !line.is_empty());
    headers
        .map(|line| {
            let from = usize::from(line.starts_with(':'));
            let colon = line[from..].find(": ").map(|at| at + from);
            let (name, value) = match colon {
                Some(at) => (&line[..at], &line[at + 2..]),
                None => line
                    .strip_suffix(':')
                    .map(|name| (name, ""))
                    .ok_or_else(|| io::Error::other(format!("no header: {line}")))?,
            };
            Ok(header(name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[Header]) -> Vec<String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        headers
            .iter()
            .map(|(name, value)| format!("{}={}", text(name), text(value)))
            .collect()
    }

    #[test]
    fn a_request_has_the_pseudo_headers_that_it_does_not_name() {
        let headers = request_headers("GET /a\n:authority: b\nx:\n\nbody").expect("headers");
        let expected = [
            ":method=GET",
            ":path=/a",
            ":scheme=http",
            ":authority=b",
            "x=",
        ];
        assert_eq!(shown(&headers), expected);
    }

    #[test]
    fn a_body_is_data_that_ends_the_stream() {
        let step = FrameStep {
            request: Some("POST /\n\nab".to_owned()),
            ..FrameStep::default()
        };
        let frames = step.frames(3).expect("frames");
        assert_eq!(
            frames[1],
            Frame::new(kind::DATA, flag::END_STREAM, 3, *b"ab")
        );
        assert!(!frames[0].ends_stream());
    }

    #[test]
    fn a_step_that_says_two_things_or_nothing_is_refused() {
        assert!(FrameStep::default().frames(1).is_err());
        let both = FrameStep {
            ping: Some("12345678".to_owned()),
            data: Some(String::new()),
            ..FrameStep::default()
        };
        assert!(both.frames(1).is_err());
    }
}
