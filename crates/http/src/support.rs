//! What the connection manager, its routes and the router honour of the API.

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::matching::uri_template::{UriTemplateMatchConfig, UriTemplateRewriteConfig};

use crate::config::connection_manager::{ForwardClientCertConfig, HttpConnectionManager};
use crate::config::original_address::{CustomHeaderConfig, XffConfig};
use crate::config::resilience::{
    AllowListedRoutesConfig, FilterStateRedirectConfig, PreviousRoutesConfig, SafeCrossSchemeConfig,
};
use crate::config::route::{FilterConfig, RouteList};
use crate::config::router::RouterMessage;
use crate::config::tracing::UuidRequestId;

/// Adds the messages that stand behind an `Any`, with all that is in them.
pub fn support(table: &mut SupportTable) {
    HttpConnectionManager::support(table);
    ForwardClientCertConfig::support(table);
    FilterConfig::support(table);
    RouteList::support(table);
    RouterMessage::support(table);
    XffConfig::support(table);
    CustomHeaderConfig::support(table);
    UuidRequestId::support(table);
    PreviousRoutesConfig::support(table);
    FilterStateRedirectConfig::support(table);
    AllowListedRoutesConfig::support(table);
    SafeCrossSchemeConfig::support(table);
    UriTemplateMatchConfig::support(table);
    UriTemplateRewriteConfig::support(table);
}
