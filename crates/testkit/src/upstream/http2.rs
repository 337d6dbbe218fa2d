//! An upstream's connection of HTTP/2: streams are recorded, and each plays its answer.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;

use super::record::{Line, Shared};
use crate::http2::frame::{ERRORS, Frame, PREFACE, flag, kind, named};
use crate::http2::hpack;
use crate::http2::peer::Peer;
use crate::message::{Framing, Message, Stop};
use crate::wire::Wire;

/// Makes frames for a stream.
type Frames = Arc<dyn Fn(u32) -> Vec<Frame> + Send + Sync>;

/// One thing that an upstream does with a request.
#[derive(Clone)]
pub enum Http2Step {
    /// Sends these frames.
    Send(Frames),
    /// Waits for the end of the request. Answers that have neither this nor [`Http2Step::Early`]
    /// begin with it.
    ReadBody,
    /// Does nothing but say that the end of the request is not waited for.
    Early,
    /// Sends nothing more on this stream.
    Never,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

/// What an upstream says first, and its answers.
#[derive(Clone, Default)]
pub struct Http2Script {
    /// Its SETTINGS.
    pub settings: Vec<(u16, u32)>,
    /// Sent behind SETTINGS.
    pub opening: Vec<Frame>,
    /// Answers by path without query, `*` for any; of several for one path the first is played
    /// first, the last for ever after.
    pub answers: Vec<(String, Vec<Http2Step>)>,
}

impl Http2Script {
    fn steps(&self, path: &str, times: usize) -> Option<Vec<Http2Step>> {
        let of = |wanted: &str| -> Vec<&Vec<Http2Step>> {
            let matching = self.answers.iter().filter(|(path, _)| path == wanted);
            matching.map(|(_, steps)| steps).collect()
        };
        let mut found = of(path);
        if found.is_empty() {
            found = of("*");
        }
        let last = found.len().checked_sub(1)?;
        found.get(times.min(last)).map(|steps| (*steps).clone())
    }
}

/// A request under way.
struct Open {
    index: usize,
    steps: VecDeque<Http2Step>,
    answered: bool,
}

struct Connection<'a> {
    shared: &'a Shared,
    line: &'a Line,
    script: &'a Http2Script,
    peer: Peer,
    open: BTreeMap<u32, Open>,
}

pub(super) fn serve(shared: &Shared, line: &Line, mut wire: Wire, script: &Http2Script) {
    let mut preface = [0; PREFACE.len()];
    if wire.read_exact(&mut preface).is_err() || preface != *PREFACE {
        let mut message = Message::from_head(preface.to_vec(), Framing::None);
        message.cut_short = Some(Stop::Malformed("no preface of HTTP/2".to_owned()));
        let index = shared.begin(line, message.clone());
        shared.finish(index, message, None);
        return;
    }
    let mut connection = Connection {
        shared,
        line,
        script,
        peer: Peer::new(wire, true),
        open: BTreeMap::new(),
    };
    connection
        .peer
        .send(&Frame::settings(&script.settings).bytes());
    for frame in &script.opening {
        connection.peer.send(&frame.bytes());
    }
    let mut alive = true;
    while alive {
        alive = match connection.peer.pump() {
            Ok(at) => connection.take(at),
            Err(_) => false,
        };
    }
    connection.peer.wire().close();
    for (stream, open) in std::mem::take(&mut connection.open) {
        connection.finish(stream, &open, Some("connection closed"));
    }
}

