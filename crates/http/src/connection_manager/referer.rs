//! Which values of `referer` are passed on: URLs without user info and fragment, and relative references without a
//! fragment (RFC 9110 section 10.1.3). As in Envoy, `about:blank` is neither.

use nuncio_contract::url::Url;

/// Whether the value may stay.
pub(super) fn is_valid(value: &[u8]) -> bool {
    match Url::parse(value) {
        Some(url) => !url.has_user_info && !url.has_fragment,
        None => is_relative(value),
    }
}

/// Whether it is a path, perhaps with a query; a colon may stand behind the first slash only.
fn is_relative(value: &[u8]) -> bool {
    let mut has_slash = false;
    value.iter().all(|byte| {
        has_slash |= *byte == b'/';
        match byte {
            b':' => has_slash,
            _ => byte.is_ascii_alphanumeric() || b"/?@-._~%!$&'()*+,;=".contains(byte),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_relative_references_stay_and_fragments_and_passwords_go() {
        for (value, expected) in [
            ("http://a.com/b?c", true),
            ("ftp://a.com", true),
            ("http://@a.com", true),
            ("http://a.com/#", true),
            ("http://a.com/#b", false),
            ("http://u:p@a.com", false),
            ("/b:c?d", true),
            ("a.com", true),
            ("*", true),
            ("", true),
            ("b:c", false),
            ("/b#c", false),
            ("/b c", false),
            ("/\u{e4}", false),
            ("//a_b/c", true),
            ("http://a_b/c", false),
            ("about:blank", false),
            ("http://a.com/,http://b.com/", true),
        ] {
            assert_eq!(is_valid(value.as_bytes()), expected, "{value}");
        }
    }
}
