//! The call of `grpc.health.v1.Health/Check`: its bytes, and what its answer says.

use nuncio_contract::headers::{HeaderMap, Known};

use super::http::USER_AGENT;
use super::session::{Failure, Outcome};
use super::settings::GrpcProbe;

const METHOD: &[u8] = b"/grpc.health.v1.Health/Check";
const SERVING: u64 = 1;
/// A message may be this long; those of this call are a few bytes.
const LONGEST_MESSAGE_BYTES: usize = 64 * 1024;
/// The bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

const NO: Outcome = Outcome::Failed(Failure::Active {
    status: 0,
    is_retriable: false,
});

impl GrpcProbe {
    /// The request's headers before the configuration changes them.
    pub(crate) fn request(&self, authority: &str) -> HeaderMap {
        let mut headers = HeaderMap::request();
        headers.set(Known::Method, b"POST");
        headers.set(Known::Path, METHOD);
        headers.set(Known::Authority, authority.as_bytes());
        headers.set(Known::Te, b"trailers");
        headers.set(Known::ContentType, b"application/grpc");
        headers.set(Known::UserAgent, USER_AGENT);
        headers
    }

    /// The request's message with what stands before it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut message = Vec::new();
        if !self.service.is_empty() {
            message.push(0x0a);
            push_varint(&mut message, self.service.len() as u64);
            message.extend_from_slice(self.service.as_bytes());
        }
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut body = vec![0];
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&message);
        body
    }
}

/// `grpc-timeout` as Envoy writes it: a number of at most 8 digits and its unit.
pub(crate) fn timeout(milliseconds: u64) -> String {
    let units = [("m", 1), ("S", 1000), ("M", 60_000), ("H", 3_600_000)];
    let fitting = units
        .iter()
        .map(|(unit, each)| (unit, milliseconds / each))
        .find(|(_, count)| *count <= 99_999_999);
    fitting.map_or_else(
        || "99999999H".into(),
        |(unit, count)| format!("{count}{unit}"),
    )
}

/// A call's answer as it comes.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The beginning of a message.
    bytes: Vec<u8>,
    /// The status that a message said.
    said: Option<u64>,
}

/// A call that is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) outcome: Outcome,
    /// Whether the answer was over by then; else the stream is to be reset.
    pub(crate) at_end: bool,
}

impl Answer {
    /// The answer's head has come.
    pub(crate) fn head(&mut self, headers: &HeaderMap, end_stream: bool) -> Option<Decided> {
        let decided = |outcome, at_end| Some(Decided { outcome, at_end });
        if headers.get(Known::Status) != Some(b"200") {
            return decided(NO, end_stream);
        }
        let is_grpc = headers.get(Known::ContentType).is_some_and(is_grpc);
        match end_stream {
            // Without a message nothing is serving, whatever the status.
            true => decided(NO, is_grpc || headers.contains(Known::GrpcStatus)),
            false if !is_grpc => decided(NO, false),
            false => None,
        }
    }

    /// A part of the answer's body has come.
    pub(crate) fn data(&mut self, data: &[u8], end_stream: bool) -> Option<Decided> {
        if end_stream {
            return Some(Decided {
                outcome: NO,
                at_end: true,
            });
        }
        self.bytes.extend_from_slice(data);
        match self.take_messages() {
            Some(()) => None,
            None => Some(Decided {
                outcome: NO,
                at_end: false,
            }),
        }
    }

    /// The answer's trailers have come.
    pub(crate) fn trailers(&self, trailers: &HeaderMap) -> Decided {
        let is_ok = trailers.get(Known::GrpcStatus) == Some(b"0");
        let outcome = match is_ok && self.said == Some(SERVING) {
            true => Outcome::Passed { is_degraded: false },
            false => NO,
        };
        Decided {
            outcome,
            at_end: true,
        }
    }

