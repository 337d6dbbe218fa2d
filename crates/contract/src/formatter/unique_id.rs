//! `%UNIQUE_ID%`: a random UUID (RFC 9562, version 4) a line.

use super::FormatContext;

/// Appends a fresh UUID.
pub(super) fn append(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    const VERSION_4: u128 = 4 << 76;
    const VARIANT: u128 = 2 << 62;
    const CLEAR: u128 = !(15 << 76 | 3 << 62);
    let high = u128::from(context.services.random_u64());
    let low = u128::from(context.services.random_u64());
    let uuid = (high << 64 | low) & CLEAR | VERSION_4 | VARIANT;
    append_uuid(uuid, out);
    true
}

/// Appends the 36 characters of a UUID.
fn append_uuid(uuid: u128, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (at, byte) in uuid.to_be_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}
