//! The connections of a receiver: HTTP/1 and HTTP/2 on one port; all that comes is taken and answered with 200.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use nuncio_testkit::http2::frame::{self, Frame, PREFACE, flag, kind};
use nuncio_testkit::http2::hpack;

use super::Shared;

/// Accepts connections for ever.
pub(super) fn listen(shared: Arc<Shared>) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut start = [0; 4];
                let peeked = stream.peek(&mut start);
                // Who has gone says no more.
                let _gone = match peeked.is_ok() && start[0] == b'P' && start[1] == b'R' {
                    true => serve_http2(&shared, stream),
                    false => serve_http1(&shared, stream),
                };
            });
        }
    });
    Ok(port)
}

fn serve_http1(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut lines, mut length, mut chunked) = (Vec::new(), 0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            let lower = line.to_ascii_lowercase();
            chunked |= lower == "transfer-encoding: chunked";
            match lower.strip_prefix("content-length: ") {
                _ if line.is_empty() => break,
                Some(digits) => length = digits.parse().map_err(io::Error::other)?,
                None => lines.push(line),
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        while chunked {
            let (mut size, mut end) = (String::new(), [0; 2]);
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk)?;
            reader.read_exact(&mut end)?;
            body.extend(chunk);
            chunked = size > 0;
        }
        shared.take_head(&lines);
        let path = lines.first().map(String::as_str).unwrap_or_default();
        let path = path.split(' ').nth(1).unwrap_or_default();
        shared.take_body(path, &body);
        let (length, answer) = (shared.answer.len(), &shared.answer);
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{answer}"
        )?;
    }
}

fn send(stream: &mut TcpStream, frames: &[Frame]) -> io::Result<()> {
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    stream.write_all(&bytes)
}

fn serve_http2(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface)?;
    let opening = [Frame::settings(&[]), Frame::window_update(0, 1 << 30)];
    send(&mut stream, &opening)?;
    let mut decoder = hpack::Decoder::default();
    let mut streams: BTreeMap<u32, (String, Vec<u8>)> = BTreeMap::new();
    while let Ok(frame) = frame::read(&mut stream) {
        match frame.kind {
            kind::SETTINGS | kind::PING if !frame.has(flag::ACK) => {
                let payload = match frame.kind {
                    kind::PING => frame.payload.clone(),
                    _ => Vec::new(),
                };
                send(
                    &mut stream,
                    &[Frame::new(frame.kind, flag::ACK, 0, payload)],
                )?;
            }
            kind::HEADERS => {
                let headers = decoder.decode(frame.content()).unwrap_or_default();
                let path = begin(shared, &headers);
                streams.insert(frame.stream, (path, Vec::new()));
                let head = [
                    (b":status".to_vec(), b"200".to_vec()),
                    (b"content-type".to_vec(), b"application/grpc".to_vec()),
                ];
                let block = hpack::encode(&head);
                send(
                    &mut stream,
                    &[Frame::new(
                        kind::HEADERS,
                        flag::END_HEADERS,
                        frame.stream,
                        block,
                    )],
                )?;
            }
            kind::DATA => {
                let length = u32::try_from(frame.payload.len()).unwrap_or(0);
                if length > 0 && !frame.ends_stream() {
                    send(&mut stream, &[Frame::window_update(frame.stream, length)])?;
                }
                if let Some((path, bytes)) = streams.get_mut(&frame.stream) {
                    bytes.extend(frame.content());
                    take_messages(shared, path, bytes);
                }
            }
            _ => {}
        }
        if matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.ends_stream() {
            let trailers = hpack::encode(&[(b"grpc-status".to_vec(), b"0".to_vec())]);
            let message = Frame::new(kind::DATA, 0, frame.stream, vec![0; 5]);
            let end = flag::END_HEADERS | flag::END_STREAM;
            let end = Frame::new(kind::HEADERS, end, frame.stream, trailers);
            send(&mut stream, &[message, end])?;
        }
    }
    Ok(())
}

fn begin(shared: &Shared, headers: &[hpack::Header]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{}: {}", text(name), text(value)))
        .collect();
    shared.take_head(&lines);
    let path = headers.iter().find(|(name, _)| name == b":path");
    path.map(|(_, value)| text(value)).unwrap_or_default()
}

fn take_messages(shared: &Shared, path: &str, bytes: &mut Vec<u8>) {
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else {
            return;
        };
        shared.take_body(path, message);
        *bytes = rest.to_vec();
    }
}
