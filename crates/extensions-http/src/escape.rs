//! Percent-encoding, in the two forms that Envoy has for it: one for URLs, one for bodies, which leaves spaces and much
//! else as it is.

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

fn escaped(text: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if stays(*byte) {
            out.push(char::from(*byte));
            continue;
        }
        let digit = |number: u8| DIGITS.get(usize::from(number)).copied();
        out.push('%');
        out.extend(digit(byte >> 4).map(char::from));
        out.extend(digit(byte & 15).map(char::from));
    }
    out
}

/// A value in the query of a URL.
pub(crate) fn for_url(text: &[u8]) -> String {
    escaped(text, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*')
    })
}

/// A value in a form.
pub(crate) fn for_body(text: &[u8]) -> String {
    escaped(text, |byte| {
        matches!(byte, b' '..=b'}') && !matches!(byte, b':' | b'/' | b'=' | b'&' | b'?' | b'+')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_bodies_are_escaped_differently() {
        let all = " !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\u{e9}\n";
        assert_eq!(
            for_url(all.as_bytes()),
            "%20%21%22%23%24%26%27%28%29*%2B%2C-.%2F09%3A%3B%3C%3D%3E%3F%40AZ%5B%5C%5D%5E_%60az%7B%7C%7D%7E%C3%A9%0A"
        );
        assert_eq!(
            for_body(all.as_bytes()),
            " !\"#$%26'()*%2B,-.%2F09%3A;<%3D>%3F@AZ[\\]^_`az{|}%7E%C3%A9%0A"
        );
    }
}
