//! By what a host of the cluster is picked besides its policy: the hash of the connection, and metadata that the host
//! has to have.
//!
//! Metadata of a weighted cluster goes before that of the filter, and what filters left under `envoy.lb` before both.

use nuncio_config::{message, one_of};
use nuncio_contract::hash::xxh64;
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::{Destination, PickContext};

/// Where metadata for balancing stands.
const NAMESPACE: &str = "envoy.lb";

message! {
    /// By what a connection's host is chosen.
    pub(super) struct HashPolicy: "envoy.type.v3.HashPolicy" {
        oneof policy_specifier: HashedPart,
    }
}

one_of! {
    /// What is hashed.
    pub(super) enum HashedPart {
        source_ip => SourceIp(SourceIp),
        filter_state => FilterState(FilterState),
    }
}

message! {
    /// The client's address.
    pub(super) struct SourceIp: "envoy.type.v3.HashPolicy.SourceIp" {}
}

message! {
    /// What a filter left behind.
    pub(super) struct FilterState: "envoy.type.v3.HashPolicy.FilterState" {
        key: String,
    }
}

/// What is hashed, compiled.
#[derive(Debug)]
pub(super) enum Hashed {
    SourceIp,
    FilterState(Box<str>),
}

impl Hashed {
    /// Of the policies the first one counts; the API allows no more.
    pub(super) fn compile(policies: &[HashPolicy]) -> Option<Self> {
        Some(match &policies.first()?.policy_specifier {
            HashedPart::SourceIp(SourceIp { .. }) => Hashed::SourceIp,
            HashedPart::FilterState(state) => Hashed::FilterState(state.key.as_str().into()),
        })
    }

    fn hash(&self, info: &StreamInfo) -> Option<u64> {
        match self {
            Hashed::SourceIp => {
                let ip = info.downstream_remote_address()?.ip()?;
                Some(xxh64(ip.to_string().as_bytes(), 0))
            }
            Hashed::FilterState(key) => info.object(key)?.hash(),
        }
    }
}

/// What a message says of hosts.
pub(super) fn metadata(message: Option<&MetadataMessage>) -> Option<Box<Struct>> {
    let metadata = message?.read()?;
    metadata.namespace(NAMESPACE).cloned().map(Box::new)
}

/// Both; of one name the second counts.
pub(super) fn merged(one: Option<&Struct>, other: Option<&Struct>) -> Option<Box<Struct>> {
    let Some(other) = other else {
        return one.cloned().map(Box::new);
    };
    let mut merged = one.cloned().unwrap_or_default();
    for (name, value) in other.fields() {
        merged.insert(name, value.clone());
    }
    Some(Box::new(merged))
}

/// What a connection wants of its host.
#[derive(Debug, Default)]
pub(super) struct HostWishes {
    hash: Option<u64>,
    metadata: Option<Box<Struct>>,
    /// The host that it asks for, where the cluster chooses by that.
    pub(super) destination: Option<Box<Destination>>,
}

impl HostWishes {
    pub(super) fn of(info: &StreamInfo, hashed: Option<&Hashed>, own: Option<&Struct>) -> Self {
        let left = info.dynamic_metadata();
        let left = left.and_then(|metadata| metadata.namespace(NAMESPACE));
        HostWishes {
            hash: hashed.and_then(|hashed| hashed.hash(info)),
            metadata: merged(own, left),
            destination: None,
        }
    }

    pub(super) fn context(&self) -> PickContext<'_> {
        PickContext {
            destination: self.destination.as_deref(),
            hash: self.hash,
            metadata_match: self.metadata.as_deref(),
            ..PickContext::default()
        }
    }
}
