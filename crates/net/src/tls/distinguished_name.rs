//! Names of subjects and issuers as text, as OpenSSL writes RFC 2253: the last part first, short names of types,
//! what is not ASCII by its bytes.

use std::fmt::Write as _;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Types with a short name in OpenSSL.
const TYPES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The numbers of a type with this short name.
pub(super) fn numbers_of(name: &str) -> Option<&'static str> {
    let known = TYPES.iter().find(|(_, known)| *known == name);
    known.map(|(numbers, _)| *numbers)
}

/// The name as text.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut text = String::new();
    for (place, part) in parts.iter().rev().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let members: Vec<_> = part.iter().collect();
        for (place, member) in members.iter().rev().enumerate() {
            if place > 0 {
                text.push('+');
            }
            put(member, &mut text);
        }
    }
    text
}

fn put(member: &AttributeTypeAndValue<'_>, text: &mut String) {
    let oid = member.attr_type().to_id_string();
    let known = TYPES.iter().find(|(known, _)| *known == oid);
    text.push_str(known.map_or(oid.as_str(), |(_, name)| name));
    text.push('=');
    match (known, member.as_str()) {
        (Some(_), Ok(value)) => escape(value, text),
        _ => {
            text.push('#');
            let value = member.attr_value();
            let tag = u8::try_from(value.header.tag().0).unwrap_or(0);
            let length = value.data.len().to_be_bytes();
            let digits = length.iter().skip_while(|byte| **byte == 0).copied();
            let digits: Vec<u8> = digits.collect();
            let mut header = vec![tag];
            match digits.as_slice() {
                [] => header.push(0),
                [short @ 0..=0x7f] => header.push(*short),
                long => {
                    header.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
                    header.extend(long);
                }
            }
            for byte in header.iter().chain(value.data) {
                let _cannot_fail = write!(text, "{byte:02X}");
            }
        }
    }
}

fn escape(value: &str, text: &mut String) {
    let last = value.len().saturating_sub(1);
    for (place, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'#' | b' ' if place == 0 => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' ' if place == last => text.push_str("\\ "),
            0..0x20 | 0x7f.. => {
                let _cannot_fail = write!(text, "\\{byte:02X}");
            }
            _ => text.push(char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_taken_for_a_separator_is_escaped() {
        for (value, wanted) in [
            ("Org, Inc", "Org\\, Inc"),
            (" a ", "\\ a\\ "),
            ("#a#", "\\#a#"),
            ("a\"b\\", "a\\\"b\\\\"),
            ("ü\n", "\\C3\\BC\\0A"),
            ("", ""),
        ] {
            let mut text = String::new();
            escape(value, &mut text);
            assert_eq!(text, wanted);
        }
    }
}
