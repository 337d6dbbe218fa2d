//! Which characters names and values may have; read off a running Envoy 1.40, byte by byte.

use nuncio_contract::headers::{Known, is_token, is_valid_value};

static NAME_BYTES: [bool; 256] = byte_table(b"!#$%&'*+-.^_`|~", false);
static AUTHORITY_BYTES: [bool; 256] = byte_table(b"!$%&'()*+,-.:;=[]_~", true);

const fn byte_table(others: &[u8], with_upper_case: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        table[byte] = character.is_ascii_digit()
            || character.is_ascii_lowercase()
            || (with_upper_case && character.is_ascii_uppercase());
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

#[inline]
fn all_in(table: &[bool; 256], bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| table[usize::from(*byte)])
}

#[inline]
fn is_name(name: &[u8]) -> bool {
    let token = name.strip_prefix(b":").unwrap_or(name);
    !token.is_empty() && all_in(&NAME_BYTES, token)
}

fn is_scheme(value: &[u8]) -> bool {
    let is_other = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    value.first().is_some_and(u8::is_ascii_alphabetic) && value.iter().all(is_other)
}

/// Anything but controls and spaces; bytes above 0x7F are let through.
#[inline]
fn is_path(value: &[u8]) -> bool {
    !value
        .iter()
        .fold(false, |bad, &byte| bad | (byte <= b' ') | (byte == 0x7f))
}

/// Whether a request may have such a header.
#[inline]
pub(crate) fn may_be_in_request(known: Option<Known>, name: &[u8], value: &[u8]) -> bool {
    match known {
        Some(Known::Method) => !value.is_empty() && is_token(value),
        Some(Known::Scheme) => is_scheme(value),
        Some(Known::Path) => !value.is_empty() && is_path(value),
        Some(Known::Authority | Known::Host) => {
            !value.is_empty() && all_in(&AUTHORITY_BYTES, value)
        }
        Some(_) => is_valid_value(value),
        None => is_name(name) && is_valid_value(value),
    }
}

/// Whether a response may have such a header.
#[inline]
pub(crate) fn may_be_in_response(known: Option<Known>, name: &[u8], value: &[u8]) -> bool {
    is_valid_value(value) && (known.is_some() || is_name(name))
}

/// The same, without bytes above 0x7F.
pub(crate) fn may_be_in_ascii_request(known: Option<Known>, name: &[u8], value: &[u8]) -> bool {
    value.is_ascii() && may_be_in_request(known, name, value)
}

/// The same, without bytes above 0x7F.
pub(crate) fn may_be_in_ascii_response(known: Option<Known>, name: &[u8], value: &[u8]) -> bool {
    value.is_ascii() && may_be_in_response(known, name, value)
}
