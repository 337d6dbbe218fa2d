//! Plays the client's part of an exchange.

use std::io;
use std::time::{Duration, Instant};

use nuncio_testkit::bytes::{from_lines, from_text};
use nuncio_testkit::client::{Client, Response};
use nuncio_testkit::message::Stop;

use crate::case::{ClientStep, ClientWord, Exchange, Expect, ExpectWord};
use crate::coding;
use crate::connecting::{self, in_words};
use crate::datagram_client;
use crate::http2_client;
use crate::http3_client;
use crate::meanwhile::{awaited, prepare};
use crate::setup::Setup;

/// How long an exchange is repeated that waits for something, and how often.
const UNTIL_DEADLINE: Duration = Duration::from_secs(10);
const UNTIL_POLL: Duration = Duration::from_millis(20);

/// What the client got.
#[derive(Default)]
pub struct Received {
    /// In words, how the connection began.
    pub opening: Vec<String>,
    /// What came, where it is no HTTP/1.
    pub text: String,
    /// Responses in order.
    pub responses: Vec<Response>,
    /// In words, what else there is to say: how the connection ended, bytes left over.
    pub notes: Vec<String>,
    /// The client's port.
    pub port: u16,
}

/// Runs one exchange on a new connection.
///
/// # Errors
/// If the case is wrong or the proxy does not accept connections. All else is reported in the
/// result.
pub fn play(exchange: &Exchange, setup: &mut Setup) -> io::Result<Received> {
    let mut missing = Vec::new();
    for step in &exchange.before {
        missing.extend(prepare(step, setup)?);
    }
    let mut received = play_until(exchange, setup)?;
    received.notes.extend(missing);
    Ok(received)
}

fn play_until(exchange: &Exchange, setup: &mut Setup) -> io::Result<Received> {
    let Some(text) = &exchange.until else {
        return play_once(exchange, setup);
    };
    let text = setup.fill(text)?;
    let deadline = Instant::now() + UNTIL_DEADLINE;
    loop {
        let received = play_once(exchange, setup)?;
        let mut responses = received.responses.iter();
        let has_it = responses
            .any(|response| String::from_utf8_lossy(&response.message.body).contains(&text));
        if has_it || Instant::now() > deadline {
            return Ok(received);
        }
        // What upstreams saw counts with the last time as well.
        for upstream in setup.upstreams.values() {
            let _not_the_last_time = upstream.take_seen();
        }
        std::thread::sleep(UNTIL_POLL);
    }
}

fn play_once(exchange: &Exchange, setup: &mut Setup) -> io::Result<Received> {
    let mut received = Received::default();
    if let Some(steps) = &exchange.udp {
        (received.text, received.port) = datagram_client::play(exchange, steps, setup)?;
        return Ok(received);
    }
    if let Some(script) = &exchange.http3 {
        let played = http3_client::play(exchange, script, setup)?;
        return Ok(Received {
            text: played.text,
            opening: played.opening,
            notes: played.notes,
            port: played.port,
            ..Received::default()
        });
    }
    let mut opened = connecting::open(exchange, setup)?;
    received.port = opened.port.unwrap_or(0);
    received.opening = std::mem::take(&mut opened.notes);
    if let Some(script) = &exchange.http2 {
        (received.text, received.notes) = http2_client::play(exchange, script, opened, setup)?;
        return Ok(received);
    }
    let Some(wire) = opened.wire else {
        return Ok(received);
    };
    let mut client = Client::on(wire)?;
    client.send_ahead(opened.prefix);
    if exchange.tell_resets {
        client.tell_resets();
    }
    match (&exchange.get, &exchange.request, &exchange.steps) {
        (Some(target), None, None) => {
            send(
                &mut client,
                &from_lines(&format!("GET {target} HTTP/1.1\nhost: example.com\n")),
                &mut received,
            );
        }
        (None, Some(text), None) => {
            let mut bytes = from_lines(&setup.fill(text)?);
            bytes.extend(from_text(exchange.body.as_deref().unwrap_or_default()));
            send(&mut client, &bytes, &mut received);
        }
        (None, None, Some(steps)) => return play_steps(client, steps, setup, received),
        _ => {
            return Err(io::Error::other(
                "an exchange needs exactly one of get, request, steps, http2, http3 and udp",
            ));
        }
    }
    match exchange.expect {
        Expect::Responses(count) => {
            if read(&mut client, count, &mut received) {
                finish(&mut client, &mut received);
            }
        }
        Expect::Word(ExpectWord::Close) => read_to_close(&mut client, &mut received),
    }
    Ok(received)
}

