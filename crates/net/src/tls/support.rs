//! What TLS honours of the API.

use nuncio_config::typed::{FromValue, SupportTable};

use super::messages::{Secret, UpstreamTlsContext};

/// Adds the contexts of sockets, and the secrets that they name.
pub fn support(table: &mut SupportTable) {
    UpstreamTlsContext::support(table);
    Secret::support(table);
}
