//! A tiny HTTP/1 reader for tests, independent of the proxy's codec.
//!
//! It keeps the head as raw bytes, decodes chunked bodies, and says how the body was framed and
//! whether it arrived whole. It is lenient: what it cannot frame it reports rather than rejects.

use std::io::{self, ErrorKind, Read};

/// How a message's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body at all.
    None,
    /// Exactly this many bytes.
    Length(usize),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// Everything until the peer closes.
    UntilClose,
}

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The peer closed the connection.
    Closed,
    /// The peer reset it.
    Reset,
    /// Nothing came before the read deadline.
    TimedOut,
    /// The connection ended with a TLS alert of the peer's, or one to it; the text says which.
    Alert(String),
    /// Bytes that are not HTTP/1; the text says what was wrong.
    Malformed(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::ConnectionReset => Self::Reset,
            _ => crate::wire::alert(&error).map_or(Self::Closed, Self::Alert),
        }
    }
}

/// One message. `head` is everything up to and including the blank line, as it was on the wire.
#[derive(Clone, Debug)]
pub struct Message {
    /// Raw head.
    pub head: Vec<u8>,
    /// How the body was delimited.
    pub framing: Framing,
    /// The body with chunk framing removed.
    pub body: Vec<u8>,
    /// Raw trailer lines of a chunked body, without line ends.
    pub trailers: Vec<Vec<u8>>,
    /// Why the body is incomplete; `None` if it arrived whole.
    pub cut_short: Option<Stop>,
}

impl Message {
    /// A message of which only the head has come.
    #[must_use]
    pub fn from_head(head: Vec<u8>, framing: Framing) -> Self {
        Self {
            head,
            framing,
            body: Vec::new(),
            trailers: Vec::new(),
            cut_short: None,
        }
    }

    /// The head's lines without line ends, start line first.
    #[must_use]
    pub fn lines(&self) -> Vec<&[u8]> {
        head_lines(&self.head)
    }

