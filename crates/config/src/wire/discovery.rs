//! The messages that a proxy and its control plane speak: `DiscoveryRequest` and `DiscoveryResponse`, their delta
//! counterparts, and resources as they travel. Resources stay bytes until someone wants them ([`open`]), so that one
//! that cannot be read does not hide the others.
//!
//! Parts that later versions of the API may add are passed over.

use std::sync::Arc;
use std::time::Duration;

use super::reader::{Reader, Wire};
use super::writer::Writer;
use super::{Broken, DEPTH, Unknown, UnknownFieldSet, tell, wellknown};
use crate::diagnostic::Diagnostics;
use crate::span::Span;
use crate::tree::{Any, LONGEST_DURATION_SECONDS, NANOS_PER_SECOND, Value};

/// A state-of-the-world request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryRequest {
    /// The version that was accepted last.
    pub version_info: String,
    /// The node, encoded; none if it was told before on this stream.
    pub node: Option<Arc<[u8]>>,
    /// What is wanted; empty for all there is.
    pub resource_names: Vec<String>,
    /// The type.
    pub type_url: String,
    /// The response that this answers.
    pub response_nonce: String,
    /// Why that was rejected, if it was.
    pub error_detail: Option<Status>,
}

/// A delta request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaRequest {
    /// The node, encoded.
    pub node: Option<Arc<[u8]>>,
    /// The type.
    pub type_url: String,
    /// What is wanted from now on.
    pub subscribe: Vec<String>,
    /// What is wanted no more.
    pub unsubscribe: Vec<String>,
    /// The versions that are there already, by name.
    pub initial_versions: Vec<(String, String)>,
    /// The response that this answers.
    pub response_nonce: String,
    /// Why that was rejected, if it was.
    pub error_detail: Option<Status>,
}

/// `google.rpc.Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// A code of gRPC.
    pub code: i32,
    /// In words.
    pub message: String,
}

/// A resource with its type, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawAny {
    /// Its type.
    pub type_url: String,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// A resource with a name and a version of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawResource {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Itself; none where only its life is made longer.
    pub resource: Option<RawAny>,
    /// The other names that it is known by.
    pub aliases: Vec<String>,
    /// How long it lives.
    pub ttl: Option<Duration>,
    /// It is said to live for no duration.
    pub has_invalid_ttl: bool,
}

/// What a control plane says, in either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryResponse {
    /// `version_info`, or `system_version_info`.
    pub version: String,
    /// State of the world alone: the resources.
    pub resources: Vec<RawAny>,
    /// Delta alone: the resources that came or changed.
    pub changed: Vec<RawResource>,
    /// Delta alone: the names of those that went.
    pub removed: Vec<String>,
    /// The type.
    pub type_url: String,
    /// What the answer is to name.
    pub nonce: String,
    /// Who says it, if that is said.
    pub control_plane: Option<String>,
}

impl DiscoveryRequest {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(1, &self.version_info);
        if let Some(node) = &self.node {
            writer.bytes(2, node);
        }
        for name in &self.resource_names {
            writer.bytes(3, name.as_bytes());
        }
        writer.text(4, &self.type_url);
        writer.text(5, &self.response_nonce);
        if let Some(status) = &self.error_detail {
            writer.bytes(6, &status.encode());
        }
        writer.finish()
    }
}

impl DeltaRequest {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        if let Some(node) = &self.node {
            writer.bytes(1, node);
        }
        writer.text(2, &self.type_url);
        for name in &self.subscribe {
            writer.bytes(3, name.as_bytes());
        }
        for name in &self.unsubscribe {
            writer.bytes(4, name.as_bytes());
        }
        for (name, version) in &self.initial_versions {
            let mut item = Writer::default();
            item.bytes(1, name.as_bytes());
            item.bytes(2, version.as_bytes());
            writer.bytes(5, &item.finish());
        }
        writer.text(6, &self.response_nonce);
        if let Some(status) = &self.error_detail {
            writer.bytes(7, &status.encode());
        }
        writer.finish()
    }
}

impl Status {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(1, i64::from(self.code).cast_unsigned());
        writer.text(2, &self.message);
        writer.finish()
    }
}

