//! What is asked about hosts, where their transport sockets are chosen: their metadata, and that of their localities.
//! What is no text is there as JSON, and so is what the metadata does not have: the text `null`. Absent is what is asked
//! of who has no metadata at all, and a text that is empty.
//!
//! As in Envoy the rules that the API has for these inputs do not count: a `filter` that is not named is `envoy.lb`, a step
//! without a key is none, and without a path nothing is found.

use std::borrow::Cow;

use nuncio_config::message;
use nuncio_config::typed::{Any, FromValue, Refused, SupportTable};

use super::input::{Fetched, Input};
use super::{HostData, MatchContext};
use crate::formatter::append_metadata;
use crate::stream_info::Metadata;
use crate::stream_info::metadata::Value;

const ENDPOINT: &str =
    "envoy.extensions.matching.common_inputs.transport_socket.v3.EndpointMetadataInput";
const LOCALITY: &str =
    "envoy.extensions.matching.common_inputs.transport_socket.v3.LocalityMetadataInput";
const FILTER_STATE: &str =
    "envoy.extensions.matching.common_inputs.transport_socket.v3.FilterStateInput";
const DEFAULT_NAMESPACE: &str = "envoy.lb";
/// What there is in place of a value that is not there.
const NO_VALUE: &[u8] = b"null";

macro_rules! metadata_inputs {
    ($($(#[$meta:meta])* $name:ident, $step:ident: $proto:literal, $step_proto:literal;)+) => {$(
        message! {
            $(#[$meta])*
            pub(super) struct $name: $proto {
                filter: String,
                path: Vec<$step>,
            }
        }

        message! {
            /// A step of the path.
            pub(super) struct $step: $step_proto {
                key: Option<String>,
            }
        }

        impl $name {
            fn place(self) -> Place {
                let keys = self.path.into_iter().filter_map(|step| step.key);
                Place::new(self.filter, keys.map(Box::from).collect())
            }
        }
    )+};
}

metadata_inputs! {
    /// Metadata of an endpoint.
    EndpointMetadataInput, EndpointStep:
        "envoy.extensions.matching.common_inputs.transport_socket.v3.EndpointMetadataInput",
        "envoy.extensions.matching.common_inputs.transport_socket.v3.EndpointMetadataInput.PathSegment";
    /// Metadata of a locality.
    LocalityMetadataInput, LocalityStep:
        "envoy.extensions.matching.common_inputs.transport_socket.v3.LocalityMetadataInput",
        "envoy.extensions.matching.common_inputs.transport_socket.v3.LocalityMetadataInput.PathSegment";
}

/// Where a value is.
#[derive(Debug)]
pub(super) struct Place {
    namespace: Box<str>,
    path: Box<[Box<str>]>,
}

/// Adds the inputs.
pub(super) fn support(table: &mut SupportTable) {
    EndpointMetadataInput::support(table);
    LocalityMetadataInput::support(table);
}

/// Whether this is asked of hosts alone, by the input's message.
pub(super) fn is_one(kind: &str) -> bool {
    [ENDPOINT, LOCALITY, FILTER_STATE].contains(&kind)
}

/// Compiles one of them.
///
/// # Errors
/// When its message is not sound.
pub(super) fn compile<C: MatchContext>(
    kind: &str,
    any: &Any,
    context: &mut C,
) -> Result<Input, Refused> {
    let ctx = context.ctx();
    match kind {
        ENDPOINT => {
            let config: EndpointMetadataInput = any.decode(ctx)?;
            Ok(Input::EndpointMetadata(config.place()))
        }
        LOCALITY => {
            let config: LocalityMetadataInput = any.decode(ctx)?;
            Ok(Input::LocalityMetadata(config.place()))
        }
        other => Err(ctx.unsupported_here(any.span, format!("the input `{other}`"))),
    }
}

impl Place {
    fn new(filter: String, path: Box<[Box<str>]>) -> Self {
        let namespace = match filter.is_empty() {
            true => DEFAULT_NAMESPACE.into(),
            false => filter.into(),
        };
        Place { namespace, path }
    }

    /// The value there in the metadata that is asked for.
    pub(super) fn fetch<'a>(
        &self,
        host: Option<HostData<'a>>,
        owner: impl FnOnce(HostData<'a>) -> Option<&'a Metadata>,
    ) -> Fetched<'a> {
        let Some(metadata) = host.and_then(owner) else {
            return Fetched::Absent;
        };
        match metadata.value(&self.namespace, &self.path) {
            None => Fetched::Text(Cow::Borrowed(NO_VALUE)),
            Some(Value::String(text)) if text.is_empty() => Fetched::Absent,
            Some(Value::String(text)) => Fetched::Text(Cow::Borrowed(text.as_bytes())),
            Some(other) => {
                let mut text = Vec::new();
                append_metadata(other, &mut text);
                Fetched::Text(Cow::Owned(text))
            }
        }
    }
}
