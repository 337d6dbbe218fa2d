//! What TLS honours of the API.

use nuncio_config::typed::{FromValue, SupportTable};

use super::downstream_messages::DownstreamTlsContext;
use super::messages::{Secret, UpstreamTlsContext};
use super::spiffe::SpiffeMessage;

/// Adds the contexts of sockets, and the secrets that they name.
pub fn support(table: &mut SupportTable) {
    UpstreamTlsContext::support(table);
    DownstreamTlsContext::support(table);
    Secret::support(table);
    SpiffeMessage::support(table);
}
