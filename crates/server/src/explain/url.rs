//! The URL of a question, taken apart as a client does before it sends a request.

use std::net::IpAddr;

/// A URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// What the client sends as `host`.
    pub(super) authority: String,
    /// What the client sends as path and query.
    pub(super) target: String,
    /// The port, by default the scheme's.
    pub(super) port: u16,
    /// The fragment, which a client keeps to itself.
    pub(super) fragment: Option<String>,
}

impl Url {
    /// Parses `http://host:port/path?query`. The scheme may be left out; the path is taken as it stands.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
                return Err(format!(
                    "`{scheme}` is not a scheme of HTTP; write http:// or https://"
                ));
            }
            _ => ("http", text),
        };
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
            None => (rest, None),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        if authority.is_empty() {
            return Err(format!(
                "`{text}` names no host; write http://HOST/PATH, as the client does"
            ));
        }
        let target = match path {
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        Ok(Url {
            scheme,
            port: port(authority, scheme)?,
            authority: authority.to_owned(),
            target,
            fragment,
        })
    }

    /// Leaves of the URL what CONNECT names: host and port.
    pub(super) fn ask_for_tunnel(&mut self) {
        self.target.clear();
        if host(&self.authority) == self.authority {
            self.authority = format!("{}:{}", self.authority, self.port);
        }
    }

    /// The host without a port.
    pub(super) fn host(&self) -> &str {
        host(&self.authority)
    }

    /// The address, if the host is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        host(&self.authority).trim_matches(['[', ']']).parse().ok()
    }
}

fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn port(authority: &str, scheme: &str) -> Result<u16, String> {
    match authority.get(host(authority).len()..).unwrap_or_default() {
        "" | ":" if scheme == "https" => Ok(443),
        "" | ":" => Ok(80),
        port => port
            .trim_start_matches(':')
            .parse()
            .map_err(|_| format!("`{}` is no port", port.trim_start_matches(':'))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (&'static str, String, String, u16) {
        let url = Url::parse(text).expect("a URL");
        (url.scheme, url.authority, url.target, url.port)
    }

    #[test]
    fn a_url_is_taken_apart_as_clients_do() {
        for (text, scheme, authority, target, port) in [
            ("http://a.b/c?d=e", "http", "a.b", "/c?d=e", 80),
            ("HTTPS://a.b", "https", "a.b", "/", 443),
            ("a.b:8080/c", "http", "a.b:8080", "/c", 8080),
            ("http://a.b?q", "http", "a.b", "/?q", 80),
            ("http://[::1]:81/", "http", "[::1]:81", "/", 81),
            ("http://[::1]/", "http", "[::1]", "/", 80),
            ("http://u:p@a.b/../%2F//", "http", "a.b", "/../%2F//", 80),
            (
                "http://a/b?to=http://c/",
                "http",
                "a",
                "/b?to=http://c/",
                80,
            ),
            ("a/b?to=http://c/", "http", "a", "/b?to=http://c/", 80),
        ] {
            let expected = (scheme, authority.to_owned(), target.to_owned(), port);
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_fragment_stays_with_the_client() {
        let url = Url::parse("http://a/b?c#d").expect("a URL");
        assert_eq!(
            (url.target.as_str(), url.fragment.as_deref()),
            ("/b?c", Some("d"))
        );
    }

    #[test]
    fn what_is_no_url_of_http_is_refused() {
        for text in [
            "",
            "/path",
            "http://",
            "ftp://a/",
            "http://a:port/",
            "http://a:70000/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