    /// None if they are not what they must be.
    fn take_messages(&mut self) -> Option<()> {
        while let Some((prefix, rest)) = self.bytes.split_first_chunk::<PREFIX_BYTES>() {
            let [flags, length @ ..] = *prefix;
            let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
            if length > LONGEST_MESSAGE_BYTES || flags > 1 {
                return None;
            }
            let Some(message) = rest.get(..length) else {
                return Some(());
            };
            if length > 0 {
                if self.said.is_some() || flags != 0 {
                    return None;
                }
                self.said = Some(status_of(message)?);
            }
            self.bytes.drain(..PREFIX_BYTES + length);
        }
        Some(())
    }
}

fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// The field `status` of a `HealthCheckResponse`, 0 where it is not there; none if the message is none.
fn status_of(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        let skipped = match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => {
                status = take_varint(&mut message)?;
                0
            }
            (_, 0) => {
                take_varint(&mut message)?;
                0
            }
            (_, 1) => 8,
            (_, 2) => usize::try_from(take_varint(&mut message)?).ok()?,
            (_, 5) => 4,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use nuncio_contract::headers::MapKind;

    fn head(status: &[u8], content_type: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::response();
        headers.set(Known::Status, status);
        headers.set(Known::ContentType, content_type);
        headers
    }

    fn trailers(status: &[u8]) -> HeaderMap {
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        trailers.set(Known::GrpcStatus, status);
        trailers
    }

    /// An answer in whose body `bytes` came one by one.
    fn answer(bytes: &[u8]) -> Result<Answer, Decided> {
        let mut answer = Answer::default();
        assert_eq!(answer.head(&head(b"200", b"application/grpc"), false), None);
        for byte in bytes {
            if let Some(decided) = answer.data(&[*byte], false) {
                return Err(decided);
            }
        }
        Ok(answer)
    }

    #[test]
    fn only_a_host_that_serves_and_whose_call_went_well_passes() {
        let outcome = |bytes: &[u8], status: &[u8]| match answer(bytes) {
            Ok(answer) => answer.trailers(&trailers(status)).outcome,
            Err(decided) => decided.outcome,
        };
        let passed = Outcome::Passed { is_degraded: false };
        assert_eq!(outcome(&[0, 0, 0, 0, 2, 8, 1], b"0"), passed);
        assert_eq!(outcome(&[0, 0, 0, 0, 2, 8, 1], b"5"), NO);
        assert_eq!(outcome(&[0, 0, 0, 0, 2, 8, 2], b"0"), NO, "not serving");
        assert_eq!(outcome(&[0, 0, 0, 0, 0], b"0"), NO, "empty");
        assert_eq!(outcome(&[0, 0, 0, 0, 2, 8], b"0"), NO, "not complete");
        let unknown_too = [0, 0, 0, 0, 9, 18, 1, 7, 8, 1, 0, 0, 0, 0];
        assert_eq!(outcome(&unknown_too, b"0"), NO, "a field of number 0");
    }

    #[test]
    fn what_is_no_single_message_decides_at_once() {
        let twice = [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 1];
        for bytes in [&twice[..], &[2], &[1, 0, 0, 0, 2, 8, 1], &[0, 255, 0, 0, 0]] {
            let bytes = [bytes, &[0; 6]].concat();
            let decided = answer(&bytes).expect_err("it is decided");
            assert!(!decided.at_end);
            assert_eq!(decided.outcome, NO);
        }
    }

    #[test]
    fn an_answer_that_is_no_call_fails_by_its_head() {
        let mut answer = Answer::default();
        for (headers, end_stream) in [
            (head(b"503", b"application/grpc"), false),
            (head(b"200", b"text/html"), false),
            (head(b"200", b"application/grpcx"), false),
            (head(b"200", b"application/grpc"), true),
        ] {
            assert!(answer.head(&headers, end_stream).is_some());
        }
        let named = head(b"200", b"application/grpc+proto");
        assert_eq!(answer.head(&named, false), None);
    }

    #[test]
    fn the_call_names_its_service_and_its_time() {
        let mut probe = GrpcProbe {
            service: "a".into(),
            authority: "".into(),
            headers: Default::default(),
        };
        assert_eq!(probe.body(), [0, 0, 0, 0, 3, 10, 1, b'a']);
        probe.service = "".into();
        assert_eq!(probe.body(), [0; 5]);
        assert_eq!(timeout(1500), "1500m");
        assert_eq!(timeout(100_000_000), "100000S");
    }
}
