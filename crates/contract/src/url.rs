//! Absolute URLs in headers, as far as Envoy looks at them: host and port, and whether there is user info or a
//! fragment.
//!
//! What is a URL: a scheme, `://`, perhaps user info, a host of letters, digits, dots and hyphens or an address in
//! brackets, perhaps a port up to 65535; then printable ASCII. Different from Envoy: an address
//! whose zone is the name of an interface is none.

use std::net::{IpAddr, Ipv6Addr};

/// What is told of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// The host, with the port if there is one.
    pub host_and_port: &'a [u8],
    /// Whether a name or password stands before the host.
    pub has_user_info: bool,
    /// Whether there is something behind a `#`.
    pub has_fragment: bool,
}

impl<'a> Url<'a> {
    /// Reads a URL; none if it is no absolute one.
    pub fn parse(url: &'a [u8]) -> Option<Self> {
        let end = url.iter().position(|byte| *byte == b':')?;
        let (scheme, rest) = url.split_at(end);
        Self::of_scheme(scheme, rest.strip_prefix(b"://")?)
    }

    /// Reads the URL `scheme://rest`.
    pub fn of_scheme(scheme: &[u8], rest: &'a [u8]) -> Option<Self> {
        if !is_scheme(scheme) {
            return None;
        }
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !path.iter().all(|byte| matches!(byte, b'!'..=b'~')) {
            return None;
        }
        let (user_info, host_and_port) = split_user_info(authority)?;
        let mut behind = path.iter().skip_while(|byte| **byte != b'#');
        is_host_and_port(host_and_port).then(|| Url {
            host_and_port,
            has_user_info: !user_info.is_empty(),
            has_fragment: behind.any(|byte| *byte != b'#'),
        })
    }
}

fn is_scheme(scheme: &[u8]) -> bool {
    let is_scheme_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(is_scheme_byte)
}

fn split_user_info(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(at) = authority.iter().position(|byte| *byte == b'@') else {
        return Some((b"", authority));
    };
    let (user_info, host) = authority.split_at(at);
    let is_user_info_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()%;:&=+$,".contains(byte);
    let host = host.get(1..)?;
    user_info
        .iter()
        .all(is_user_info_byte)
        .then_some((user_info, host))
}

fn is_host_and_port(authority: &[u8]) -> bool {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let (address, port) = rest.split_at(end);
        return is_address(address) && port.get(1..).is_some_and(is_port);
    }
    let end = authority
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(authority.len());
    let (host, port) = authority.split_at(end);
    let is_host_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !host.is_empty() && host.iter().all(is_host_byte) && is_port(port)
}

fn is_address(address: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(address) else {
        return false;
    };
    match text.split_once('%') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, zone)) => address.parse::<Ipv6Addr>().is_ok() && zone.parse::<u32>().is_ok(),
    }
}

/// Nothing, or a colon and a number up to 65535.
fn is_port(port: &[u8]) -> bool {
    let Some(digits) = port.strip_prefix(b":") else {
        return port.is_empty();
    };
    let number = digits.iter().try_fold(0_u32, |number, digit| {
        let number = digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'));
        number.filter(|number| *number <= 65535)
    });
    !digits.is_empty() && number.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_port_of_a_url_are_told() {
        for (url, host, has_user_info, has_fragment) in [
            ("http://a.com", "a.com", false, false),
            ("h+t.t-p9://a.com:8080/path?q#f", "a.com:8080", false, true),
            ("http://a.com?q#", "a.com", false, false),
            ("http://a.com?q##", "a.com", false, false),
            ("http://a.com/#?", "a.com", false, true),
            ("http://u:p@a.com", "a.com", true, false),
            ("http://@a.com", "a.com", false, false),
            ("http://[::1]:80/", "[::1]:80", false, false),
            ("http://[1.2.3.4]", "[1.2.3.4]", false, false),
            ("http://[fe80::1%1]", "[fe80::1%1]", false, false),
        ] {
            let told = Url::parse(url.as_bytes());
            let expected = Url {
                host_and_port: host.as_bytes(),
                has_user_info,
                has_fragment,
            };
            assert_eq!(told, Some(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_absolute_url_is_none() {
        for url in [
            "",
            "a.com",
            "a.com:80",
            "9http://a.com",
            "http:/a.com",
            "http://",
            "http://?q",
            "http://u@",
            "http://b@c@a.com",
            "http://a_b",
            "http://a.com#f",
            "http://a.com:",
            "http://a.com:65536",
            "http://a.com/\u{e4}",
            "http://a.com/a b",
            "http://[1:2]",
            "http://[::1",
            "http://[::1]80",
            "http://[fe80::1%]",
            "http://[1.2.3.4%1]",
            "about:blank",
            "/path",
            "null",
        ] {
            assert_eq!(Url::parse(url.as_bytes()), None, "{url}");
        }
    }
}
