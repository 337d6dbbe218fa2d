//! Metadata in logs: `%DYNAMIC_METADATA(NS:KEY:...)%`, `%CLUSTER_METADATA%`, `%UPSTREAM_METADATA%`,
//! `%METADATA(TYPE:NS:KEY:...)%`.
//!
//! In text a string is bare and everything else is JSON; in JSON the value keeps its type.

use super::FormatContext;
use super::error::FormatError;
use super::json_text::append_quoted_json;
use super::number::append_json_f64;
use crate::stream_info::Metadata;
use crate::stream_info::metadata::{Struct, Value};

/// Where a value is.
#[derive(Clone, Debug)]
pub(super) struct MetadataOperator {
    source: MetadataSource,
    namespace: Box<str>,
    path: Box<[Box<str>]>,
}

/// Whose metadata.
#[derive(Clone, Copy, Debug)]
pub(super) enum MetadataSource {
    /// The stream's.
    Dynamic,
    /// The upstream cluster's.
    Cluster,
    /// The upstream host's.
    UpstreamHost,
    /// The route's.
    Route,
    /// The virtual host's.
    VirtualHost,
    /// The listener's.
    Listener,
    /// The filter chain's.
    ListenerFilterChain,
}

/// What is found.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// One value.
    Value(&'a Value),
    /// A whole namespace.
    Namespace(&'a Struct),
}

impl MetadataOperator {
    /// Compiles `NS:KEY:...`.
    pub(super) fn parse(source: MetadataSource, argument: &str) -> Self {
        let mut parts = argument.split(':');
        let namespace = parts.next().unwrap_or("").into();
        MetadataOperator {
            source,
            namespace,
            path: parts.map(Into::into).collect(),
        }
    }

    /// Compiles `TYPE:NS:KEY:...`.
    pub(super) fn parse_typed(argument: &str) -> Result<Self, FormatError> {
        let (kind, rest) = argument.split_once(':').unwrap_or((argument, ""));
        let source = match kind {
            "DYNAMIC" => MetadataSource::Dynamic,
            "CLUSTER" => MetadataSource::Cluster,
            "ROUTE" => MetadataSource::Route,
            "UPSTREAM_HOST" => MetadataSource::UpstreamHost,
            "LISTENER" => MetadataSource::Listener,
            "LISTENER_FILTER_CHAIN" => MetadataSource::ListenerFilterChain,
            "VIRTUAL_HOST" => MetadataSource::VirtualHost,
            _ => {
                return Err(FormatError::new(format!(
                    "{kind} is not supported type of metadata"
                )));
            }
        };
        Ok(Self::parse(source, rest))
    }

    /// Looks the value up.
    pub(super) fn evaluate<'a>(&self, context: &FormatContext<'a>) -> Option<Found<'a>> {
        let metadata = self.source.metadata(context)?;
        if self.path.is_empty() {
            return metadata.namespace(&self.namespace).map(Found::Namespace);
        }
        match metadata.value(&self.namespace, &self.path)? {
            Value::Null => None,
            value => Some(Found::Value(value)),
        }
    }
}

impl MetadataSource {
    fn metadata<'a>(self, context: &FormatContext<'a>) -> Option<&'a Metadata> {
        let info = context.stream_info;
        match self {
            MetadataSource::Dynamic => info.dynamic_metadata(),
            MetadataSource::Cluster => info
                .upstream_cluster
                .as_ref()
                .map(|cluster| &cluster.metadata),
            MetadataSource::UpstreamHost => info.upstream.host().map(|host| &host.metadata),
            MetadataSource::Route => info.route_metadata.as_deref(),
            MetadataSource::VirtualHost => info.virtual_host_metadata.as_deref(),
            MetadataSource::Listener => info
                .connection
                .listener
                .as_ref()
                .map(|listener| &listener.metadata),
            MetadataSource::ListenerFilterChain => info
                .connection
                .filter_chain
                .as_ref()
                .map(|chain| &chain.metadata),
        }
    }
}

impl Found<'_> {
    /// Appends a string bare and everything else as JSON.
    pub(super) fn append_text(self, out: &mut Vec<u8>) {
        match self {
            Found::Value(Value::String(text)) => out.extend_from_slice(text.as_bytes()),
            found => found.append_json(out),
        }
    }

    /// Appends JSON.
    pub(super) fn append_json(self, out: &mut Vec<u8>) {
        match self {
            Found::Value(value) => append_value(value, out),
            Found::Namespace(fields) => append_struct(fields, out),
        }
    }

    /// Whether a length limit is kept in JSON: only for strings.
    pub(super) fn is_cut(self) -> bool {
        matches!(self, Found::Value(Value::String(_)))
    }
}

/// Appends a value as JSON. The depth is that of the value, which whoever made it has bounded.
pub fn append_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Number(number) => append_json_f64(*number, out),
        Value::String(text) => append_quoted_json(text.as_bytes(), out),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Struct(fields) => append_struct(fields, out),
        Value::List(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                append_value(value, out);
            }
            out.push(b']');
        }
    }
}

/// Appends fields as a JSON object.
pub(super) fn append_struct(fields: &Struct, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in fields.fields().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        append_quoted_json(name.as_bytes(), out);
        out.push(b':');
        append_value(value, out);
    }
    out.push(b'}');
}
