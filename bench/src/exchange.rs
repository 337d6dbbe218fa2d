//! One HTTP/1 exchange of a load: send a request, read the answer, and insist that it is right.
//!
//! An answer counts only with status 200, a Content-Length and exactly that many bytes; a proxy
//! that answers fast but wrong must not win. The head of an answer is at most 64 KiB.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::origin::{BULK_BODY_BYTES, BULK_PATH, LARGE_BODY_BYTES, LARGE_PATH, SMALL_BODY_BYTES};

/// Size of the buffer that [`exchange`] needs.
pub(crate) const READ_BUFFER_BYTES: usize = 64 * 1024;
const POST_BODY_BYTES: usize = 256;

/// What a load sends, and what it must get.
#[derive(Clone)]
pub(crate) struct Script {
    request: Vec<u8>,
    answer_body_bytes: usize,
}

impl Script {
    /// Bytes of the answer's body.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_body_bytes
    }

    /// GET, answered by 1 KiB.
    pub(crate) fn get() -> Self {
        Self {
            request: head("GET", "/", ""),
            answer_body_bytes: SMALL_BODY_BYTES,
        }
    }

    /// GET of a path that no route but the one for all others takes, answered by 1 KiB.
    pub(crate) fn behind_all_routes() -> Self {
        Self {
            request: head("GET", "/service-09998-or-not/1", ""),
            answer_body_bytes: SMALL_BODY_BYTES,
        }
    }

    /// POST with a small body, answered by 1 KiB.
    pub(crate) fn post() -> Self {
        let mut request = head(
            "POST",
            "/",
            &format!("content-length: {POST_BODY_BYTES}\r\n"),
        );
        request.resize(request.len() + POST_BODY_BYTES, b'y');
        Self {
            request,
            answer_body_bytes: SMALL_BODY_BYTES,
        }
    }

    /// GET, answered by 64 KiB.
    pub(crate) fn large() -> Self {
        Self {
            request: head("GET", LARGE_PATH, ""),
            answer_body_bytes: LARGE_BODY_BYTES,
        }
    }

    /// GET, answered by 16 MiB.
    pub(crate) fn bulk() -> Self {
        Self {
            request: head("GET", BULK_PATH, ""),
            answer_body_bytes: BULK_BODY_BYTES,
        }
    }
}

fn head(method: &str, path: &str, extra: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: bench.test\r\nuser-agent: nuncio-bench\r\naccept: */*\r\n{extra}\r\n")
        .into_bytes()
}

/// Sends the request and reads the whole answer.
///
/// # Errors
/// When the connection breaks or the answer is not the one that the script expects.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: &Script,
    buffer: &mut [u8],
) -> io::Result<()> {
    stream.write_all(&script.request).await?;
    stream.flush().await?;
    let mut filled = 0;
    let mut missing = loop {
        filled += read_some(stream, buffer.get_mut(filled..).unwrap_or_default()).await?;
        let bytes = buffer.get(..filled).unwrap_or_default();
        if let Some(answer_bytes) = answer_bytes(bytes, script.answer_body_bytes)? {
            break answer_bytes.checked_sub(filled).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "bytes after the answer's end")
            })?;
        }
    };
    while missing > 0 {
        let count = read_some(stream, buffer).await?;
        missing = missing.checked_sub(count).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "bytes after the answer's end")
        })?;
    }
    Ok(())
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin), space: &mut [u8]) -> io::Result<usize> {
    if space.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the head is too long",
        ));
    }
    match stream.read(space).await? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the proxy closed the connection",
        )),
        count => Ok(count),
    }
}

/// Bytes of head and body together, once the head is complete.
fn answer_bytes(bytes: &[u8], expected_body_bytes: usize) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head
        .parse(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(head_bytes) = parsed else {
        return Ok(None);
    };
    let status = head.code.unwrap_or_default();
    if status != 200 {
        return Err(io::Error::other(format!("status {status}")));
    }
    let length: Option<usize> = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    if length != Some(expected_body_bytes) {
        let text = format!("Content-Length is {length:?}, not {expected_body_bytes}");
        return Err(io::Error::other(text));
    }
    Ok(Some(head_bytes + expected_body_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_its_head_and_body() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(answer_bytes(head, 5).unwrap(), Some(head.len() + 5));
    }

    #[test]
    fn an_error_status_is_no_answer() {
        let head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(answer_bytes(head, 5).unwrap_err().to_string(), "status 503");
    }

    #[test]
    fn a_body_of_another_length_is_no_answer() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
        assert!(answer_bytes(head, 5).is_err());
    }

    #[test]
    fn half_a_head_is_no_answer_yet() {
        assert_eq!(answer_bytes(b"HTTP/1.1 200 OK\r\nconte", 5).unwrap(), None);
    }
}
