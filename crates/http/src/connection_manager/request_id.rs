//! `x-request-id`: a version 4 UUID, whose 15th character Envoy uses to note why a request is traced.

use nuncio_contract::headers::{HeaderMap, Known};

/// Text length of a UUID.
const UUID_LEN: usize = 36;
/// Where each byte's two digits stand.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Sets, keeps or replaces the request id. At the edge a client's id is replaced unless it is to be preserved.
pub(super) fn set(
    headers: &mut HeaderMap,
    edge_request: bool,
    preserve_external: bool,
    random: impl FnMut() -> u64,
) {
    let present = headers
        .get(Known::XRequestId)
        .is_some_and(|id| !id.is_empty());
    if present && (!edge_request || preserve_external) {
        return;
    }
    headers.set(Known::XRequestId, &uuid(random));
}

fn uuid(mut random: impl FnMut() -> u64) -> [u8; UUID_LEN] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = (u128::from(random()) << 64 | u128::from(random())).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = [b'-'; UUID_LEN];
    for (byte, place) in bytes.iter().zip(PLACES) {
        text[place] = HEX[usize::from(byte >> 4)];
        text[place + 1] = HEX[usize::from(byte & 0x0f)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        let mut numbers = [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210].into_iter();
        let id = uuid(|| numbers.next().expect("two numbers are drawn"));
        assert_eq!(&id, b"01234567-89ab-4def-bedc-ba9876543210");
    }
}
