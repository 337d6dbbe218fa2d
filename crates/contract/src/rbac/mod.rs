//! Role-based access control: rules, of permissions (what is asked for) and principals (who asks), as HTTP and network
//! filters have them.
//!
//! Policies are looked at in the order of their names, the first that matches counts. Of several values of a header
//! each is matched on its own, never joined. What a connection does not have (headers, a server name, a certificate)
//! matches nothing but its negation. Alternative names of the type `OTHER_NAME` are refused as not supported
//! yet.

mod certificate;
mod engine;
mod matcher;
mod messages;
mod tree;

use nuncio_config::typed::{FromValue, SupportTable};

pub use engine::{Engine, Verdict};
pub use matcher::Request;
pub use messages::Rules;
pub use tree::Place;

/// Adds the messages that are found by their types.
pub fn support(table: &mut SupportTable) {
    messages::TreeAction::support(table);
    messages::UpstreamIpPortMatcher::support(table);
    messages::MtlsAuthenticated::support(table);
}
