//! What gRPC's specification says of HTTP, as Envoy has it: statuses, and how messages and times are written in headers.

pub mod status;

use std::time::Duration;

/// The status of gRPC for one of HTTP.
pub fn status_of_http(status: u16) -> u32 {
    use status::{
        INTERNAL, PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN,
    };
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// The status of HTTP that stands for a value of `grpc-status`.
pub fn http_status_of(grpc_status: &[u8]) -> u16 {
    let number = std::str::from_utf8(grpc_status).ok();
    let number = number.and_then(|text| text.parse().ok());
    number.map_or(500, http_status_of_number)
}

/// The status of HTTP that stands for a status of gRPC.
pub const fn http_status_of_number(grpc_status: u64) -> u16 {
    match grpc_status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// A text for `grpc-message`: everything outside of printable ASCII, `%` and, as Envoy has it, `~`, percent-encoded.
pub fn percent_encoded(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b' '..b'~') && *byte != b'%' {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
    out
}

/// gRPC has eight digits for a time.
const MOST_IN_GRPC: u64 = 99_999_999;

/// The value of `grpc-timeout` for a time, in the smallest unit that it fits in.
pub fn timeout_value(timeout: Duration) -> String {
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let units = [(1, 'm'), (1000, 'S'), (60_000, 'M'), (3_600_000, 'H')];
    let fits = |(size, _): &(u64, char)| timeout_ms / size <= MOST_IN_GRPC;
    let (size, unit) = units.into_iter().find(fits).unwrap_or((3_600_000, 'H'));
    format!("{}{unit}", (timeout_ms / size).min(MOST_IN_GRPC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_in_printable_characters() {
        let encoded = percent_encoded("a %~\n\u{e9}}".as_bytes());
        assert_eq!(encoded, b"a %25%7E%0A%C3%A9}");
    }

    #[test]
    fn times_are_told_in_the_smallest_unit_that_fits() {
        let told = |ms| timeout_value(Duration::from_millis(ms));
        assert_eq!(told(250), "250m");
        assert_eq!(told(100_000_000), "100000S");
        assert_eq!(told(u64::MAX), "99999999H");
    }

    #[test]
    fn a_status_of_grpc_counts_as_the_one_of_http_that_it_stands_for() {
        let of = |status: &str| http_status_of(status.as_bytes());
        assert_eq!(of("0"), 200);
        assert_eq!(of("5"), 404);
        assert_eq!(of("14"), 503);
        assert_eq!(of("4"), 504);
        assert_eq!(of("13"), 500);
        assert_eq!(of("99"), 500);
        assert_eq!(of("words"), 500);
    }
}
