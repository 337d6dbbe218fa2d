//! The call of `xds.service.orca.v3.OpenRcaService/StreamCoreMetrics`: its bytes, and what its answer comes to.

use std::time::Duration;

use nuncio_contract::grpc_client::{FrameReader, frame};
use nuncio_contract::headers::{HeaderMap, Known};

const METHOD: &[u8] = b"/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics";
/// A report may be this long.
const LONGEST_REPORT_BYTES: usize = 64 * 1024;
/// The status of a server that does not know the call.
const UNIMPLEMENTED: u32 = 12;

/// The call's headers.
pub(super) fn request(authority: &str, scheme: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::request();
    headers.set(Known::Method, b"POST");
    headers.set(Known::Path, METHOD);
    headers.set(Known::Authority, authority.as_bytes());
    headers.set(Known::Scheme, scheme);
    headers.set(Known::Te, b"trailers");
    headers.set(Known::ContentType, b"application/grpc");
    headers
}

/// The call's one message, which asks for a report every `period`, with its frame.
pub(super) fn body(period: Duration) -> Vec<u8> {
    let mut duration = Vec::new();
    push_field(&mut duration, 1, period.as_secs());
    push_field(&mut duration, 2, period.subsec_nanos().into());
    let mut message = Vec::with_capacity(duration.len() + 2);
    message.push(0x0a);
    // A duration takes at most 17 bytes.
    message.push(duration.len() as u8);
    message.append(&mut duration);
    frame(&message)
}

/// A number that is not 0.
fn push_field(bytes: &mut Vec<u8>, field: u8, mut value: u64) {
    if value == 0 {
        return;
    }
    bytes.push(field << 3);
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is to be tried again.
    Failed,
    /// The host does not know it.
    Unimplemented,
}

impl Ended {
    fn with(status: Option<u32>) -> Self {
        match status {
            Some(UNIMPLEMENTED) => Self::Unimplemented,
            _ => Self::Failed,
        }
    }
}

/// A call's answer as it comes.
pub(super) struct Answer {
    frames: FrameReader,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self {
            frames: FrameReader::new(Some(LONGEST_REPORT_BYTES)),
        }
    }

    /// The answer's head has come; why the call is over, if it is.
    pub(super) fn head(headers: &HeaderMap, end_stream: bool) -> Result<(), Ended> {
        let status = status_of(headers);
        if end_stream && status.is_some() {
            return Err(Ended::with(status));
        }
        let http_status = headers.get_str(Known::Status).unwrap_or_default();
        let is_grpc = headers.get(Known::ContentType).is_some_and(is_grpc);
        match http_status {
            "200" if is_grpc && !end_stream => Ok(()),
            // As gRPC maps it.
            "404" => Err(Ended::Unimplemented),
            _ => Err(Ended::Failed),
        }
    }

    /// Takes a part of the answer's body, and gives its messages to `take`, which says whether it knows what is in them.
    pub(super) fn data(
        &mut self,
        data: &[u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Ended> {
        self.frames.push(data);
        while let Some(message) = self.frames.next_message().map_err(|_| Ended::Failed)? {
            if !message.is_empty() && !take(&message) {
                return Err(Ended::Failed);
            }
        }
        Ok(())
    }

    /// The answer's trailers have come.
    pub(super) fn trailers(trailers: &HeaderMap) -> Ended {
        Ended::with(status_of(trailers))
    }
}

fn status_of(headers: &HeaderMap) -> Option<u32> {
    headers.get_str(Known::GrpcStatus)?.trim().parse().ok()
}

fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(Known, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::response();
        for (name, value) in pairs {
            headers.set(*name, value.as_bytes());
        }
        headers
    }

    #[test]
    fn the_call_asks_for_a_period() {
        let half = [0x10, 0x80, 0xca, 0xb5, 0xee, 1];
        assert_eq!(
            body(Duration::from_millis(10_500)),
            [&[0, 0, 0, 0, 10, 0x0a, 8, 8, 10][..], &half].concat()
        );
        assert_eq!(
            body(Duration::from_secs(10)),
            [0, 0, 0, 0, 4, 0x0a, 2, 8, 10]
        );
    }

    #[test]
    fn reports_come_in_pieces_and_one_that_is_none_ends_the_call() {
        let mut answer = Answer::new();
        let mut seen = Vec::new();
        let bytes = [frame(b"one"), frame(b""), frame(b"two")].concat();
        for piece in bytes.chunks(3) {
            let take = |message: &[u8]| {
                seen.push(message.to_vec());
                true
            };
            assert_eq!(answer.data(piece, take), Ok(()));
        }
        assert_eq!(seen, [b"one", b"two"]);
        assert_eq!(answer.data(&frame(b"x"), |_| false), Err(Ended::Failed));
        let mut answer = Answer::new();
        assert_eq!(answer.data(&[1], |_| true), Err(Ended::Failed));
    }

    #[test]
    fn who_does_not_know_the_call_is_asked_no_more() {
        let grpc = (Known::ContentType, "application/grpc");
        let ok = headers(&[(Known::Status, "200"), grpc]);
        assert_eq!(Answer::head(&ok, false), Ok(()));
        let unknown = headers(&[(Known::Status, "200"), grpc, (Known::GrpcStatus, "12")]);
        assert_eq!(Answer::head(&unknown, true), Err(Ended::Unimplemented));
        assert_eq!(Answer::trailers(&unknown), Ended::Unimplemented);
        let not_there = headers(&[(Known::Status, "404")]);
        assert_eq!(Answer::head(&not_there, true), Err(Ended::Unimplemented));
        assert_eq!(Answer::head(&not_there, false), Err(Ended::Unimplemented));
        let busy = headers(&[(Known::Status, "503")]);
        assert_eq!(Answer::head(&busy, true), Err(Ended::Failed));
        let web = headers(&[(Known::Status, "200"), (Known::ContentType, "text/html")]);
        assert_eq!(Answer::head(&web, false), Err(Ended::Failed));
        let away = headers(&[(Known::GrpcStatus, "14")]);
        assert_eq!(Answer::trailers(&away), Ended::Failed);
        assert_eq!(Answer::trailers(&headers(&[])), Ended::Failed);
    }
}
