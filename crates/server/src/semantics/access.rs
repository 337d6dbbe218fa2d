//! Policies of access: extensions among their permissions and principals.

use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

/// What is asked for.
pub(super) fn permission(permission: &Message, checker: &mut Checker<'_>) {
    for (field, category) in [
        ("matcher", "envoy.rbac.matchers"),
        ("uri_template", "envoy.path.match"),
    ] {
        if let Some(extension) = permission.child(field) {
            checker.extension(category, extension);
        }
    }
}

/// Who asks.
pub(super) fn principal(principal: &Message, checker: &mut Checker<'_>) {
    if let Some(extension) = principal.child("custom") {
        checker.extension("envoy.rbac.principals", extension);
    }
}
