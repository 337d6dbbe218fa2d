//! The origin server: answers each HTTP/1 request with a fixed body, as cheaply as it can.
//!
//! `/64k` gets 64 KiB, `/16m` 16 MiB, everything else 1 KiB. Bodies are read by Content-Length and thrown away;
//! a chunked request is refused by closing, since no load here sends one. A head is at most
//! 16 KiB. It runs on one thread of the harness, away from the core of the proxy.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Bytes of the body of an answer to any path but [`LARGE_PATH`].
pub(crate) const SMALL_BODY_BYTES: usize = 1024;
/// Bytes of the body of an answer to [`LARGE_PATH`].
pub(crate) const LARGE_BODY_BYTES: usize = 64 * 1024;
/// The path that gets the large body.
pub(crate) const LARGE_PATH: &str = "/64k";
/// Bytes of the body of an answer to [`BULK_PATH`].
pub(crate) const BULK_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The path that gets the largest body.
pub(crate) const BULK_PATH: &str = "/16m";

struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
    bulk: Vec<u8>,
}

/// An answer that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Small,
    Large,
    Bulk,
}

/// One request found in the read buffer.
struct Request {
    wanted: Wanted,
    /// Bytes of head and body together.
    total_bytes: usize,
}

/// Starts the origin on its own thread and returns its address.
///
/// # Errors
/// When the port cannot be bound or the thread cannot start.
pub(crate) fn start(port: u16) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    thread::Builder::new()
        .name("origin".into())
        .spawn(move || LocalSet::new().block_on(&runtime, serve(listener)))?;
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let answers = Rc::new(Answers {
        small: answer(SMALL_BODY_BYTES),
        large: answer(LARGE_BODY_BYTES),
        bulk: answer(BULK_BODY_BYTES),
    });
    loop {
        // Out of descriptors is the only likely error; the loads then report what they miss.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let answers = Rc::clone(&answers);
        tokio::task::spawn_local(async move {
            // A broken connection is the load's to notice.
            let _ = serve_connection(stream, &answers).await;
        });
    }
}

fn answer(body_bytes: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + body_bytes, b'x');
    bytes
}

async fn serve_connection(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let count = stream.read(space).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        while let Some(request) = next_request(&buffer[..filled])? {
            skip_rest_of_body(&mut stream, &request, filled).await?;
            let answer = match request.wanted {
                Wanted::Small => &answers.small,
                Wanted::Large => &answers.large,
                Wanted::Bulk => &answers.bulk,
            };
            stream.write_all(answer).await?;
            let used = request.total_bytes.min(filled);
            buffer.copy_within(used..filled, 0);
            filled -= used;
        }
    }
}

/// Reads what of the body is not in the buffer yet.
async fn skip_rest_of_body(
    stream: &mut TcpStream,
    request: &Request,
    filled: usize,
) -> io::Result<()> {
    let mut missing = request.total_bytes.saturating_sub(filled);
    let mut scratch = vec![0; missing.min(READ_BUFFER_BYTES)];
    while missing > 0 {
        let limit = missing.min(scratch.len());
        let count = stream.read(&mut scratch[..limit]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        missing -= count;
    }
    Ok(())
}

/// The first request whose head is complete in `bytes`.
fn next_request(bytes: &[u8]) -> io::Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let parsed = head
        .parse(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(head_bytes) = parsed else {
        return Ok(None);
    };
    let wanted = match head.path {
        Some(LARGE_PATH) => Wanted::Large,
        Some(BULK_PATH) => Wanted::Bulk,
        _ => Wanted::Small,
    };
    let body_bytes = body_bytes(head.headers)?;
    Ok(Some(Request {
        wanted,
        total_bytes: head_bytes + body_bytes,
    }))
}

fn body_bytes(headers: &[httparse::Header<'_>]) -> io::Result<usize> {
    let mut length = 0;
    for header in headers {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or(io::ErrorKind::InvalidData)?;
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_its_head_and_body() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        let request = next_request(bytes).unwrap().unwrap();
        assert_eq!(request.total_bytes, bytes.len() - "GET".len());
        assert_eq!(request.wanted, Wanted::Small);
    }

    #[test]
    fn half_a_head_is_no_request_yet() {
        assert!(
            next_request(b"GET /64k HTTP/1.1\r\nHost: a\r\n")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_path_of_its_own_gets_each_larger_answer() {
        let wanted = |head: &[u8]| next_request(head).unwrap().unwrap().wanted;
        assert_eq!(wanted(b"GET /64k HTTP/1.1\r\n\r\n"), Wanted::Large);
        assert_eq!(wanted(b"GET /16m HTTP/1.1\r\n\r\n"), Wanted::Bulk);
    }

    #[test]
    fn a_chunked_request_is_refused() {
        let bytes = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(next_request(bytes).is_err());
    }
}
