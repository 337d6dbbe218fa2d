//! The rules by which values of JSON become metadata, and JSON as Envoy reads it; for the filters that look into bodies and
//! into events.

pub(crate) mod json;

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::metadata_message::value_of;
use nuncio_contract::stream_info::metadata::Value;

message! {
    /// What is made of what stands at a place.
    pub(crate) struct Rule: "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.Rule" {
        selectors: Vec<Selector>,
        pub(crate) on_present: Option<KeyValuePair>,
        pub(crate) on_missing: Option<KeyValuePair>,
        pub(crate) on_error: Option<KeyValuePair>,
    }
}

message! {
    /// A step on the way to a place.
    pub(crate) struct Selector:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.Selector" {
        oneof selector: Option<Step>,
    }
}

one_of! {
    /// The kinds of steps.
    pub(crate) enum Step {
        key => Key(String),
    }
}

message! {
    /// Where a value goes, and what it is.
    pub(crate) struct KeyValuePair:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.KeyValuePair" {
        metadata_namespace: String,
        key: String,
        pub(crate) oneof value_type: Option<FixedValue>,
        r#type: ValueType,
        preserve_existing_metadata_value: bool,
    }
}

one_of! {
    /// A value that does not depend on the body.
    pub(crate) enum FixedValue {
        value => Value(Arc<Json>),
    }
}

enumeration! {
    /// What a value becomes.
    pub(crate) enum ValueType:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.ValueType" {
        PROTOBUF_VALUE => ProtobufValue,
        STRING => String,
        NUMBER => Number,
    }
}

/// What becomes of a value.
pub(crate) struct Target {
    pub(crate) namespace: Box<str>,
    pub(crate) key: Box<str>,
    /// Takes the value's place.
    pub(crate) fixed: Option<Value>,
    pub(crate) value_type: ValueType,
    pub(crate) keeps_existing: bool,
}

impl Rule {
    /// The keys on the way to a value, its own the last one.
    pub(crate) fn path(&self) -> Vec<Box<str>> {
        self.selectors.iter().map(Selector::key).collect()
    }
}

impl Selector {
    /// As in Envoy, no key is an empty one.
    fn key(&self) -> Box<str> {
        match &self.selector {
            Some(Step::Key(key)) => key.as_str().into(),
            None => Box::default(),
        }
    }
}

impl KeyValuePair {
    /// What becomes of a value, in this namespace if none is named.
    pub(crate) fn target(&self, default_namespace: &str) -> Target {
        let fixed = self.value_type.as_ref();
        Target {
            namespace: match self.metadata_namespace.as_str() {
                "" => default_namespace.into(),
                namespace => namespace.into(),
            },
            key: self.key.as_str().into(),
            fixed: fixed.map(|FixedValue::Value(json)| value_of(json)),
            value_type: self.r#type,
            keeps_existing: self.preserve_existing_metadata_value,
        }
    }
}
