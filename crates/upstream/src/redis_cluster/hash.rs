//! Which slot a key belongs to, as Redis reckons it: CRC16 (XMODEM) of the key, or of its tag.

/// How many slots there are.
pub const SLOT_COUNT: u16 = 16_384;

/// The slot of a key.
pub fn slot_of_key(key: &[u8]) -> u16 {
    crc16(tag_of_key(key)) % SLOT_COUNT
}

/// What of a key decides on its host: what stands in its first braces, if something does.
pub fn tag_of_key(key: &[u8]) -> &[u8] {
    let tagged = || {
        let begin = key.iter().position(|byte| *byte == b'{')? + 1;
        let rest = key.get(begin..)?;
        let end = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..end).filter(|tag| !tag.is_empty())
    };
    tagged().unwrap_or(key)
}

fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ POLYNOMIAL,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_belong_to_the_slots_that_redis_says() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("a", 15495), ("", 0)] {
            assert_eq!(slot_of_key(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(slot_of_key(b"x{foo}y{bar}"), 12182);
    }

    #[test]
    fn a_key_is_found_by_what_stands_in_its_first_braces() {
        for (key, expected) in [
            ("{a}b", "a"),
            ("x{a}{b}", "a"),
            ("{}a", "{}a"),
            ("{a", "{a"),
            ("a}", "a}"),
            ("a{{b}}", "{b"),
            ("", ""),
        ] {
            assert_eq!(tag_of_key(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }
}
