//! `envoy.config.core.v3.Metadata` of clusters, endpoints, virtual hosts and routes, as access logs show it.
//!
//! Typed metadata are for extensions: that of clusters for `gcp_authn` ([`MetadataMessage::typed`]); nothing here reads any
//! other.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_config::typed::Any;

use crate::stream_info::metadata::{Metadata, Struct, Value};

message! {
    /// Structures by namespace.
    pub struct MetadataMessage: "envoy.config.core.v3.Metadata" {
        pub(crate) filter_metadata: Vec<(String, Arc<Json>)>,
        pub(crate) typed_filter_metadata: Vec<(String, Any)>,
    }
}

impl MetadataMessage {
    /// What it says; `None` when it says nothing.
    pub fn read(&self) -> Option<Arc<Metadata>> {
        let metadata = Self::owned(Some(self));
        (!metadata.is_empty()).then(|| Arc::new(metadata))
    }

    /// What is there for an extension, if it is the message that this one reads.
    pub fn typed(&self, key: &str, message: &str) -> Option<&Any> {
        let mut typed = self.typed_filter_metadata.iter();
        let (_, any) = typed.find(|(name, any)| name == key && any.type_name() == message)?;
        Some(any)
    }

    /// The same of a message that may be missing; nothing where there is nothing.
    pub fn owned(message: Option<&Self>) -> Metadata {
        let mut metadata = Metadata::default();
        for (namespace, fields) in message.iter().flat_map(|it| &it.filter_metadata) {
            metadata.merge(namespace, struct_of(fields));
        }
        metadata
    }
}

/// A `google.protobuf.Struct`; empty if it is something else.
pub fn struct_of(json: &Json) -> Struct {
    match value_of(json) {
        Value::Struct(fields) => fields,
        _ => Struct::default(),
    }
}

/// A `google.protobuf.Value`.
pub fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(*number),
        Json::String(text) => Value::String(text.clone()),
        Json::List(values) => Value::List(values.iter().map(value_of).collect()),
        Json::Object(members) => Value::Struct(
            members
                .iter()
                .map(|(name, member)| (name.clone(), value_of(member)))
                .collect::<Struct>(),
        ),
    }
}