fn play_steps(
    mut client: Client,
    steps: &[ClientStep],
    setup: &mut Setup,
    mut received: Received,
) -> io::Result<Received> {
    for step in steps {
        match step {
            ClientStep::Send { send: text } => {
                let filled = setup.fill(text)?;
                let bytes = if filled.contains("HTTP/1.") {
                    from_lines(&filled)
                } else {
                    from_text(&filled)
                };
                send(&mut client, &bytes, &mut received);
            }
            ClientStep::Pack { pack } => send(&mut client, &coding::chunk(pack)?, &mut received),
            ClientStep::Fill { fill } => send(&mut client, &vec![b'a'; *fill], &mut received),
            ClientStep::Read { read: count } => {
                if !read(&mut client, *count, &mut received) {
                    return Ok(received);
                }
            }
            ClientStep::Take { take } => {
                let (bytes, stop) = client.take_bytes(*take);
                note_bytes(&bytes, &mut received);
                if let Some(stop) = stop {
                    received.notes.push(in_words(&stop));
                    return Ok(received);
                }
            }
            ClientStep::AwaitUpstream {
                await_upstream,
                requests,
            } => {
                let missed = await_heads(await_upstream, *requests, setup);
                received.notes.extend(missed);
            }
            ClientStep::AwaitStat { await_stat } => {
                received.notes.extend(awaited(await_stat, setup)?);
            }
            ClientStep::Meanwhile { meanwhile } => {
                for step in meanwhile {
                    received.notes.extend(prepare(step, setup)?);
                }
            }
            ClientStep::Word(ClientWord::HalfClose) => client.half_close(),
            ClientStep::Word(ClientWord::ReadToClose) => {
                read_to_close(&mut client, &mut received);
                return Ok(received);
            }
            ClientStep::Word(ClientWord::TakeToEnd) => {
                let (bytes, stop) = client.read_rest();
                note_bytes(&bytes, &mut received);
                if stop != Stop::Closed {
                    received.notes.push(in_words(&stop));
                    return Ok(received);
                }
            }
            ClientStep::Word(ClientWord::TakeRest) => {
                let (bytes, stop) = client.read_rest();
                note_bytes(&bytes, &mut received);
                received.notes.push(in_words(&stop));
                return Ok(received);
            }
            ClientStep::Word(ClientWord::Reset) => {
                client.reset();
                return Ok(received);
            }
        }
    }
    finish(&mut client, &mut received);
    Ok(received)
}

/// Waits for the heads of so many requests of the exchange; a note if they do not come.
fn await_heads(name: &str, requests: usize, setup: &Setup) -> Option<String> {
    let upstream = setup.upstreams.get(name);
    let came = upstream.is_some_and(|upstream| upstream.await_heads(requests));
    (!came).then(|| format!("upstream {name} saw no request"))
}

fn send(client: &mut Client, bytes: &[u8], received: &mut Received) {
    if client.send(bytes).is_err() {
        received
            .notes
            .push("the proxy closed while the client was sending".to_owned());
    }
}

/// Reads `count` responses; false if they did not all come whole.
fn read(client: &mut Client, count: usize, received: &mut Received) -> bool {
    for _ in 0..count {
        match client.read_response() {
            Ok(response) => {
                let whole = response.message.cut_short.is_none();
                received.responses.push(response);
                if !whole {
                    return false;
                }
            }
            Err(stop) => {
                received.notes.push(in_words(&stop));
                return false;
            }
        }
    }
    true
}

fn read_to_close(client: &mut Client, received: &mut Received) {
    loop {
        match client.read_response() {
            Ok(response) => received.responses.push(response),
            Err(stop) => {
                received.notes.push(in_words(&stop));
                return;
            }
        }
    }
}

/// Nothing more may come once the client says that it is done.
fn finish(client: &mut Client, received: &mut Received) {
    client.half_close();
    let (rest, stop) = client.read_rest();
    note_bytes(&rest, received);
    if stop != Stop::Closed {
        received
            .notes
            .push("the proxy kept the connection although the client was done".to_owned());
    }
}

/// Notes bytes that are no response.
fn note_bytes(bytes: &[u8], received: &mut Received) {
    if !bytes.is_empty() {
        let shown = nuncio_testkit::bytes::show(bytes);
        received.notes.push(format!("more bytes came: {shown}"));
    }
}