impl Connection<'_> {
    /// Goes on with the stream that a frame came for; false once the connection is closed.
    fn take(&mut self, at: usize) -> bool {
        let Some(logged) = self.peer.log.get(at) else {
            return true;
        };
        let stream = logged.frame.stream;
        let begins = logged.headers.is_some() && !self.open.contains_key(&stream);
        let is_of_stream = matches!(
            logged.frame.kind,
            kind::DATA | kind::HEADERS | kind::CONTINUATION | kind::RST_STREAM
        );
        if begins {
            self.begin(stream);
        }
        !is_of_stream || self.go_on(stream)
    }

    fn begin(&mut self, stream: u32) {
        let message = self.message(stream);
        let path = pseudo(&message, ":path").unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let times = self.shared.times_asked(&path);
        let steps = self.script.steps(&path, times);
        let mut steps: VecDeque<_> = steps
            .unwrap_or_else(|| vec![generic(&self.shared.name, &message)])
            .into();
        if !steps
            .iter()
            .any(|step| matches!(step, Http2Step::ReadBody | Http2Step::Early))
        {
            steps.push_front(Http2Step::ReadBody);
        }
        let index = self.shared.begin(self.line, message);
        let open = Open {
            index,
            steps,
            answered: false,
        };
        self.open.insert(stream, open);
    }

    /// Plays what can be played of a stream's answer; false once the connection is closed.
    fn go_on(&mut self, stream: u32) -> bool {
        let Some(mut open) = self.open.remove(&stream) else {
            return true;
        };
        let ended = self
            .peer
            .streams
            .get(&stream)
            .is_some_and(|seen| seen.ended);
        let mut alive = true;
        // All that is sent at once is one write, so that a proxy reads it at once.
        let mut bytes = Vec::new();
        while let Some(step) = open.steps.pop_front() {
            match step {
                Http2Step::ReadBody if !ended => {
                    open.steps.push_front(Http2Step::ReadBody);
                    break;
                }
                Http2Step::ReadBody | Http2Step::Early => {}
                Http2Step::Never => break,
                Http2Step::Send(frames) => {
                    for frame in frames(stream) {
                        let ends = frame.ends_stream() || frame.kind == kind::RST_STREAM;
                        open.answered |= ends && frame.stream == stream;
                        bytes.extend(frame.bytes());
                    }
                }
                Http2Step::Close => alive = false,
                Http2Step::Reset => {
                    self.peer.send(&bytes);
                    bytes.clear();
                    self.peer.wire().reset();
                    alive = false;
                }
            }
            if !alive {
                break;
            }
        }
        if !bytes.is_empty() {
            self.peer.send(&bytes);
        }
        let is_over = self.peer.is_over(stream) && open.answered;
        let was_reset = self
            .peer
            .streams
            .get(&stream)
            .is_some_and(|seen| seen.reset.is_some());
        if is_over || was_reset {
            self.finish(stream, &open, None);
        } else {
            self.open.insert(stream, open);
        }
        alive
    }

    fn finish(&self, stream: u32, open: &Open, why: Option<&str>) {
        let seen = self.peer.streams.get(&stream).cloned().unwrap_or_default();
        let mut end = Vec::new();
        if !seen.ended {
            end.push("not ended".to_owned());
        }
        if let Some(code) = seen.reset {
            end.push(format!("reset: {}", named(&ERRORS, code)));
        }
        end.extend(why.filter(|_| !seen.ended).map(str::to_owned));
        let end = (!end.is_empty()).then(|| end.join(", "));
        self.shared.finish(open.index, self.message(stream), end);
    }

    fn message(&self, stream: u32) -> Message {
        let messages = self.peer.streams.get(&stream).map(|seen| &seen.messages);
        messages
            .and_then(|messages| messages.first().cloned())
            .unwrap_or_else(|| Message::from_head(Vec::new(), Framing::None))
    }
}

/// The value of a pseudo-header.
fn pseudo(message: &Message, name: &str) -> Option<String> {
    message.lines().iter().find_map(|line| {
        let text = String::from_utf8_lossy(line);
        let value = text.strip_prefix(name)?.strip_prefix(": ")?;
        Some(value.to_owned())
    })
}

/// 200 and a body that names the upstream, the method and the path.
fn generic(name: &str, request: &Message) -> Http2Step {
    let method = pseudo(request, ":method").unwrap_or_default();
    let target = pseudo(request, ":path").unwrap_or_default();
    let body = format!("{name}: {method} {target}\n");
    let header = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let block = hpack::encode(&[
        header(":status", "200"),
        header("content-type", "text/plain"),
        header("content-length", &body.len().to_string()),
    ]);
    Http2Step::Send(Arc::new(move |stream| {
        let head = |flags: u8| {
            Frame::new(
                kind::HEADERS,
                flag::END_HEADERS | flags,
                stream,
                block.clone(),
            )
        };
        if method == "HEAD" {
            return vec![head(flag::END_STREAM)];
        }
        let data = Frame::new(kind::DATA, flag::END_STREAM, stream, body.clone());
        vec![head(0), data]
    }))
}
