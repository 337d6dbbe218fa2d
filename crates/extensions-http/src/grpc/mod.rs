//! What the rooms of gRPC share: how calls are told from other requests, the frames of messages, and what is counted
//! of calls in the stats of clusters.

mod frames;
mod stats;

pub(crate) use frames::{FRAME_HEADER_BYTES, FrameScanner, Piece, frame_header};
pub(crate) use stats::{CallStats, Protocol, WorkerStats};

use nuncio_contract::headers::{HeaderMap, Known};

/// Whether a head's content is of gRPC: `application/grpc` or `application/grpc+...`, but nothing of gRPC-Web.
pub(crate) fn has_grpc_type(head: &HeaderMap) -> bool {
    let content_type = head.get(Known::ContentType).unwrap_or_default();
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// Whether a response is one of gRPC; where its head is all there is, that is a matter of `grpc-status`.
pub(crate) fn is_grpc_response(head: &HeaderMap, end_stream: bool) -> bool {
    if end_stream {
        return head.contains(Known::GrpcStatus);
    }
    is_ok(head) && has_grpc_type(head)
}

/// Whether the status is 200.
pub(crate) fn is_ok(head: &HeaderMap) -> bool {
    head.get(Known::Status) == Some(b"200")
}

/// The status of a response; 0 if there is none.
pub(crate) fn status_of(head: &HeaderMap) -> u16 {
    let status = head.get_str(Known::Status);
    status.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A number as Envoy reads it in headers: blanks around it and a plus are no matter.
pub(crate) fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let text = text.trim_ascii();
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Service and method of a path: its two parts, without the query.
pub(crate) fn service_and_method(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = path.split(|byte| *byte == b'?').next()?;
    let mut parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(service), Some(method), None) => Some((service, method)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::service_and_method;

    #[test]
    fn a_path_of_two_parts_names_a_service_and_its_method() {
        let names = |path: &'static str| {
            let (service, method) = service_and_method(path.as_bytes())?;
            Some((
                std::str::from_utf8(service).ok()?,
                std::str::from_utf8(method).ok()?,
            ))
        };
        let expected = Some(("pkg.Service", "Method"));
        assert_eq!(names("/pkg.Service/Method"), expected);
        assert_eq!(names("//pkg.Service//Method/?a=/b/c"), expected);
        assert_eq!(names("/pkg.Service"), None);
        assert_eq!(names("/a/pkg.Service/Method"), None);
        assert_eq!(names("/"), None);
    }
}