impl DiscoveryResponse {
    /// Reads a `DiscoveryResponse`; `None` if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut response = DiscoveryResponse::default();
        each(bytes, |number, wire| {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => response.version = text(bytes)?,
                (2, Wire::Bytes(bytes)) => response.resources.push(raw_any(bytes)?),
                (4, Wire::Bytes(bytes)) => response.type_url = text(bytes)?,
                (5, Wire::Bytes(bytes)) => response.nonce = text(bytes)?,
                (6, Wire::Bytes(bytes)) => response.control_plane = Some(identifier(bytes)?),
                _ => {}
            }
            Some(())
        })?;
        Some(response)
    }

    /// Reads a `DeltaDiscoveryResponse`; `None` if the bytes are none.
    pub fn decode_delta(bytes: &[u8]) -> Option<Self> {
        let mut response = DiscoveryResponse::default();
        each(bytes, |number, wire| {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => response.version = text(bytes)?,
                (2, Wire::Bytes(bytes)) => response.changed.push(RawResource::decode(bytes)?),
                (4, Wire::Bytes(bytes)) => response.type_url = text(bytes)?,
                (5, Wire::Bytes(bytes)) => response.nonce = text(bytes)?,
                (6, Wire::Bytes(bytes)) => response.removed.push(text(bytes)?),
                (7, Wire::Bytes(bytes)) => response.control_plane = Some(identifier(bytes)?),
                _ => {}
            }
            Some(())
        })?;
        Some(response)
    }
}

impl RawResource {
    /// The name of the message, for resources that are wrapped in a state-of-the-world response.
    pub const TYPE_URL: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

    /// Reads one; `None` if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut resource = RawResource::default();
        each(bytes, |number, wire| {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => resource.version = text(bytes)?,
                (2, Wire::Bytes(bytes)) => resource.resource = Some(raw_any(bytes)?),
                (3, Wire::Bytes(bytes)) => resource.name = text(bytes)?,
                (4, Wire::Bytes(bytes)) => resource.aliases.push(text(bytes)?),
                (6, Wire::Bytes(bytes)) => {
                    resource.ttl = duration(bytes)?;
                    resource.has_invalid_ttl = resource.ttl.is_none();
                }
                _ => {}
            }
            Some(())
        })?;
        Some(resource)
    }
}

/// The resource inside; on an error the findings say why. Fields that the API does not have are passed over and told.
pub fn open(
    raw: &RawAny,
    unknown: &mut Vec<UnknownFieldSet>,
    found: &mut Diagnostics,
) -> Option<Arc<Any>> {
    let mut passed = Unknown::Told(unknown, Vec::new());
    match wellknown::open(&raw.type_url, &raw.value, DEPTH, &mut passed) {
        Ok(Value::Any(any)) => Some(any),
        Ok(_) => None,
        Err(broken) => {
            let name = raw.type_url.rsplit('/').next().unwrap_or_default();
            match broken {
                Broken::Format(why) => {
                    let text = format!("no message `{name}`: {why}");
                    let envoy = format!("Unable to unpack as {name}: {why}");
                    found.error(Span::NONE, text).envoy(envoy);
                }
                broken => tell(broken, name, found),
            }
            None
        }
    }
}

/// All fields of a message; `None` as soon as one breaks the format, or is refused.
fn each<'b>(bytes: &'b [u8], mut take: impl FnMut(u32, Wire<'b>) -> Option<()>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next().ok()? {
        take(number, wire)?;
    }
    Some(())
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn raw_any(bytes: &[u8]) -> Option<RawAny> {
    let mut any = RawAny::default();
    each(bytes, |number, wire| {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => any.type_url = text(bytes)?,
            (2, Wire::Bytes(bytes)) => any.value = bytes.to_vec(),
            _ => {}
        }
        Some(())
    })?;
    Some(any)
}

fn identifier(bytes: &[u8]) -> Option<String> {
    let mut identifier = String::new();
    each(bytes, |number, wire| {
        if let (1, Wire::Bytes(bytes)) = (number, wire) {
            identifier = text(bytes)?;
        }
        Some(())
    })?;
    Some(identifier)
}

/// A duration; the inner `None` if it is negative, or too long.
#[expect(clippy::option_option, reason = "bytes that are none, or say none")]
fn duration(bytes: &[u8]) -> Option<Option<Duration>> {
    let (mut seconds, mut nanos) = (0, 0);
    each(bytes, |number, wire| {
        match (number, wire) {
            (1, Wire::Number(bits)) => seconds = bits,
            (2, Wire::Number(bits)) => nanos = bits,
            _ => {}
        }
        Some(())
    })?;
    // Negative ones are very large here.
    let nanos = u32::try_from(nanos).unwrap_or(u32::MAX);
    let is_one = seconds <= LONGEST_DURATION_SECONDS && nanos < NANOS_PER_SECOND;
    Some(is_one.then(|| Duration::new(seconds, nanos)))
}
