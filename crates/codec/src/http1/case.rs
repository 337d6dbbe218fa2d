//! How header names are spelled when written (`header_key_format`).

use nuncio_contract::headers::HeaderMap;

use super::settings::HeaderCase;

/// Writes a name as the peer on the other side spelled it, if its codec kept that,
/// otherwise as this side is configured.
pub(super) fn write_name(out: &mut Vec<u8>, name: &[u8], case: HeaderCase, headers: &HeaderMap) {
    let Some(original) = headers.original_case() else {
        return match case {
            HeaderCase::ProperWords => write_proper_words(out, name),
            HeaderCase::Lower | HeaderCase::Preserve { .. } => out.extend_from_slice(name),
        };
    };
    match original.find(name) {
        Some(spelled) => out.extend_from_slice(spelled),
        None if original.proper_words_for_added => write_proper_words(out, name),
        None => out.extend_from_slice(name),
    }
}

/// Makes `headers` keep spellings, and the reason phrase, if the settings say so.
pub(super) fn begin(case: HeaderCase, reason_phrase: &[u8], headers: &mut HeaderMap) {
    let HeaderCase::Preserve {
        forward_reason_phrase,
        proper_words_for_added,
    } = case
    else {
        return;
    };
    let original = headers.keep_original_case();
    original.proper_words_for_added = proper_words_for_added;
    if forward_reason_phrase {
        original.set_reason_phrase(reason_phrase);
    }
}

/// A letter at the beginning, or after anything but a letter or a digit, is capital.
fn write_proper_words(out: &mut Vec<u8>, name: &[u8]) {
    let mut capital = true;
    out.extend(name.iter().map(|byte| {
        let written = if capital {
            byte.to_ascii_uppercase()
        } else {
            *byte
        };
        capital = !byte.is_ascii_alphanumeric();
        written
    }));
}
