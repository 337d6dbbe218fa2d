//! Hosts that a retry would rather not go to. A host that all predicates would pass over is taken all the same when
//! the picks have been used up.

use nuncio_contract::stream_info::Metadata;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use crate::host::is_canary;

/// The namespace of metadata that is about load balancing.
const LB: &str = "envoy.lb";

/// Which hosts to pass over.
#[derive(Clone, Debug, PartialEq)]
pub enum HostPredicate {
    /// Those that were tried.
    Previous,
    /// Those whose metadata says `canary: true`.
    Canaries,
    /// Those that have all of this in their metadata; none if it is empty.
    WithMetadata(Struct),
}

impl HostPredicate {
    /// Whether a host with this metadata is to be passed over.
    pub fn rejects(&self, metadata: Option<&Metadata>, was_tried: impl FnOnce() -> bool) -> bool {
        let of_host = || lb_metadata(metadata);
        match self {
            Self::Previous => was_tried(),
            Self::Canaries => is_canary(metadata),
            Self::WithMetadata(labels) => {
                !labels.is_empty() && of_host().is_some_and(|fields| has_all(fields, labels))
            }
        }
    }
}

/// The fields of the metadata that are about load balancing.
pub(super) fn lb_metadata(metadata: Option<&Metadata>) -> Option<&Struct> {
    metadata.and_then(|metadata| metadata.namespace(LB))
}

/// A list has a label if one of its values is it.
fn has_all(fields: &Struct, labels: &Struct) -> bool {
    labels
        .fields()
        .all(|(name, wanted)| match fields.get(name) {
            Some(Value::List(values)) => values.contains(wanted),
            Some(value) => value == wanted,
            None => false,
        })
}
