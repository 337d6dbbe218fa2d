//! `envoy.type.metadata.v3.MetadataKey`: where a value is in metadata.

use nuncio_config::{message, one_of};

message! {
    /// Where a value is in metadata.
    pub struct MetadataKey: "envoy.type.metadata.v3.MetadataKey" {
        pub(crate) key: String,
        pub(crate) path: Vec<PathSegment>,
    }
}

message! {
    /// A step of its path.
    pub struct PathSegment: "envoy.type.metadata.v3.MetadataKey.PathSegment" {
        pub(crate) oneof segment: Segment,
    }
}

one_of! {
    /// The kinds of step.
    pub enum Segment {
        key => Key(String),
    }
}

impl MetadataKey {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.key
    }

    /// The names on the way to the value.
    pub fn path(&self) -> impl Iterator<Item = Box<str>> {
        self.path.iter().map(|step| match &step.segment {
            Segment::Key(key) => key.as_str().into(),
        })
    }
}
