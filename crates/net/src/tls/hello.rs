//! What rustls does not tell of a ClientHello: whether an OCSP response is wanted, whether TLS 1.3 is spoken, how the name
//! is written, and how plain HTTP begins.

use std::borrow::Cow;

/// A client's first bytes, kept until its hello is complete.
#[derive(Default)]
pub(super) struct Hello(Vec<u8>);

const HANDSHAKE_RECORD: u8 = 22;
const RECORD_HEADER_BYTES: usize = 5;
const SERVER_NAME: u16 = 0;
const STATUS_REQUEST: u16 = 5;
const SUPPORTED_VERSIONS: u16 = 43;
const OCSP: u8 = 1;
const TLS12: u16 = 0x0303;
const TLS13: [u8; 2] = [3, 4];

/// What a complete hello says that rustls does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) wants_ocsp: bool,
    pub(super) speaks_13: bool,
    /// Which letters of the name that it asks for are capitals, a bit each.
    pub(super) capitals: [u64; 4],
}

impl Untold {
    /// The name that it asks for as far as certificates are concerned, which Envoy compares letter by letter.
    pub(super) fn name_as_written<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.capitals == [0; 4] {
            return name.into();
        }
        let is_capital = |at: usize| {
            let bits = self.capitals.get(at / 64).copied().unwrap_or_default();
            bits >> (at % 64) & 1 == 1
        };
        let letters = name.chars().enumerate();
        let written = letters.map(|(at, letter)| match is_capital(at) {
            true => letter.to_ascii_uppercase(),
            false => letter,
        });
        Cow::Owned(written.collect())
    }
}

impl Hello {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Whether this is a request of plain HTTP, as BoringSSL tells it.
    pub(super) fn is_http(&self) -> bool {
        [b"GET ", b"POST", b"HEAD", b"PUT "]
            .iter()
            .any(|method| self.0.starts_with(*method))
    }

    /// Whether it asks a proxy of plain HTTP for a tunnel.
    pub(super) fn is_http_connect(&self) -> bool {
        self.0.starts_with(b"CONNE")
    }

    /// Whether the client speaks nothing newer than TLS 1.1.
    pub(super) fn is_outdated(&self) -> bool {
        let version = self.message().and_then(|message| {
            let version = message.get(4..6)?;
            Some(u16::from_be_bytes(version.try_into().ok()?))
        });
        version.is_some_and(|version| version < TLS12)
    }

    pub(super) fn untold(&self) -> Untold {
        let message = self.message().unwrap_or_default();
        let status = extension(&message, STATUS_REQUEST).unwrap_or_default();
        let versions = extension(&message, SUPPORTED_VERSIONS).and_then(|it| it.get(1..));
        Untold {
            wants_ocsp: status.first() == Some(&OCSP),
            speaks_13: versions.is_some_and(|all| all.chunks(2).any(|version| version == TLS13)),
            capitals: capitals(&message).unwrap_or_default(),
        }
    }

    /// Whether no record of TLS stands at the beginning, so that nobody there understands an alert's reason.
    pub(super) fn is_no_record(&self) -> bool {
        self.0.len() >= RECORD_HEADER_BYTES && self.0.get(1) != Some(&3)
    }

    /// The handshake message, put together from its records.
    fn message(&self) -> Option<Vec<u8>> {
        let mut bytes = Bytes(&self.0);
        let mut message = Vec::new();
        while !bytes.0.is_empty() {
            if bytes.number(1)? != usize::from(HANDSHAKE_RECORD) {
                break;
            }
            bytes.skip(2)?;
            message.extend_from_slice(bytes.with_length(2)?);
        }
        Some(message)
    }
}

