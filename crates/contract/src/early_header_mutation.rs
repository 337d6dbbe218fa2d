//! Changes of a request's headers before its route is looked for: an extension point of the connection manager.
//!
//! They run behind the checks of the head and the normalisation of its path and host, and before anything else: what
//! they add is trusted no more than what a client sends. Follows `early_header_mutation_extensions`.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, SupportTable};

use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;

/// Changes that are configured, shared by the workers.
pub trait EarlyHeaderMutation: Send + Sync {
    /// Changes the request's headers.
    fn mutate(&self, request: &mut HeaderMap, info: &StreamInfo, services: &dyn WorkerServices);
}

/// Parses the message; errors go to the context.
pub type ParseEarlyHeaderMutation =
    fn(&Any, &mut Ctx) -> Result<Arc<dyn EarlyHeaderMutation>, Refused>;

/// A kind of early header mutation.
pub struct EarlyHeaderMutationRoom {
    /// Envoy's name, such as `envoy.http.early_header_mutation.header_mutation`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseEarlyHeaderMutation,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}
