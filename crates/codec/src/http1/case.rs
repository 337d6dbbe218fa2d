//! How header names are spelled when written (`header_key_format`).

use nuncio_contract::headers::HeaderMap;

use super::settings::HeaderCase;

/// Writes a name in the wanted spelling. `headers` knows how the peer spelled it.
pub(super) fn write_name(out: &mut Vec<u8>, name: &[u8], case: HeaderCase, headers: &HeaderMap) {
    match case {
        HeaderCase::Lower => out.extend_from_slice(name),
        HeaderCase::ProperWords => write_proper_words(out, name),
        HeaderCase::Preserve {
            proper_words_for_added,
            ..
        } => match headers.original_case().and_then(|case| case.find(name)) {
            Some(spelled) => out.extend_from_slice(spelled),
            None if proper_words_for_added => write_proper_words(out, name),
            None => out.extend_from_slice(name),
        },
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