/// See [`Untold::capitals`].
fn capitals(message: &[u8]) -> Option<[u64; 4]> {
    let mut names = Bytes(extension(message, SERVER_NAME)?);
    let mut names = Bytes(names.with_length(2)?);
    names.skip(1)?;
    let name = names.with_length(2)?;
    let mut capitals = [0; 4];
    for (bits, letters) in capitals.iter_mut().zip(name.chunks(64)) {
        for letter in letters.iter().rev() {
            *bits = *bits << 1 | u64::from(letter.is_ascii_uppercase());
        }
    }
    Some(capitals)
}

/// An extension's content.
fn extension(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut body = Bytes(message.get(4..)?);
    body.skip(2 + 32)?;
    let _session = body.with_length(1)?;
    let _suites = body.with_length(2)?;
    let _compressions = body.with_length(1)?;
    let mut extensions = Bytes(body.with_length(2)?);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let content = extensions.with_length(2)?;
        if kind == usize::from(wanted) {
            return Some(content);
        }
    }
    None
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
        )
    }

    /// Bytes behind a number of so many bytes that says how many they are.
    fn with_length(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(bytes)?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with these extensions, in records of at most `record_bytes`.
    fn hello(extensions: &[u8], record_bytes: usize) -> Hello {
        let length = |bytes: &[u8]| {
            u16::try_from(bytes.len())
                .expect("it is short")
                .to_be_bytes()
        };
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend(length(extensions));
        body.extend(extensions);
        let mut message = vec![1, 0];
        message.extend(length(&body));
        message.extend(body);
        let mut hello = Hello::default();
        for part in message.chunks(record_bytes) {
            hello.add(&[22, 3, 1]);
            hello.add(&length(part));
            hello.add(part);
        }
        hello
    }

    #[test]
    fn a_status_request_is_found_behind_others_and_across_records() {
        let extensions = [0, 1, 0, 1, 9, 0, 5, 0, 5, 1, 0, 0, 0, 0];
        for record_bytes in [1, 7, 4096] {
            assert!(hello(&extensions, record_bytes).untold().wants_ocsp);
            let without = hello(&extensions[..5], record_bytes);
            assert!(!without.untold().wants_ocsp);
        }
    }

    #[test]
    fn a_name_is_told_as_it_is_written() {
        let long = format!("{}.ExAmple.Com", "aB".repeat(40));
        for written in ["a.example", "wWw.exAMPLE.com", "A", &long] {
            let length = u8::try_from(written.len()).expect("it is short");
            let mut extension = vec![0, 0, 0, length + 5, 0, length + 3, 0, 0, length];
            extension.extend(written.bytes());
            let untold = hello(&extension, 4096).untold();
            assert_eq!(untold.name_as_written(&written.to_lowercase()), written);
        }
    }

    #[test]
    fn versions_are_what_the_extension_says() {
        let of = |extension: &[u8]| hello(extension, 4096).untold().speaks_13;
        assert!(of(&[0, 43, 0, 5, 4, 3, 4, 3, 3]));
        assert!(of(&[0, 43, 0, 5, 4, 3, 3, 3, 4]));
        assert!(!of(&[0, 43, 0, 3, 2, 3, 3]));
        assert!(!of(&[0, 43, 0, 0]));
        assert!(!of(&[]));
    }

    #[test]
    fn what_is_cut_short_wants_nothing() {
        let whole = hello(&[0, 5, 0, 1, 1], 4096).0;
        for length in 0..whole.len() {
            let mut cut = Hello::default();
            cut.add(&whole[..length]);
            assert!(!cut.untold().wants_ocsp, "{length}");
        }
    }

    #[test]
    fn plain_http_is_told_by_its_method() {
        for (text, is_http, is_connect) in [
            ("GET / HTTP/1.1", true, false),
            ("CONNECT a:1", false, true),
            ("OPTIONS *", false, false),
        ] {
            let mut hello = Hello::default();
            hello.add(text.as_bytes());
            assert_eq!(
                (hello.is_http(), hello.is_http_connect()),
                (is_http, is_connect)
            );
        }
    }
}
