//! The begin of a TLS connection, read as far as it is in the clear: RFC 8446 section 4.1.2, and the same of versions
//! before.
//!
//! A hello may lie in several records, empty ones among them, and has 16 KiB at most. Every length is checked against
//! what is around it; what does not fit is no TLS, nor is a hello with an extension twice or a name that is none.

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const MAJOR_VERSION: u8 = 3;
const RECORD_HEADER_BYTES: usize = 5;
const MOST_RECORD_BYTES: usize = (1 << 14) + 256;
const MOST_HELLO_BYTES: u32 = 1 << 14;
/// More than there are kinds of extensions.
const MOST_EXTENSIONS: usize = 256;
pub(super) const SERVER_NAME: u16 = 0;
pub(super) const PROTOCOLS: u16 = 16;

/// What a client asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) server_name: Option<String>,
    /// As they are offered.
    pub(super) protocols: Vec<Vec<u8>>,
    /// All of it, without its kind and length.
    pub(super) body: Vec<u8>,
}

/// What some bytes are the begin of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It takes more of them to tell.
    More,
    /// Of TLS, with so many bytes up to the end of the hello.
    Hello(Hello, usize),
    /// Of something else.
    Other,
}

/// Looks at the first bytes of a connection.
pub(super) fn read(bytes: &[u8]) -> Read {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((header, after)) = rest.split_at_checked(RECORD_HEADER_BYTES) else {
            return Read::More;
        };
        let [kind, major, _, high, low] = *header else {
            return Read::Other;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind != HANDSHAKE || major != MAJOR_VERSION || length > MOST_RECORD_BYTES {
            return Read::Other;
        }
        // A record is read once it is there whole.
        let Some((part, next)) = after.split_at_checked(length) else {
            return Read::More;
        };
        message.extend_from_slice(part);
        match message_length(&message) {
            Length::Other => return Read::Other,
            Length::Known(whole) if message.len() >= whole => {
                let hello = message.get(4..whole).and_then(hello);
                let behind = message.len() - whole;
                let used = bytes.len() - after.len() + part.len() - behind;
                message.truncate(whole);
                message.drain(..4);
                return hello.map_or(Read::Other, |hello| {
                    let body = message;
                    Read::Hello(Hello { body, ..hello }, used)
                });
            }
            Length::Known(_) | Length::Unclear => {}
        }
        rest = next;
    }
}

enum Length {
    /// With its four bytes in front.
    Known(usize),
    Unclear,
    /// It is no ClientHello.
    Other,
}

fn message_length(message: &[u8]) -> Length {
    match *message {
        [kind, ..] if kind != CLIENT_HELLO => Length::Other,
        [_, high, middle, low, ..] => {
            let length = u32::from_be_bytes([0, high, middle, low]);
            if length > MOST_HELLO_BYTES {
                return Length::Other;
            }
            Length::Known(usize::try_from(length).map_or(usize::MAX, |length| length + 4))
        }
        _ => Length::Unclear,
    }
}

fn hello(bytes: &[u8]) -> Option<Hello> {
    let mut rest = Bytes(bytes);
    let [major, _] = *rest.take(2)? else {
        return None;
    };
    if major != MAJOR_VERSION {
        return None;
    }
    rest.take(32)?;
    let session = rest.short()?;
    let ciphers = rest.long()?;
    let compressions = rest.short()?;
    if session.len() > 32 || ciphers.is_empty() || ciphers.len() % 2 == 1 || compressions.is_empty()
    {
        return None;
    }
    let mut hello = Hello::default();
    if rest.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = Bytes(rest.long()?);
    if !rest.0.is_empty() {
        return None;
    }
    let mut kinds = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        if kinds.contains(&kind) || kinds.len() == MOST_EXTENSIONS {
            return None;
        }
        kinds.push(kind);
        let content = Bytes(extensions.long()?);
        match kind {
            SERVER_NAME => hello.server_name = server_name(content)?,
            PROTOCOLS => hello.protocols = protocols(content)?,
            _ => {}
        }
    }
    Some(hello)
}

