//! Transport sockets that hosts choose by their metadata (`transport_socket_matches`).
//!
//! The first one counts all of whose fields the host has at `envoy.transport_socket_match`, then the first of those that
//! its locality has there; without one it is the cluster's own. Where there is a `transport_socket_matcher` it chooses
//! alone. A host's is found once, when the host is published. Health checks may say which metadata counts for them
//! instead of the host's own.

use std::sync::Arc;

use nuncio_contract::match_tree::HostData;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_contract::stream_info::{Metadata, StreamInfo};

use crate::host::Host;
use crate::socket_tree::{SocketTree, no_stream};
use crate::transport_socket::TransportSocket;

const NAMESPACE: &str = "envoy.transport_socket_match";

/// A cluster's transport sockets beside its own.
#[derive(Clone, Debug)]
pub struct SocketMatches {
    /// In the order in which they are asked.
    pub all: Vec<SocketMatch>,
    /// Who chooses, if not the fields.
    pub tree: Option<Arc<SocketTree>>,
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

/// A search for the transport sockets of any number of hosts, on one thread.
pub(crate) struct SocketSearch<'m> {
    matches: &'m SocketMatches,
    tree: Option<(&'m SocketTree, StreamInfo)>,
}

/// Metadata in the place of hosts' own, of the fields that transport sockets are chosen by.
pub(crate) fn metadata_of(fields: Struct) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.merge(NAMESPACE, fields);
    metadata
}

impl SocketSearch<'_> {
    /// The place of a host's.
    pub(crate) fn find_for(&self, host: &Host) -> Option<usize> {
        self.find(HostData {
            endpoint: host.metadata.as_deref(),
            locality: host.locality_metadata.as_deref(),
        })
    }

    /// The same with metadata in place of the host's own.
    pub(crate) fn find_with(&self, host: &Host, told: &Metadata) -> Option<usize> {
        self.find(HostData {
            endpoint: Some(told),
            locality: host.locality_metadata.as_deref(),
        })
    }

    fn find(&self, host: HostData<'_>) -> Option<usize> {
        if let Some((tree, nothing)) = &self.tree {
            return tree.find(host, nothing);
        }
        let find = |metadata: Option<&Metadata>| {
            let fields = metadata.and_then(|metadata| metadata.namespace(NAMESPACE));
            let mut all = self.matches.all.iter();
            all.position(|one| one.is_for(fields))
        };
        let of_locality = || find(Some(host.locality?));
        find(host.endpoint).or_else(of_locality)
    }
}

impl SocketMatches {
    /// Begins a search.
    pub(crate) fn search(&self) -> SocketSearch<'_> {
        SocketSearch {
            matches: self,
            tree: self.tree.as_deref().map(|tree| (tree, no_stream())),
        }
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
            tree: None,
        }
    }

    fn found(
        matches: &SocketMatches,
        endpoint: &Struct,
        locality: Option<&Struct>,
    ) -> Option<usize> {
        let metadata = |fields: &Struct| metadata_of(fields.clone());
        matches.search().find(HostData {
            endpoint: Some(&metadata(endpoint)),
            locality: locality.map(metadata).as_ref(),
        })
    }

    #[test]
    fn the_first_one_counts_whose_fields_are_all_there() {
        let both = fields(&[("a", "1"), ("b", "2")]);
        let matches = matches(&[fields(&[("a", "2")]), both.clone(), fields(&[("a", "1")])]);
        assert_eq!(found(&matches, &both, None), Some(1));
        assert_eq!(found(&matches, &fields(&[("a", "1")]), None), Some(2));
        assert_eq!(found(&matches, &fields(&[("b", "2")]), None), None);
        assert_eq!(matches.search().find(HostData::default()), None);
    }

    #[test]
    fn a_locality_is_asked_after_the_host() {
        let matches = matches(&[fields(&[("a", "1")]), fields(&[("a", "2")])]);
        let (one, two) = (fields(&[("a", "1")]), fields(&[("a", "2")]));
        assert_eq!(found(&matches, &two, Some(&one)), Some(1));
        assert_eq!(found(&matches, &Struct::default(), Some(&one)), Some(0));
    }

    #[test]
    fn who_wants_nothing_takes_all() {
        let matches = matches(&[Struct::default()]);
        assert_eq!(matches.search().find(HostData::default()), Some(0));
    }
}
