//! What is asked about hosts, where their transport sockets are chosen: their metadata, and that of their localities.
//! What is no text is there as JSON.

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
                key: String,
            }
        }

        impl $name {
            fn place(self) -> Place {
                Place {
                    namespace: self.filter.into(),
                    path: self.path.into_iter().map(|step| step.key.into()).collect(),
                }
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
    /// The value there in the metadata that is asked for.
    pub(super) fn fetch<'a>(
        &self,
        host: Option<HostData<'a>>,
        owner: impl FnOnce(HostData<'a>) -> Option<&'a Metadata>,
    ) -> Fetched<'a> {
        let metadata = host.and_then(owner);
        let value = metadata.and_then(|metadata| metadata.value(&self.namespace, &self.path));
        match value {
            None => Fetched::Absent,
            Some(Value::String(text)) => Fetched::Text(Cow::Borrowed(text.as_bytes())),
            Some(other) => {
                let mut text = Vec::new();
                append_metadata(other, &mut text);
                Fetched::Text(Cow::Owned(text))
            }
        }
    }
}