/// The name of the host, of which there is one alone; none if it is no text. An outer none: the extension is broken.
fn server_name(mut content: Bytes<'_>) -> Option<Option<String>> {
    let mut names = Bytes(content.long()?);
    let [kind] = *names.take(1)? else {
        return None;
    };
    let name = names.long()?;
    let is_sound = kind == 0 && !name.is_empty() && name.len() <= 255 && !name.contains(&0);
    if !is_sound || !names.0.is_empty() || !content.0.is_empty() {
        return None;
    }
    Some(std::str::from_utf8(name).ok().map(str::to_owned))
}

fn protocols(mut content: Bytes<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = Bytes(content.long()?);
    let mut found = Vec::new();
    while !list.0.is_empty() {
        found.push(list.short()?.to_vec());
    }
    Some(found)
}

/// Bytes that are left to read.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    /// As many as the first byte says.
    pub(super) fn short(&mut self) -> Option<&'a [u8]> {
        let [count] = *self.take(1)? else {
            return None;
        };
        self.take(usize::from(count))
    }

    /// As many as the first two bytes say.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(usize::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Vec<u8> {
        let count = u16::try_from(bytes.len()).expect("it is short");
        [&count.to_be_bytes(), bytes].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &long(content)].concat()
    }

    fn message(extensions: &[u8]) -> Vec<u8> {
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0],
            &long(&[0x13, 1]),
            &[1, 0],
            &long(extensions),
        ]
        .concat();
        let count = u32::try_from(body.len())
            .expect("it is short")
            .to_be_bytes();
        [&[1][..], &count[1..], &body].concat()
    }

    fn record(bytes: &[u8]) -> Vec<u8> {
        [&[22, 3, 1][..], &long(bytes)].concat()
    }

    fn asking() -> Vec<u8> {
        let name = extension(0, &long(&[&[0][..], &long(b"a.example.com")].concat()));
        let protocols = extension(16, &long(b"\x02h2\x08http/1.1"));
        message(&[name, protocols].concat())
    }

    #[test]
    fn a_hello_tells_the_name_and_the_protocols() {
        let bytes = record(&asking());
        let Read::Hello(hello, used) = read(&bytes) else {
            panic!("it is a hello");
        };
        assert_eq!(hello.server_name.as_deref(), Some("a.example.com"));
        assert_eq!(hello.protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert_eq!(used, bytes.len());
    }

    #[test]
    fn a_hello_may_come_in_any_pieces() {
        let whole = asking();
        let (one, other) = whole.split_at(20);
        let bytes = [record(&[]), record(one), record(other)].concat();
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Read::More, "{end} bytes");
        }
        assert!(matches!(read(&bytes), Read::Hello(..)));
    }

    #[test]
    fn what_is_broken_is_no_tls() {
        let broken_name = extension(0, &[0, 9, 0]);
        let too_long = extension(16, &long(b"\x09h2"));
        let name = |name: &[u8]| extension(0, &long(&[&[0][..], &long(name)].concat()));
        let twice = [name(b"a.example"), name(b"b.example")].concat();
        let no_names = [name(b""), name(b"a\0b"), name(&[b'a'; 256])];
        let names = no_names.into_iter().chain([twice]);
        for extensions in [broken_name, too_long, vec![1]].into_iter().chain(names) {
            assert_eq!(read(&record(&message(&extensions))), Read::Other);
        }
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Read::Other);
        assert_eq!(read(&record(&[2, 0, 0, 0])), Read::Other);
    }

    #[test]
    fn no_bytes_whatever_make_it_panic() {
        let bytes = record(&asking());
        for place in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[place] = value;
                let _any_outcome_will_do = read(&changed);
            }
        }
    }
}
