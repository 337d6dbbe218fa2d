//! Plays the client's part of an exchange of HTTP/3.
//!
//! Unless the steps end otherwise, the client waits for the end of every stream that it opened, has the proxy acknowledge
//! what it sent, and closes.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::http3::frame::{Frame, error_name, integer, kind, read_integer};
use nuncio_testkit::http3::messages;
use nuncio_testkit::quic::{End, Incoming, QuicClient, address};
use nuncio_testkit::tls_client::Offer;

use crate::case::{
    ClientHttp3Step, ClientHttp3Word, Exchange, Http3Await, Http3Connection, Http3Exchange,
    Http3Send, http3_code,
};
use crate::certificates::{certificate_name, identity};
use crate::connecting::{PATIENCE, gone, in_words};
use crate::meanwhile::prepare;
use crate::setup::Setup;
use crate::show;

/// Nothing is wrong.
const NO_ERROR: u64 = 0x100;
/// How a connection ends of which nobody has anything to say.
const NO_FAULT: &str = "nothing is wrong";
/// The stream of the proxy's that goes one way and is opened first.
const PROXY_CONTROL: u64 = 3;

struct Player<'a> {
    client: QuicClient,
    setup: &'a mut Setup,
    connection: &'a Http3Connection,
    control: Option<u64>,
    /// The stream that a step is on that names none.
    stream: u64,
    opened: Vec<u64>,
    notes: Vec<String>,
}

/// What an exchange showed.
#[derive(Default)]
pub struct Played {
    /// What came, as text.
    pub text: String,
    /// How the handshake went.
    pub opening: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// The client's port.
    pub port: u16,
}

/// Plays an exchange.
///
/// # Errors
/// If the case is wrong or there is no socket to be had.
pub fn play(exchange: &Exchange, script: &Http3Exchange, setup: &mut Setup) -> io::Result<Played> {
    let connection = whole(script);
    let from = exchange.from.unwrap_or(Ipv4Addr::LOCALHOST);
    let to = exchange.address.unwrap_or(Ipv4Addr::LOCALHOST);
    let to = address(to, setup.port(exchange.listener()));
    let client = QuicClient::connect(from, to, &offer(exchange)?, PATIENCE)?;
    let mut played = Played {
        port: client.local_port()?,
        ..Played::default()
    };
    if !client.is_connected() {
        let why = client.end.as_ref().map_or("nothing came".to_owned(), ended);
        played.opening.push(format!("no handshake: {why}"));
        return Ok(played);
    }
    if exchange.tls.is_some()
        && let Some(answer) = client.answer()
    {
        let alpn = answer.alpn.as_deref().unwrap_or("none");
        let certificate = certificate_name(&answer.certificate);
        let line = format!("client connected over QUIC (alpn {alpn}, certificate {certificate})");
        played.opening.push(line);
    }
    let mut player = Player {
        client,
        setup,
        connection: &connection,
        control: None,
        stream: 0,
        opened: Vec::new(),
        notes: Vec::new(),
    };
    player.play()?;
    played.text = player.shown(exchange);
    played.notes = player.notes;
    Ok(played)
}

fn offer(exchange: &Exchange) -> io::Result<Offer> {
    let tls = exchange.tls.clone().unwrap_or_default();
    let mut alpn = tls.alpn;
    if alpn.is_empty() {
        alpn.push("h3".to_owned());
    }
    Ok(Offer {
        server_name: tls.sni,
        alpn,
        identity: tls.certificate.as_deref().map(identity).transpose()?,
        versions: vec!["1.3".to_owned()],
        signatures: tls.signatures,
    })
}

fn whole(script: &Http3Exchange) -> Http3Connection {
    match script {
        Http3Exchange::Request(text) => Http3Connection {
            steps: vec![ClientHttp3Step::Send(Box::new(Http3Send {
                request: Some(text.clone()),
                ..Http3Send::default()
            }))],
            ..Http3Connection::default()
        },
        Http3Exchange::Steps(steps) => Http3Connection {
            steps: steps.clone(),
            ..Http3Connection::default()
        },
        Http3Exchange::Whole(connection) => connection.clone(),
    }
}

