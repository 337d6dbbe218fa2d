//! Statuses of gRPC as those of HTTP, and as `google.rpc.Status`.

use nuncio_contract::grpc::http_status_of_number;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_transcoding::descriptor::Pool;
use nuncio_transcoding::response::{Print, json};
use nuncio_transcoding::wire::{put_bytes, put_tag, put_varint};

use crate::grpc;
use nuncio_config::base64;

const STATUS: &str = "google.rpc.Status";

/// The status in a head or in trailers: none where it is missing or no number.
pub(super) fn of(headers: &HeaderMap) -> Option<u64> {
    headers.get(Known::GrpcStatus).and_then(grpc::number)
}

/// The status of HTTP for one of gRPC; one that is missing is a service that could not answer.
pub(super) fn http(status: Option<u64>) -> u64 {
    status.map_or(503, http_status_of_number).into()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    nuncio_transcoding::template::unescape_query(text, false)
}

/// A failure as JSON; none where there is none, or where its details are of types that nobody knows.
pub(super) fn as_json(pool: &Pool, headers: &HeaderMap, print: Print) -> Option<Vec<u8>> {
    let status = of(headers).filter(|status| *status != 0)?;
    let id = pool.find(STATUS)?;
    let details = headers.get(Known::GrpcStatusDetailsBin);
    let message = details.and_then(base64::decode);
    let message = message.unwrap_or_else(|| {
        let mut out = Vec::new();
        put_tag(&mut out, 1, 0);
        put_varint(&mut out, status);
        if let Some(words) = headers
            .get(Known::GrpcMessage)
            .filter(|words| !words.is_empty())
        {
            let words = percent_decoded(words);
            put_bytes(&mut out, 2, String::from_utf8_lossy(&words).as_bytes());
        }
        out
    });
    json(pool, id, &message, print).ok()
}
