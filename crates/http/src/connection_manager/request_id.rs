//! `x-request-id`: a version 4 UUID, whose 15th character Envoy uses to note why a request is traced.

use nuncio_contract::headers::{HeaderMap, Known};

/// Text length of a UUID.
const UUID_LEN: usize = 36;

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
    let mut places = (0..UUID_LEN).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0f] {
            if let Some(slot) = places.next().and_then(|place| text.get_mut(place)) {
                *slot = HEX[usize::from(nibble)];
            }
        }
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