impl Player<'_> {
    fn play(&mut self) -> io::Result<()> {
        if !self.connection.bare {
            let settings = self.connection.settings.iter();
            let payload: Vec<u8> = settings
                .flat_map(|(id, value)| [integer(*id), integer(*value)].concat())
                .collect();
            let control = [vec![0], Frame::new(kind::SETTINGS, payload).bytes()].concat();
            self.control(&control, false)?;
        }
        for step in &self.connection.steps {
            let goes_on = match step {
                ClientHttp3Step::Send(send) => {
                    for _ in 0..send.times.unwrap_or(1) {
                        self.send(send)?;
                    }
                    send.close.is_none()
                }
                ClientHttp3Step::Await { r#await, stream } => {
                    let stream = stream.unwrap_or(self.stream);
                    self.until(|client| has_come(client, *r#await, stream))
                }
                ClientHttp3Step::AwaitUpstream {
                    await_upstream,
                    requests,
                } => {
                    self.await_upstream(await_upstream, *requests);
                    true
                }
                ClientHttp3Step::Meanwhile { meanwhile } => {
                    for step in meanwhile {
                        self.notes.extend(prepare(step, self.setup)?);
                    }
                    true
                }
                ClientHttp3Step::Word(ClientHttp3Word::RoundTrip) => {
                    self.round_trip();
                    true
                }
                ClientHttp3Step::Word(ClientHttp3Word::ReadToClose) => {
                    self.until(|_| false);
                    false
                }
                ClientHttp3Step::Word(ClientHttp3Word::Settle) => {
                    self.settle();
                    false
                }
                ClientHttp3Step::Word(ClientHttp3Word::Leave) => {
                    self.client.close(NO_ERROR, "");
                    false
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
        let opened = self.opened.clone();
        if self.until(|client| opened.iter().all(|stream| is_over(client, *stream))) {
            self.settle();
        }
        Ok(())
    }

    fn control(&mut self, bytes: &[u8], ends: bool) -> io::Result<()> {
        let stream = match self.control {
            Some(stream) => stream,
            None => self.open(false)?,
        };
        self.control = Some(stream);
        self.client.send(stream, bytes, ends);
        Ok(())
    }

    fn open(&mut self, both_ways: bool) -> io::Result<u64> {
        let none = || io::Error::other("the proxy allows no more streams");
        self.client.open(both_ways).ok_or_else(none)
    }

    fn send(&mut self, step: &Http3Send) -> io::Result<()> {
        if self.client.end.is_some() {
            return Ok(());
        }
        let mut step = step.clone();
        for text in step.texts() {
            *text = self.setup.fill(text)?;
        }
        if let Some(count) = step.skip {
            for _ in 0..count {
                self.open(true)?;
            }
            return Ok(());
        }
        if let Some(text) = &step.control {
            return self.control(&from_text(text), step.end == Some(true));
        }
        if let Some(text) = &step.uni {
            let stream = self.open(false)?;
            let bytes = from_text(text);
            self.client.send(stream, &bytes, step.end == Some(true));
            return Ok(());
        }
        if let Some(text) = &step.reset_control {
            if let Some(stream) = self.control {
                self.client.reset(stream, http3_code(text)?);
            }
            return Ok(());
        }
        if let Some(text) = &step.close {
            self.client.close(http3_code(text)?, "");
            return Ok(());
        }
        let must_open = step.opens() || (self.opened.is_empty() && step.stream.is_none());
        if must_open {
            self.stream = self.open(true)?;
            self.opened.push(self.stream);
        }
        self.stream = step.stream.unwrap_or(self.stream);
        if let Some(text) = &step.reset {
            self.client.reset(self.stream, http3_code(text)?);
        } else if let Some(text) = &step.stop {
            self.client.stop(self.stream, http3_code(text)?);
            let given_up = self.stream;
            self.opened.retain(|stream| *stream != given_up);
        } else if let Some((bytes, ends)) = step.bytes()? {
            self.client.send(self.stream, &bytes, ends);
        } else {
            self.client.send(self.stream, &[], step.end == Some(true));
        }
        Ok(())
    }

    fn await_upstream(&mut self, name: &str, requests: usize) {
        // What was sent must be on its way.
        self.round_trip();
        let upstream = self.setup.upstreams.get(name);
        if !upstream.is_some_and(|upstream| upstream.await_heads(requests)) {
            let note = format!("upstream {name} saw fewer requests than {requests}");
            self.notes.push(note);
        }
    }

    /// Reads until something holds; false if the connection ended before.
    fn until(&mut self, holds: impl Fn(&QuicClient) -> bool) -> bool {
        match self.client.until(holds) {
            Ok(()) => true,
            Err(_) if self.client.end.is_some() => false,
            Err(stop) => {
                self.notes.push(in_words(&gone(stop)));
                false
            }
        }
    }

    fn round_trip(&mut self) {
        if let Err(stop) = self.client.round_trip()
            && self.client.end.is_none()
        {
            self.notes.push(in_words(&gone(stop)));
        }
    }

    fn settle(&mut self) {
        self.round_trip();
        self.client.close(NO_ERROR, "");
    }

    fn shown(&self, exchange: &Exchange) -> String {
        let mut text = String::new();
        for (number, stream) in &self.client.streams {
            if number & 3 == 0 {
                show_stream(&mut text, *number, stream, exchange);
            } else if let Some(code) = stream.stopped {
                let code = error_name(code);
                let _ = writeln!(text, "client was asked to stop stream {number}: {code}");
            }
        }
        // Envoy goes away on its control stream too when it closes for a fault; that the close says already.
        let is_fault = self
            .client
            .end
            .as_ref()
            .is_some_and(|end| ended(end) != NO_FAULT);
        if let Some(control) = self
            .client
            .streams
            .get(&PROXY_CONTROL)
            .filter(|_| !is_fault)
        {
            for frame in control_frames(&control.bytes) {
                if frame.kind == kind::GOAWAY {
                    let id = read_integer(&frame.payload).map_or(0, |(id, _)| id);
                    let _ = writeln!(text, "client got GOAWAY from {id}");
                }
            }
        }
        if let Some(end) = &self.client.end {
            let _ = writeln!(text, "connection closed by the proxy: {}", ended(end));
        }
        text
    }
}

fn show_stream(text: &mut String, number: u64, stream: &Incoming, exchange: &Exchange) {
    let _ = writeln!(text, "client got on stream {number}");
    let (parsed, fault) = messages(&stream.bytes);
    for message in &parsed.messages {
        text.push_str(&show::message(message, "  ", &exchange.show));
    }
    if let Some(fault) = fault {
        let _ = writeln!(text, "  {fault}");
    }
    if let Some(code) = stream.stopped {
        let _ = writeln!(text, "  stop: {}", error_name(code));
    }
    match stream.reset {
        Some(code) => {
            let _ = writeln!(text, "  reset: {}", error_name(code));
        }
        None if !stream.ended => text.push_str("  not ended\n"),
        None => {}
    }
}

/// How a connection ended, in words.
fn ended(end: &End) -> String {
    match end {
        // Envoy closes at the end of a drain with a code of QUIC and a phrase of its own.
        End::Application(NO_ERROR, _) | End::Transport(0, _) => NO_FAULT.to_owned(),
        End::Application(code, phrase) => format!("{} {phrase}", error_name(*code)),
        End::Transport(code, phrase) => format!("transport error {code:#x} {phrase}"),
        End::Other(what) => what.clone(),
    }
}

/// Whether the proxy will send nothing more on a stream.
fn is_over(client: &QuicClient, stream: u64) -> bool {
    let stream = client.streams.get(&stream);
    stream.is_some_and(|stream| stream.ended || stream.reset.is_some())
}

fn has_come(client: &QuicClient, what: Http3Await, number: u64) -> bool {
    let none = Incoming::default();
    let stream = client.streams.get(&number).unwrap_or(&none);
    let control = client.streams.get(&PROXY_CONTROL).unwrap_or(&none);
    let has_frame = |wanted: u64| {
        let mut frames = control_frames(&control.bytes).into_iter();
        frames.any(|frame| frame.kind == wanted)
    };
    match what {
        Http3Await::Head => !messages(&stream.bytes).0.messages.is_empty(),
        Http3Await::Data => {
            let (parsed, _) = messages(&stream.bytes);
            parsed
                .messages
                .iter()
                .any(|message| !message.body.is_empty())
        }
        Http3Await::End => stream.ended,
        Http3Await::Reset => stream.reset.is_some(),
        Http3Await::Stop => stream.stopped.is_some(),
        Http3Await::Settings => has_frame(kind::SETTINGS),
        Http3Await::Goaway => has_frame(kind::GOAWAY),
    }
}

/// The whole frames of a control stream.
fn control_frames(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let Some((frame, taken)) = Frame::read(rest) {
        frames.push(frame);
        rest = &rest[taken..];
    }
    frames
}
