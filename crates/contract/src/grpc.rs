//! What gRPC's specification says of HTTP, as Envoy has it: statuses, and how a message is written in a header.

/// The status of gRPC for one of HTTP.
pub fn status_of_http(status: u16) -> u32 {
    const UNKNOWN: u32 = 2;
    const PERMISSION_DENIED: u32 = 7;
    const UNIMPLEMENTED: u32 = 12;
    const INTERNAL: u32 = 13;
    const UNAVAILABLE: u32 = 14;
    const UNAUTHENTICATED: u32 = 16;
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
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

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_message_is_written_in_printable_characters() {
        let encoded = percent_encoded("a %~\n\u{e9}}".as_bytes());
        assert_eq!(encoded, b"a %25%7E%0A%C3%A9}");
    }
}