    /// Status code of a response, 0 if the start line has none.
    #[must_use]
    pub fn status(&self) -> u16 {
        let line = self.lines().first().copied().unwrap_or_default();
        word(line, 1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// First value of a header, trimmed; the name is compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }
}

/// Splits a raw head at its CRLFs; the blank line is left out.
#[must_use]
pub fn head_lines(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = find(rest, b"\r\n") {
        if end > 0 {
            lines.push(&rest[..end]);
        }
        rest = &rest[end + 2..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// The word with this index in a space-separated line.
#[must_use]
pub fn word(line: &[u8], index: usize) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    text.split(' ').nth(index).map(str::to_owned)
}

fn header(head: &[u8], name: &str) -> Option<String> {
    head_lines(head).iter().skip(1).find_map(|line| {
        let text = String::from_utf8_lossy(line);
        let (key, value) = text.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// Framing of a request by its head.
#[must_use]
pub fn request_framing(head: &[u8]) -> Framing {
    framing(head, Framing::None)
}

/// Framing of a response by its head and the request's method.
#[must_use]
pub fn response_framing(head: &[u8], method: &str) -> Framing {
    let status: u16 = head_lines(head)
        .first()
        .and_then(|line| word(line, 1))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let is_tunnel = method == "CONNECT" && (200..300).contains(&status);
    if method == "HEAD" || status == 204 || status == 304 || status < 200 || is_tunnel {
        return Framing::None;
    }
    framing(head, Framing::UntilClose)
}

fn framing(head: &[u8], otherwise: Framing) -> Framing {
    if header(head, "transfer-encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    {
        return Framing::Chunked;
    }
    header(head, "content-length")
        .and_then(|value| value.parse().ok())
        .map_or(otherwise, Framing::Length)
}

/// Position of `needle` in `haystack`.
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Reads messages from a stream that has a read timeout set.
pub struct Reader<R> {
    stream: R,
    buffer: Vec<u8>,
    tells_resets: bool,
}

impl<R: Read> Reader<R> {
    /// A reader that has seen nothing yet.
    pub fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            tells_resets: false,
        }
    }

    /// Tells a reset from a close. Where a peer closes while bytes are still on their way to it,
    /// which of the two comes depends on timing, so it does so only when told to.
    pub fn tell_resets(&mut self) {
        self.tells_resets = true;
    }

    /// The stream, for writing.
    pub fn stream_mut(&mut self) -> &mut R {
        &mut self.stream
    }

    /// Reads one head, blank line included. [`Stop::Closed`] if the peer closed before the first
    /// byte of it, [`Stop::Malformed`] if it closed within.
    pub fn read_head(&mut self) -> Result<Vec<u8>, Stop> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(self.buffer.drain(..end + 4).collect());
            }
            match self.fill() {
                Ok(()) => {}
                Err(Stop::Closed) if !self.buffer.is_empty() => {
                    let rest = crate::bytes::show(&self.buffer);
                    return Err(Stop::Malformed(format!("closed within a head: {rest}")));
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Reads the body that `message`'s framing promises into it.
    pub fn read_body(&mut self, message: &mut Message) {
        let outcome = match message.framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.take(length, &mut message.body),
            Framing::Chunked => self.read_chunks(message),
            Framing::UntilClose => loop {
                message.body.append(&mut self.buffer);
                match self.fill() {
                    Ok(()) => {}
                    Err(Stop::Closed) => break Ok(()),
                    Err(stop) => break Err(stop),
                }
            },
        };
        message.cut_short = outcome.err();
    }

    /// Reads so many bytes, whatever they are.
    pub fn take_bytes(&mut self, length: usize) -> (Vec<u8>, Option<Stop>) {
        let mut bytes = Vec::new();
        let stop = self.take(length, &mut bytes).err();
        (bytes, stop)
    }

    /// Everything that still comes until the peer closes, and how it ended.
    pub fn read_rest(&mut self) -> (Vec<u8>, Stop) {
        loop {
            if let Err(stop) = self.fill() {
                return (std::mem::take(&mut self.buffer), stop);
            }
        }
    }

    fn read_chunks(&mut self, message: &mut Message) -> Result<(), Stop> {
        loop {
            let line = self.read_line()?;
            let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let text = String::from_utf8_lossy(digits);
            let size = usize::from_str_radix(text.trim(), 16)
                .map_err(|_| Stop::Malformed(format!("chunk size {text:?}")))?;
            if size == 0 {
                break;
            }
            self.take(size, &mut message.body)?;
            let end = self.read_line()?;
            if !end.is_empty() {
                return Err(Stop::Malformed(
                    "chunk data does not end with CRLF".to_owned(),
                ));
            }
        }
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(());
            }
            message.trailers.push(line);
        }
    }

    fn read_line(&mut self) -> Result<Vec<u8>, Stop> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer[..end].to_vec();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), Stop> {
        let wanted = body.len() + length;
        loop {
            let missing = (wanted - body.len()).min(self.buffer.len());
            body.extend(self.buffer.drain(..missing));
            if body.len() == wanted {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), Stop> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Stop::Closed),
                Ok(length) => {
                    self.buffer.extend_from_slice(&piece[..length]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset if !self.tells_resets => return Err(Stop::Closed),
                    _ => return Err(Stop::from(error)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(wire: &[u8], method: &str) -> (Message, Vec<u8>) {
        let mut reader = Reader::new(wire);
        let head = reader.read_head().expect("a head");
        let framing = response_framing(&head, method);
        let mut message = Message::from_head(head, framing);
        reader.read_body(&mut message);
        (message, reader.read_rest().0)
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\nrest";
        let (message, rest) = response(wire, "GET");
        assert_eq!(message.body, b"abc");
        assert_eq!(message.trailers, [b"t: 1".to_vec()]);
        assert_eq!(rest, b"rest");
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let (message, rest) = response(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", "HEAD");
        assert_eq!((message.framing, message.status()), (Framing::None, 200));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_body_that_stops_early_is_called_cut_short() {
        let (message, _) = response(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", "GET");
        assert_eq!(message.cut_short, Some(Stop::Closed));
    }
}
