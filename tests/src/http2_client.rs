//! Plays the client's part of an exchange of HTTP/2.
//!
//! Unless the steps end otherwise, the client waits for the end of every stream that it opened, then
//! for the answer to a PING, behind which nothing can come that belongs to what was before it.

use std::fmt::Write as _;
use std::io;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::http2::frame::{ERRORS, Frame, PREFACE, flag, kind, named};
use nuncio_testkit::http2::peer::{Logged, Peer};
use nuncio_testkit::message::Stop;

use crate::case::{
    Await, ClientHttp2Step, ClientHttp2Word, Exchange, FrameStep, Http2Connection, Http2Exchange,
    View, settings,
};
use crate::connecting::{Opened, gone, in_words};
use crate::meanwhile::prepare;
use crate::setup::Setup;
use crate::show;

/// The PING at the end.
const LAST_PING: &[u8; 8] = b"all done";

/// Of a stream's number, the bit that means nothing.
const RESERVED_BIT: u32 = 1 << 31;
/// GOAWAY without a text.
const GOAWAY_BYTES: usize = 8;

struct Player<'a> {
    peer: Peer,
    setup: &'a mut Setup,
    connection: &'a Http2Connection,
    /// The stream that a step is on that names none.
    stream: u32,
    opened: Vec<u32>,
    /// The connection is under TLS, and so requests are of `https` if they do not say otherwise.
    is_secure: bool,
    /// How many frames had come when the client was done.
    said: Option<usize>,
    notes: Vec<String>,
}

/// Plays an exchange on an open connection and tells what came.
///
/// # Errors
/// If the case is wrong.
pub fn play(
    exchange: &Exchange,
    script: &Http2Exchange,
    opened: Opened,
    setup: &mut Setup,
) -> io::Result<(String, Vec<String>)> {
    let Some(wire) = opened.wire else {
        return Ok((String::new(), Vec::new()));
    };
    let connection = whole(script);
    let mut player = Player {
        peer: Peer::new(wire, !connection.bare),
        setup,
        connection: &connection,
        stream: 0,
        opened: Vec::new(),
        is_secure: exchange.tls.is_some(),
        said: None,
        notes: Vec::new(),
    };
    player.peer.keeps_windows = connection.keeps_windows;
    player.begin(&opened.prefix)?;
    player.play()?;
    let text = match connection.view {
        View::Streams => player.streams(exchange),
        View::Frames | View::AllFrames => player.frames(),
    };
    Ok((text, player.notes))
}

fn whole(script: &Http2Exchange) -> Http2Connection {
    match script {
        Http2Exchange::Request(text) => Http2Connection {
            steps: vec![ClientHttp2Step::Frame(Box::new(FrameStep {
                request: Some(text.clone()),
                ..FrameStep::default()
            }))],
            ..Http2Connection::default()
        },
        Http2Exchange::Steps(steps) => Http2Connection {
            steps: steps.clone(),
            ..Http2Connection::default()
        },
        Http2Exchange::Whole(connection) => connection.clone(),
    }
}

