//! What a session cookie holds: base64 of a protobuf message with the host's address and the second in which it
//! expires, or of the address alone, as cookies of older versions do.

use nuncio_config::base64;

const ADDRESS: u64 = 1;
const EXPIRES: u64 = 2;
/// Groups within each other.
const DEEPEST_GROUP: usize = 100;

/// The fields of the message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    address: Vec<u8>,
    expires_s: u64,
}

/// The address in a cookie, unless it has expired, whatever new cookies get.
pub(super) fn address(value: &[u8], now_s: u64) -> Option<Vec<u8>> {
    let decoded = base64::decode_padded(value)?;
    let Some(held) = Held::read(&decoded) else {
        return Some(decoded);
    };
    // Envoy takes the second for a number with a sign.
    let has_expired = match i64::try_from(held.expires_s) {
        Ok(expires_s) => expires_s > 0 && held.expires_s < now_s,
        Err(_) => true,
    };
    (!held.address.is_empty() && !has_expired).then_some(held.address)
}

/// The value of a cookie for a host.
pub(super) fn value(address: &str, ttl_s: u64, now_s: u64) -> String {
    let mut message = vec![0x0a];
    put_varint(
        &mut message,
        u64::try_from(address.len()).unwrap_or(u64::MAX),
    );
    message.extend_from_slice(address.as_bytes());
    if ttl_s > 0 {
        message.push(0x10);
        put_varint(&mut message, now_s.saturating_add(ttl_s));
    }
    base64::encode(&message)
}

impl Held {
    /// Reads the message; fields that are not known are skipped.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut held = Held::default();
        let mut groups = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (tag, behind) = varint(rest)?;
            let (field, kind) = (tag >> 3, tag & 7);
            if field == 0 {
                return None;
            }
            rest = match kind {
                0 => {
                    let (number, behind) = varint(behind)?;
                    if field == EXPIRES && groups.is_empty() {
                        held.expires_s = number;
                    }
                    behind
                }
                1 => behind.get(8..)?,
                2 => {
                    let (length, behind) = varint(behind)?;
                    let (text, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                    if field == ADDRESS && groups.is_empty() {
                        held.address = std::str::from_utf8(text).ok()?.into();
                    }
                    behind
                }
                3 if groups.len() < DEEPEST_GROUP => {
                    groups.push(field);
                    behind
                }
                4 if groups.pop() == Some(field) => behind,
                5 => behind.get(4..)?,
                _ => return None,
            };
        }
        groups.is_empty().then_some(held)
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.extend(u8::try_from(value & 0x7f | 0x80));
        value >>= 7;
    }
    out.extend(u8::try_from(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_ours_and_one_of_an_older_version_tell_the_address_until_they_expire() {
        assert_eq!(value("127.0.0.1:1", 0, 7), "CgsxMjcuMC4wLjE6MQ==");
        let with_ttl = value("127.0.0.1:80", 100, 1000);
        let unsigned = value("127.0.0.1:80", u64::MAX, 1);
        for (text, now_s, found) in [
            ("CgsxMjcuMC4wLjE6MQ==", 0, Some("127.0.0.1:1")),
            ("MTI3LjAuMC4xOjM1MTAw", 0, Some("127.0.0.1:35100")),
            (with_ttl.as_str(), 1100, Some("127.0.0.1:80")),
            (with_ttl.as_str(), 1101, None),
            (unsigned.as_str(), 1, None),
            ("CgsxMjcuMC4wLjE6MQ", 0, None),
            ("CgsxMjcuMC4wLjE6MQ=", 0, None),
            ("not base64!", 0, None),
            ("EAE=", 0, None),
        ] {
            let address = address(text.as_bytes(), now_s);
            assert_eq!(address.as_deref(), found.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn bytes_that_end_early_are_no_message() {
        for bytes in [
            &[0x0a][..],
            &[0x0a, 5, b'a'],
            &[0x10],
            &[0x80],
            &[0x0b],
            &[0x0c],
            &[0x0b, 0x14],
            &[0x09, 1],
        ] {
            assert_eq!(Held::read(bytes), None, "{bytes:?}");
        }
        let skipped = [
            0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x0a, 1, b'a', 0x18, 3,
        ];
        let held = Held::read(&skipped).expect("a message with other fields");
        assert_eq!(held.address, b"a");
        let grouped = [0x0a, 1, b'a', 0x0b, 0x0a, 1, b'b', 0x13, 0x14, 0x0c];
        let held = Held::read(&grouped).expect("a message with groups");
        assert_eq!(held.address, b"a");
    }
}
