//! Transport sockets that hosts choose by their metadata (`transport_socket_matches`).
//!
//! The first one counts all of whose fields the host has at `envoy.transport_socket_match`; without one it is the
//! cluster's own. A host's is found once, when the host is published. Health checks may say which metadata counts for
//! them instead. Not supported: metadata of localities.

use std::sync::Arc;

use nuncio_contract::stream_info::metadata::Struct;

use crate::host::Host;
use crate::transport_socket::TransportSocket;

const NAMESPACE: &str = "envoy.transport_socket_match";

/// A cluster's transport sockets beside its own.
#[derive(Clone, Debug)]
pub struct SocketMatches {
    /// In the order in which they are asked.
    pub all: Vec<SocketMatch>,
}

/// A transport socket, and whose it is.
#[derive(Clone, Debug)]
pub struct SocketMatch {
    /// Its name, in stats.
    pub name: Box<str>,
    /// The fields that a host has to have.
    pub wanted: Struct,
    /// The socket.
    pub socket: Arc<TransportSocket>,
}

impl SocketMatches {
    /// The place of the one for these fields.
    pub(crate) fn find(&self, fields: Option<&Struct>) -> Option<usize> {
        self.all.iter().position(|one| one.is_for(fields))
    }

    /// The same for a host.
    pub(crate) fn find_for(&self, host: &Host) -> Option<usize> {
        let metadata = host.metadata.as_deref();
        self.find(metadata.and_then(|metadata| metadata.namespace(NAMESPACE)))
    }

    /// All of them.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &TransportSocket> {
        self.all.iter().map(|one| &*one.socket)
    }

    /// The socket at a place.
    pub(crate) fn socket(&self, place: usize) -> Option<&Arc<TransportSocket>> {
        self.all.get(place).map(|one| &one.socket)
    }
}

impl SocketMatch {
    fn is_for(&self, fields: Option<&Struct>) -> bool {
        let has = |fields: &Struct| {
            let mut wanted = self.wanted.fields();
            wanted.all(|(name, value)| fields.get(name) == Some(value))
        };
        self.wanted.is_empty() || fields.is_some_and(has)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stream_info::metadata::Value;

    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Struct {
        let text = |text: &&str| Value::String((*text).into());
        fields
            .iter()
            .map(|(name, value)| (*name, text(value)))
            .collect()
    }

    fn matches(wanted: &[Struct]) -> SocketMatches {
        let of = |wanted: &Struct| SocketMatch {
            name: "x".into(),
            wanted: wanted.clone(),
            socket: Arc::default(),
        };
        SocketMatches {
            all: wanted.iter().map(of).collect(),
        }
    }

    #[test]
    fn the_first_one_counts_whose_fields_are_all_there() {
        let both = fields(&[("a", "1"), ("b", "2")]);
        let matches = matches(&[fields(&[("a", "2")]), both.clone(), fields(&[("a", "1")])]);
        assert_eq!(matches.find(Some(&both)), Some(1));
        assert_eq!(matches.find(Some(&fields(&[("a", "1")]))), Some(2));
        assert_eq!(matches.find(Some(&fields(&[("b", "2")]))), None);
        assert_eq!(matches.find(None), None);
    }

    #[test]
    fn who_wants_nothing_takes_all() {
        assert_eq!(matches(&[Struct::default()]).find(None), Some(0));
    }
}
