//! The connections of a control plane: frames in, requests noted; responses out.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nuncio_testkit::http2::frame::{self, Frame, PREFACE, flag, kind};
use nuncio_testkit::http2::hpack;
use serde_json::Value;

use super::{ServiceSpec, Shared, Telling, protobuf, request, talk};

/// A connection.
pub(super) struct Line(Mutex<TcpStream>);

impl Line {
    fn send(&self, frames: &[Frame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has gone reads no more.
        let _gone = stream.write_all(&bytes);
    }

    pub(super) fn close(&self) {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone = stream.shutdown(Shutdown::Both);
    }
}

/// A stream of requests.
struct Stream {
    is_delta: bool,
    method: String,
    /// What was told last of a service that is told as it is.
    last: Option<String>,
    /// Bytes of the next message.
    bytes: Vec<u8>,
    /// Which of a service's streams it is, and how many messages came on it.
    turn: Option<(usize, usize)>,
    /// The kinds that were asked for.
    kinds: Vec<String>,
}

/// Accepts connections for ever.
pub(super) fn listen(shared: Arc<Shared>) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || serve(&shared, stream));
        }
    });
    Ok(port)
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let mut preface = [0; PREFACE.len()];
    let Ok(copy) = stream.try_clone() else { return };
    if stream.read_exact(&mut preface).is_err() {
        return;
    }
    let line = Arc::new(Line(Mutex::new(copy)));
    line.send(&[Frame::settings(&[]), Frame::window_update(0, 1 << 30)]);
    shared.state().lines.push(Arc::clone(&line));
    let mut decoder = hpack::Decoder::default();
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    while let Ok(frame) = frame::read(&mut stream) {
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => {
                line.send(&[Frame::new(kind::SETTINGS, flag::ACK, 0, Vec::new())]);
            }
            kind::PING if !frame.has(flag::ACK) => {
                line.send(&[Frame::new(kind::PING, flag::ACK, 0, frame.payload.clone())]);
            }
            kind::HEADERS => {
                let headers = decoder.decode(frame.content()).unwrap_or_default();
                streams.insert(frame.stream, begin(&line, frame.stream, &headers));
            }
            kind::DATA => {
                let length = u32::try_from(frame.payload.len()).unwrap_or(0);
                if length > 0 {
                    line.send(&[Frame::window_update(frame.stream, length)]);
                }
                if let Some(stream) = streams.get_mut(&frame.stream) {
                    stream.bytes.extend(frame.content());
                    take_messages(shared, &line, frame.stream, stream);
                }
            }
            _ => {}
        }
    }
}

fn begin(line: &Line, number: u32, headers: &[hpack::Header]) -> Stream {
    let path = headers.iter().find(|(name, _)| name == b":path");
    let path = path.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let block = hpack::encode(&[
        (b":status".to_vec(), b"200".to_vec()),
        (b"content-type".to_vec(), b"application/grpc".to_vec()),
    ]);
    line.send(&[Frame::new(kind::HEADERS, flag::END_HEADERS, number, block)]);
    let method = path.as_deref().and_then(|path| path.rsplit('/').next());
    Stream {
        method: method.unwrap_or_default().to_owned(),
        last: None,
        is_delta: path.is_some_and(|path| path.contains("/Delta")),
        bytes: Vec::new(),
        turn: None,
        kinds: Vec::new(),
    }
}

fn take_messages(shared: &Shared, line: &Arc<Line>, number: u32, stream: &mut Stream) {
    while let Some((head, rest)) = stream.bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else {
            return;
        };
        if let Some(service) = shared.spec.services.get(&stream.method) {
            let message = message.to_vec();
            stream.bytes = rest.to_vec();
            let take = match service.streams.is_empty() {
                true => take_of_service,
                false => take_of_talk,
            };
            take(shared, service, line, number, stream, &message);
            continue;
        }
        let request = request::read(message, stream.is_delta);
        let type_name = type_name(message, stream.is_delta);
        stream.bytes = rest.to_vec();
        let is_first = !stream.kinds.contains(&request.kind);
        if is_first {
            stream.kinds.push(request.kind.clone());
        }
        let kind = request.kind.clone();
        let mut state = shared.state();
        let place = (Arc::clone(line), number, stream.is_delta, type_name);
        state.kinds.insert(kind.clone(), place);
        if !request.nonce.is_empty() {
            state.answered.push((kind.clone(), request.nonce.clone()));
        }
        state.requests.push(request);
        let times = state.firsts.entry(kind.clone()).or_default();
        let answers = shared.spec.answers.get(&kind).filter(|_| is_first);
        let answer = answers
            .and_then(|all| all.get(*times).or(all.last()))
            .cloned();
        *times += usize::from(is_first);
        drop(state);
        shared.changed.notify_all();
        if let Some(answer) = answer
            && let Err(why) = shared.tell(&kind, &answer)
        {
            eprintln!("the control plane of a case has no answer: {why}");
        }
    }
}

