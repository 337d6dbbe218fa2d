//! `envoy.type.matcher.v3.MetadataMatcher`, compiled: a value by namespace and path, and what it has to be like.
//! A value that is not there never matches, but where the matcher is inverted.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::value::{CompiledValueMatcher, ValueMatcher};
use crate::stream_info::Metadata;

message! {
    /// Where a value is and what it has to be like.
    pub struct MetadataMatcher: "envoy.type.matcher.v3.MetadataMatcher" {
        pub(crate) filter: String,
        pub(crate) path: Vec<PathSegment>,
        pub(crate) value: ValueMatcher,
        pub(crate) invert: bool,
    }
}

message! {
    /// A step of a path.
    pub struct PathSegment: "envoy.type.matcher.v3.MetadataMatcher.PathSegment" {
        pub(crate) oneof segment: Segment,
    }
}

one_of! {
    /// The kinds of step.
    pub enum Segment {
        key => Key(String),
    }
}

impl PathSegment {
    /// The name of the step.
    pub fn key(&self) -> Box<str> {
        match &self.segment {
            Segment::Key(key) => key.as_str().into(),
        }
    }
}

/// A compiled metadata matcher.
#[derive(Clone, Debug)]
pub struct CompiledMetadataMatcher {
    namespace: Box<str>,
    path: Box<[Box<str>]>,
    value: CompiledValueMatcher,
    invert: bool,
}

impl CompiledMetadataMatcher {
    /// Compiles; a bad regex is reported at its place.
    pub fn compile(matcher: &MetadataMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(CompiledMetadataMatcher {
            namespace: matcher.filter.as_str().into(),
            path: matcher.path.iter().map(PathSegment::key).collect(),
            value: CompiledValueMatcher::compile(&matcher.value, ctx)?,
            invert: matcher.invert,
        })
    }

    /// Whether `metadata`, which may be none, satisfies the matcher.
    pub fn matches(&self, metadata: Option<&Metadata>) -> bool {
        let value = metadata.and_then(|metadata| metadata.value(&self.namespace, &self.path));
        value.is_some_and(|value| self.value.matches(value)) != self.invert
    }
}
