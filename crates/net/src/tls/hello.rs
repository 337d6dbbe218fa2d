//! What rustls does not tell of a ClientHello: whether an OCSP response is wanted, and how plain HTTP begins.

/// A client's first bytes, kept until its hello is complete.
#[derive(Default)]
pub(super) struct Hello(Vec<u8>);

const HANDSHAKE_RECORD: u8 = 22;
const STATUS_REQUEST: u16 = 5;
const OCSP: u8 = 1;
const TLS12: u16 = 0x0303;

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

    /// Whether the client wants an OCSP response.
    pub(super) fn wants_ocsp(&self) -> bool {
        self.status_type() == Some(OCSP)
    }

    fn status_type(&self) -> Option<u8> {
        let message = self.message()?;
        let mut body = Bytes(message.get(4..)?);
        body.skip(2 + 32)?;
        let _session = body.with_length(1)?;
        let _suites = body.with_length(2)?;
        let _compressions = body.with_length(1)?;
        let mut extensions = Bytes(body.with_length(2)?);
        while !extensions.0.is_empty() {
            let kind = extensions.number(2)?;
            let content = extensions.with_length(2)?;
            if kind == usize::from(STATUS_REQUEST) {
                return content.first().copied();
            }
        }
        None
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
            assert!(hello(&extensions, record_bytes).wants_ocsp());
            assert!(!hello(&extensions[..5], record_bytes).wants_ocsp());
        }
    }

    #[test]
    fn what_is_cut_short_wants_nothing() {
        let whole = hello(&[0, 5, 0, 1, 1], 4096).0;
        for length in 0..whole.len() {
            let mut cut = Hello::default();
            cut.add(&whole[..length]);
            assert!(!cut.wants_ocsp(), "{length}");
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
