//! `envoy.config.core.v3.Metadata` of clusters and endpoints, as access logs show it.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_contract::stream_info::metadata::{Metadata, Struct, Value};

message! {
    /// Structures by namespace.
    pub(crate) struct MetadataMessage: "envoy.config.core.v3.Metadata" {
        pub(crate) filter_metadata: Vec<(String, Arc<Json>)>,
    }
}

/// The metadata of a message; `None` when there is none.
pub(super) fn read(message: Option<&MetadataMessage>) -> Option<Arc<Metadata>> {
    let namespaces = &message?.filter_metadata;
    let mut metadata = Metadata::default();
    for (namespace, fields) in namespaces {
        if let Value::Struct(fields) = value(fields) {
            metadata.merge(namespace, fields);
        }
    }
    (!metadata.is_empty()).then(|| Arc::new(metadata))
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(*number),
        Json::String(text) => Value::String(text.clone()),
        Json::List(values) => Value::List(values.iter().map(value).collect()),
        Json::Object(members) => Value::Struct(
            members
                .iter()
                .map(|(name, member)| (name.clone(), value(member)))
                .collect::<Struct>(),
        ),
    }
}