impl Player<'_> {
    fn begin(&mut self, prefix: &[u8]) -> io::Result<()> {
        let mut hello = prefix.to_vec();
        if !self.connection.bare {
            let mine = settings(&self.connection.settings)?;
            hello.extend(PREFACE);
            hello.extend(Frame::settings(&mine).bytes());
        }
        self.send(&hello);
        Ok(())
    }

    fn play(&mut self) -> io::Result<()> {
        for step in &self.connection.steps {
            let goes_on = match step {
                ClientHttp2Step::Frame(step) => {
                    let bytes = self.bytes(step)?;
                    self.send(&bytes);
                    true
                }
                ClientHttp2Step::Together { together } => {
                    let mut bytes = Vec::new();
                    for step in together {
                        bytes.extend(self.bytes(step)?);
                    }
                    self.send(&bytes);
                    true
                }
                ClientHttp2Step::Await { r#await, stream } => {
                    let stream = stream.unwrap_or(self.stream);
                    self.until(|peer| has_come(peer, *r#await, stream))
                }
                ClientHttp2Step::AwaitUpstream {
                    await_upstream,
                    requests,
                } => {
                    self.await_upstream(await_upstream, *requests);
                    true
                }
                ClientHttp2Step::Meanwhile { meanwhile } => {
                    for step in meanwhile {
                        self.notes.extend(prepare(step, self.setup)?);
                    }
                    true
                }
                ClientHttp2Step::Word(ClientHttp2Word::HalfClose) => {
                    self.peer.wire().half_close();
                    true
                }
                ClientHttp2Step::Word(ClientHttp2Word::ReadToClose) => {
                    self.until(|_| false);
                    false
                }
                ClientHttp2Step::Word(ClientHttp2Word::Settle) => {
                    self.settle();
                    false
                }
                ClientHttp2Step::Word(ClientHttp2Word::Leave) => {
                    self.leave();
                    false
                }
                ClientHttp2Step::Word(ClientHttp2Word::Reset) => {
                    self.peer.wire().reset();
                    false
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
        self.finish();
        Ok(())
    }

    /// What a step sends, from now on on the stream that it names or opens.
    fn bytes(&mut self, step: &FrameStep) -> io::Result<Vec<u8>> {
        let mut step = step.clone();
        if self.is_secure
            && let Some(request) = &mut step.request
            && !request.contains(":scheme:")
        {
            let end = request.find('\n').unwrap_or(request.len());
            request.insert_str(end, "\n:scheme: https");
        }
        for text in step.texts() {
            *text = self.setup.fill(text)?;
        }
        let mut bytes = Vec::new();
        for _ in 0..step.times.unwrap_or(1) {
            if let Some(raw) = &step.bytes {
                bytes.extend(from_text(raw));
                continue;
            }
            if step.opens() {
                let last = self.opened.iter().max();
                self.stream = last.map_or(1, |last| last + 2);
            }
            if let Some(stream) = step.stream.filter(|stream| *stream != 0) {
                self.stream = stream & !RESERVED_BIT;
            }
            let frames = step.frames(self.stream)?;
            let is_open = self.opened.contains(&self.stream);
            if frames.iter().any(|frame| frame.kind == kind::HEADERS) && !is_open {
                self.opened.push(self.stream);
            }
            bytes.extend(frames.iter().flat_map(Frame::bytes));
        }
        Ok(bytes)
    }

    fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.peer.send(bytes) {
            let note = "the proxy closed while the client was sending";
            self.notes.push(note.to_owned());
        }
    }

    fn await_upstream(&mut self, name: &str, requests: usize) {
        let upstream = self.setup.upstreams.get(name);
        if !upstream.is_some_and(|upstream| upstream.await_heads(requests)) {
            let note = format!("upstream {name} saw fewer requests than {requests}");
            self.notes.push(note);
        }
    }

    /// Reads until something holds; false if the connection ended before.
    fn until(&mut self, holds: impl Fn(&Peer) -> bool) -> bool {
        match self.peer.until(holds) {
            Ok(()) => true,
            Err(stop) => {
                self.notes.push(in_words(&gone(stop)));
                false
            }
        }
    }

    fn finish(&mut self) {
        let opened = self.opened.clone();
        // A stream that the client itself has reset will get no end.
        let all_over = |peer: &Peer| opened.iter().all(|stream| peer.is_over(*stream));
        let resets = self.resets_all();
        if !resets && !self.until(all_over) {
            return;
        }
        self.settle();
    }

    /// Takes in all that the proxy has to say.
    fn settle(&mut self) {
        if !self.connection.bare {
            let ping = Frame::new(kind::PING, 0, 0, *LAST_PING);
            // What it could not be sent for, reading tells.
            let _ = self.peer.send(&ping.bytes());
            if !self.until(|peer| peer.log.iter().any(is_last_ping)) {
                return;
            }
        }
        self.leave();
    }

    fn leave(&mut self) {
        self.said = Some(self.peer.log.len());
        self.peer.wire().half_close();
        if self.peer.until(|_| false) == Err(Stop::TimedOut) {
            let note = "the proxy kept the connection although the client was done";
            self.notes.push(note.to_owned());
        }
    }

    /// Whether the last thing that the client said on a stream was that it gives it up.
    fn resets_all(&self) -> bool {
        let mut frames = self.connection.steps.iter().filter_map(|step| match step {
            ClientHttp2Step::Frame(step) => Some(step),
            _ => None,
        });
        frames.next_back().is_some_and(|step| step.reset.is_some())
    }

    fn streams(&self, exchange: &Exchange) -> String {
        let mut text = String::new();
        for (number, stream) in &self.peer.streams {
            let _ = writeln!(text, "client got on stream {number}");
            for message in &stream.messages {
                text.push_str(&show::message(message, "  ", &exchange.show));
            }
            if let Some(code) = stream.reset {
                let ended = if stream.ended { " after the end" } else { "" };
                let _ = writeln!(text, "  reset{ended}: {}", named(&ERRORS, code));
            } else if !stream.ended {
                text.push_str("  not ended\n");
            }
        }
        for logged in self.said() {
            if logged.frame.kind == kind::GOAWAY {
                let mut frame = logged.frame.clone();
                // The text behind the code is a library's own.
                frame.payload.truncate(GOAWAY_BYTES);
                let _ = writeln!(text, "client got {}", frame.describe());
            }
        }
        text
    }

    fn frames(&self) -> String {
        let mut text = String::new();
        let mut data: Option<(u32, Vec<u8>)> = None;
        for logged in self.said() {
            let Logged { frame, headers } = logged;
            if self.connection.view == View::Frames && is_quiet(frame) {
                continue;
            }
            if frame.kind == kind::DATA {
                let goes_on = data.take().filter(|(stream, _)| *stream == frame.stream);
                let before = goes_on.map(|(_, bytes)| bytes).unwrap_or_default();
                let bytes = [&before, frame.content()].concat();
                if !frame.ends_stream() {
                    data = Some((frame.stream, bytes));
                    continue;
                }
                show_data(&mut text, &frame.describe(), &bytes);
                continue;
            }
            flush_data(&mut text, &mut data);
            let _ = writeln!(text, "client got {}", frame.describe());
            for (name, value) in headers.iter().flatten() {
                let line = [name, &b": "[..], value].concat();
                let _ = writeln!(text, "  {}", nuncio_testkit::bytes::show(&line));
            }
        }
        flush_data(&mut text, &mut data);
        text
    }

    /// What came before the client was done, without the answer to its last PING.
    fn said(&self) -> impl Iterator<Item = &Logged> {
        let said = self.said.unwrap_or(self.peer.log.len());
        let log = self.peer.log.iter().take(said);
        log.filter(|logged| !is_last_ping(logged))
    }
}

fn flush_data(text: &mut String, data: &mut Option<(u32, Vec<u8>)>) {
    if let Some((stream, bytes)) = data.take() {
        show_data(text, &format!("DATA stream {stream}"), &bytes);
    }
}

fn show_data(text: &mut String, what: &str, bytes: &[u8]) {
    let _ = writeln!(text, "client got {what}");
    for line in show::text_lines(bytes) {
        let _ = writeln!(text, "  | {line}");
    }
}

/// What a reader of frames seldom cares for.
fn is_quiet(frame: &Frame) -> bool {
    frame.kind == kind::WINDOW_UPDATE || (frame.kind == kind::SETTINGS && frame.has(flag::ACK))
}

fn is_last_ping(logged: &Logged) -> bool {
    let frame = &logged.frame;
    frame.kind == kind::PING && frame.has(flag::ACK) && frame.payload == *LAST_PING
}

fn has_come(peer: &Peer, what: Await, stream: u32) -> bool {
    let seen = peer.streams.get(&stream);
    match what {
        Await::Settings => peer.has_come(kind::SETTINGS, false),
        Await::SettingsAck => peer.has_come(kind::SETTINGS, true),
        Await::PingAck => peer.has_come(kind::PING, true),
        Await::Goaway => peer
            .log
            .iter()
            .any(|logged| logged.frame.kind == kind::GOAWAY),
        Await::Head => seen.is_some_and(|seen| !seen.messages.is_empty()),
        Await::Data => seen.is_some_and(|seen| {
            seen.messages
                .last()
                .is_some_and(|message| !message.body.is_empty())
        }),
        Await::End => peer.is_over(stream),
    }
}
