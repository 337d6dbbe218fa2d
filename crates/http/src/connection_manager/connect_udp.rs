//! CONNECT-UDP (RFC 9298): whom datagrams are for is in the path, and becomes the request's authority, as in Envoy.
//!
//! There is one template for paths, `/.well-known/masque/udp/HOST/PORT/`; without a query, without zones of addresses,
//! and nothing in it but printable ASCII, once it is decoded too. Different from Envoy: what can stand in no authority
//! when it is decoded (CR, LF, `/` and such) is no target, so that such a path is answered with 404 for all routes;
//! Envoy writes it into logs and locations, and refuses it where a host is asked (503).

use std::net::Ipv6Addr;

use nuncio_contract::headers::{HeaderMap, Known};

const PREFIX: &[u8] = b"/.well-known/masque/udp/";

/// Sets the authority to what the path names; false if the path does not fit the template.
#[cold]
pub(super) fn name_target(headers: &mut HeaderMap) -> bool {
    let authority = headers.get(Known::Path).and_then(target);
    if let Some(authority) = &authority {
        headers.set(Known::Authority, authority);
    }
    authority.is_some()
}

fn target(path: &[u8]) -> Option<Vec<u8>> {
    if !path.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let mut parts = path.strip_prefix(PREFIX)?.split(|byte| *byte == b'/');
    let (host, port) = (parts.next()?, parts.next()?);
    let (end, beyond) = (parts.next()?, parts.next());
    if host.is_empty() || port.is_empty() || !end.is_empty() || beyond.is_some() {
        return None;
    }
    let (host, port) = (decoded(host), decoded(port));
    if host.contains(&b'%') || !may_be_authority(&host) || !may_be_authority(&port) {
        return None;
    }
    let text = std::str::from_utf8(&host).ok();
    let is_ipv6 = text.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    let host = match is_ipv6 {
        true => [b"[", host.as_slice(), b"]"].concat(),
        false => host,
    };
    Some([host.as_slice(), b":", &port].concat())
}

/// Whether decoded bytes can stand in an authority: they are written into heads, logs and locations as they are.
fn may_be_authority(text: &[u8]) -> bool {
    let may_be = |byte: &u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte);
    text.iter().all(may_be)
}

/// Bytes behind `%`; what is none stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let byte = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_authority() {
        let of = |path: &str| target(path.as_bytes()).map(|it| String::from_utf8(it).unwrap());
        let named = |rest: &str| of(&format!("/.well-known/masque/udp/{rest}"));
        assert_eq!(named("a.example/443/").as_deref(), Some("a.example:443"));
        assert_eq!(
            named("2001%3adb8%3A%3A42/4%34/").as_deref(),
            Some("[2001:db8::42]:44")
        );
        assert_eq!(named("a%zz/1/"), None);
        for wrong in [
            "a/1",
            "a//",
            "/1/",
            "a/1/2/",
            "a/1//",
            "fe80::1%25eth0/1/",
            "a/1/?b",
            "a b/1/",
            "a%0d%0ax-evil:1%0d%0a%0d%0aGET%20%2f/1/",
            "a/1%0d%0a/",
            "a%00/1/",
            "a%ff/1/",
            "a%2fb/1/",
            "user%40a/1/",
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(of("/a/1/"), None);
    }
}