/// Notes a message and does what follows from it.
fn take_of_talk(
    shared: &Shared,
    service: &ServiceSpec,
    line: &Line,
    number: u32,
    stream: &mut Stream,
    message: &[u8],
) {
    let text = protobuf::describe_sorted(message, &service.hides, &service.sorts);
    let mut state = shared.state();
    let (which, messages) = *stream.turn.get_or_insert_with(|| {
        let begun = state.firsts.entry(stream.method.clone()).or_default();
        *begun += 1;
        (*begun - 1, 0)
    });
    stream.turn = Some((which, messages + 1));
    state.requests.push(request::Request {
        kind: stream.method.clone(),
        nonce: String::new(),
        line: format!("{} {text}", stream.method),
    });
    drop(state);
    shared.changed.notify_all();
    let turns = service.streams.get(which);
    for doing in turns
        .and_then(|all| all.get(messages))
        .into_iter()
        .flatten()
    {
        match talk::frames(doing, number) {
            Ok(Some(frames)) => line.send(&frames),
            Ok(None) => line.close(),
            Err(why) => eprintln!("a service of a case cannot do this: {why}"),
        }
    }
}

/// Notes a message if it is another than the one before, and answers the first.
fn take_of_service(
    shared: &Shared,
    service: &ServiceSpec,
    line: &Line,
    number: u32,
    stream: &mut Stream,
    message: &[u8],
) {
    let text = protobuf::describe(message, &service.hides);
    if stream.last.is_none() {
        for said in &service.says {
            match protobuf::message(said) {
                Ok(message) => send(line, number, &message),
                Err(why) => eprintln!("a service of a case has no answer: {why}"),
            }
        }
    }
    if stream.last.as_ref() != Some(&text) {
        let mut state = shared.state();
        state.requests.push(request::Request {
            kind: stream.method.clone(),
            nonce: String::new(),
            line: format!("{} {text}", stream.method),
        });
        drop(state);
        shared.changed.notify_all();
        stream.last = Some(text);
    }
}

fn send(line: &Line, stream: u32, message: &[u8]) {
    line.send(&talk::message_frames(message, stream));
}

fn type_name(message: &[u8], is_delta: bool) -> String {
    let wanted = if is_delta { 2 } else { 4 };
    let fields = protobuf::fields(message);
    let found = fields.iter().find(|(number, _)| *number == wanted);
    let url = found.map(|(_, value)| value.text()).unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

impl Shared {
    /// Sends a response of a kind.
    pub(super) fn tell(&self, kind: &str, telling: &Telling) -> Result<(), String> {
        let place = self.state().kinds.get(kind).cloned();
        let (line, stream, is_delta, type_name) = place.ok_or("the kind was not asked for")?;
        let type_name = telling.type_name.clone().unwrap_or(type_name);
        let message = response(
            telling,
            &type_name,
            is_delta,
            self.spec.identifier.as_deref(),
        )?;
        send(&line, stream, &message);
        Ok(())
    }
}

fn response(
    telling: &Telling,
    type_name: &str,
    is_delta: bool,
    identifier: Option<&str>,
) -> Result<Vec<u8>, String> {
    if let Some(text) = &telling.no_response {
        return Ok(text.clone().into_bytes());
    }
    let mut out = Vec::new();
    protobuf::bytes(1, telling.version.as_bytes(), &mut out);
    for resource in &telling.resources {
        let any = protobuf::message(resource)?;
        let wrapped = match is_delta {
            true => wrapped(resource, &any)?,
            false => any,
        };
        protobuf::bytes(2, &wrapped, &mut out);
    }
    let url = format!("type.googleapis.com/{type_name}");
    protobuf::bytes(4, url.as_bytes(), &mut out);
    protobuf::bytes(5, telling.nonce.as_bytes(), &mut out);
    for name in &telling.removed {
        protobuf::bytes(6, name.as_bytes(), &mut out);
    }
    if let Some(identifier) = identifier {
        let mut plane = Vec::new();
        protobuf::bytes(1, identifier.as_bytes(), &mut plane);
        protobuf::bytes(if is_delta { 7 } else { 6 }, &plane, &mut out);
    }
    Ok(out)
}

/// A resource with its name, version and aliases; nothing else, if it says nothing.
fn wrapped(resource: &Value, any: &[u8]) -> Result<Vec<u8>, String> {
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    let mut out = Vec::new();
    protobuf::bytes(1, text("at").unwrap_or_default().as_bytes(), &mut out);
    if resource.get("any").is_some() {
        protobuf::bytes(2, any, &mut out);
    }
    let name = text("as").ok_or("a resource of delta has no name")?;
    protobuf::bytes(3, name.as_bytes(), &mut out);
    let aliases = resource.get("aka").and_then(Value::as_array);
    for alias in aliases.into_iter().flatten().filter_map(Value::as_str) {
        protobuf::bytes(4, alias.as_bytes(), &mut out);
    }
    Ok(out)
}
