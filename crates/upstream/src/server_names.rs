//! Names that requests choose for their connections: `auto_sni`, `override_auto_sni_header`, `auto_san_validation`.
//!
//! As in Envoy the name is the host of `:authority` as the router left it, or of another header, without its port.
//! An address is not sent as a server name, but certificates are checked for it. Connections of different names are
//! kept apart, those of a cluster without TLS too. What a host is told by a PROXY header, the client's address that a
//! connection comes from, and the client's connection that it serves alone, are part of the name.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::stream_info::{ClientSource, FilterState, FilterStateObject};
use nuncio_net::tls::Wishes;

const SERVER_NAME: &str = "envoy.network.upstream_server_name";
const SUBJECT_ALT_NAMES: &str = "envoy.network.upstream_subject_alt_names";

/// How a cluster's requests name their connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoNames {
    /// `auto_sni`
    pub sni: bool,
    /// `auto_san_validation`
    pub san_validation: bool,
    /// `override_auto_sni_header`
    pub header: Option<HeaderName>,
}

/// The name of a connection, and what it is for.
#[derive(Clone, Debug)]
pub struct ConnectionName {
    name: Arc<str>,
    is_server_name: bool,
    is_validated: bool,
    header: Option<Arc<[u8]>>,
    source: Option<ClientSource>,
    /// The number of the client's connection that it serves alone.
    client: Option<u64>,
}

/// The name as filter state.
struct NameObject(Arc<str>);

impl AutoNames {
    /// What `request` asks of its connection, also noted in `filter_state`; none if any connection will do.
    pub fn choose(
        &self,
        request: &HeaderMap,
        filter_state: &mut FilterState,
    ) -> Option<ConnectionName> {
        let header = self.header.as_ref().and_then(|header| request.get(header));
        let value = header
            .filter(|value| !value.is_empty())
            .or_else(|| request.get(Known::Authority))
            .unwrap_or_default();
        let value = String::from_utf8_lossy(value);
        let (name, is_address) = host_of(&value);
        let name: Arc<str> = name.into();
        let note = |key: &str, filter_state: &mut FilterState| {
            if filter_state.get(key).is_none() {
                filter_state.set(key, Box::new(NameObject(Arc::clone(&name))));
            }
        };
        let is_sent = self.sni && !is_address;
        if is_sent {
            note(SERVER_NAME, filter_state);
        }
        if self.san_validation {
            note(SUBJECT_ALT_NAMES, filter_state);
        }
        let is_server_name = is_sent && !name.is_empty();
        (is_server_name || self.san_validation).then_some(ConnectionName {
            name,
            is_server_name,
            is_validated: self.san_validation,
            header: None,
            source: None,
            client: None,
        })
    }
}

impl ConnectionName {
    /// The name with a PROXY header, or a header alone.
    pub(crate) fn with_header(name: Option<Self>, header: Arc<[u8]>) -> Self {
        ConnectionName {
            header: Some(header),
            ..name.unwrap_or_else(Self::empty)
        }
    }

    /// The name of a connection that comes from a client's address besides.
    #[must_use]
    pub fn with_source(name: Option<Self>, source: ClientSource) -> Self {
        ConnectionName {
            source: Some(source),
            ..name.unwrap_or_else(Self::empty)
        }
    }

    /// The name of a connection that serves one of a client's alone besides.
    #[must_use]
    pub fn with_client(name: Option<Self>, connection_id: u64) -> Self {
        ConnectionName {
            client: Some(connection_id),
            ..name.unwrap_or_else(Self::empty)
        }
    }

    fn empty() -> Self {
        ConnectionName {
            name: "".into(),
            is_server_name: false,
            is_validated: false,
            header: None,
            source: None,
            client: None,
        }
    }

    /// The client's address that it comes from, if it is to.
    pub fn source(&self) -> Option<ClientSource> {
        self.source
    }

    /// The number of the client's connection that it serves alone.
    pub(crate) fn client(&self) -> Option<u64> {
        self.client
    }

    /// The PROXY header that goes before all else.
    pub(crate) fn header(&self) -> Option<&Arc<[u8]>> {
        self.header.as_ref()
    }

    /// The name that the host is told, in place of the cluster's own.
    pub fn server_name(&self) -> Option<&str> {
        self.wishes().server_name
    }

    /// The name that the host's certificate is checked for.
    pub fn validated_name(&self) -> Option<&str> {
        self.wishes().subject_alt_name
    }

    /// The same for the transport.
    pub(crate) fn wishes(&self) -> Wishes<'_> {
        Wishes {
            server_name: self.is_server_name.then_some(&self.name),
            subject_alt_name: self.is_validated.then_some(&self.name),
            host_name: None,
            protocols: &[],
            only_protocols: None,
        }
    }

    /// The name, whose case does not tell connections apart.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a connection of the one serves the other.
    pub(crate) fn is_same(&self, other: &ConnectionName) -> bool {
        self.is_server_name == other.is_server_name
            && self.is_validated == other.is_validated
            && self.header == other.header
            && self.source == other.source
            && self.client == other.client
            && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl FilterStateObject for NameObject {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// The host of an authority without a port, and whether it is an address, which loses its brackets.
fn host_of(authority: &str) -> (&str, bool) {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') && is_port(port) => host,
        _ => authority,
    };
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match inside.parse::<IpAddr>() {
        Ok(_) => (inside, true),
        Err(_) => (host, false),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_serve_one_client_alone_if_that_is_wanted() {
        let of = |id| ConnectionName::with_client(None, id);
        assert!(of(1).is_same(&of(1)));
        assert!(!of(1).is_same(&of(2)));
        assert!(!of(1).is_same(&ConnectionName::empty()));
        assert_eq!(of(1).server_name(), None);
    }

    #[test]
    fn connections_of_two_clients_are_kept_apart() {
        let from = |ip: [u8; 4], mark| {
            let source = ClientSource {
                ip: ip.into(),
                mark,
            };
            ConnectionName::with_source(None, source)
        };
        let one = from([127, 0, 0, 1], 0);
        assert!(one.is_same(&from([127, 0, 0, 1], 0)));
        assert!(!one.is_same(&from([127, 0, 0, 2], 0)));
        assert!(!one.is_same(&from([127, 0, 0, 1], 7)));
        let header = ConnectionName::with_header(None, [1].as_slice().into());
        assert!(!one.is_same(&header));
    }

    #[test]
    fn a_host_is_told_from_its_port_and_from_an_address() {
        for (authority, wanted) in [
            ("a.example", ("a.example", false)),
            ("a.example:80", ("a.example", false)),
            ("a.example:x", ("a.example:x", false)),
            ("a.example:70000", ("a.example:70000", false)),
            ("a.example:", ("a.example:", false)),
            ("10.0.0.1:80", ("10.0.0.1", true)),
            ("[::1]:80", ("::1", true)),
            ("[::1]", ("::1", true)),
            ("[a]", ("[a]", false)),
            ("", ("", false)),
        ] {
            assert_eq!(host_of(authority), wanted, "{authority}");
        }
    }

    fn chosen(auto: &AutoNames, headers: &[(&str, &str)]) -> (Option<ConnectionName>, FilterState) {
        let mut request = HeaderMap::request();
        for (name, value) in headers {
            let name = HeaderName::parse_with_pseudo(name).expect("a name");
            request.append(&name, value.as_bytes());
        }
        let mut state = FilterState::default();
        (auto.choose(&request, &mut state), state)
    }

    #[test]
    fn a_header_stands_before_the_host_unless_it_is_empty() {
        let auto = AutoNames {
            sni: true,
            san_validation: true,
            header: Some(HeaderName::parse_with_pseudo("x-name").expect("a name")),
        };
        let host = (":authority", "host.example");
        for (header, wanted) in [
            (("x-name", "other.example:1"), "other.example"),
            (("x-name", ""), "host.example"),
            (("x-other", "a"), "host.example"),
        ] {
            let (name, state) = chosen(&auto, &[host, header]);
            let name = name.expect("a name");
            assert_eq!(name.wishes().server_name, Some(wanted));
            assert_eq!(name.wishes().subject_alt_name, Some(wanted));
            let noted = state
                .get(SERVER_NAME)
                .and_then(|it| it.serialize_as_string());
            assert_eq!(noted.as_deref(), Some(wanted));
        }
    }

    #[test]
    fn an_address_is_no_server_name_but_certificates_are_checked_for_it() {
        let auto = |san_validation| AutoNames {
            sni: true,
            san_validation,
            header: None,
        };
        let host = [(":authority", "10.0.0.1")];
        assert!(chosen(&auto(false), &host).0.is_none());
        let (name, state) = chosen(&auto(true), &host);
        let name = name.expect("a name");
        assert_eq!(name.wishes().server_name, None);
        assert_eq!(name.wishes().subject_alt_name, Some("10.0.0.1"));
        assert!(state.get(SERVER_NAME).is_none());
        let nothing = [(":authority", "")];
        assert!(chosen(&auto(false), &nothing).0.is_none());
        let (name, _) = chosen(&auto(true), &nothing);
        let name = name.expect("a name");
        assert_eq!(name.wishes().server_name, None);
        assert_eq!(name.wishes().subject_alt_name, Some(""));
    }
}
