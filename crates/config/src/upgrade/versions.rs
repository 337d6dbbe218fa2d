//! The versions of the API that servers are spoken to in: v3 is all that Envoy 1.40 knows.
//!
//! v2 had no field for them, and left unset they mean v2.

use nuncio_api as api;

use super::edit;
use super::walk::Upgrader;
use crate::span::Span;
use crate::text::{Entry, Kind};

/// Sets `transport_api_version` and `resource_api_version` where the message has them.
pub(super) fn set(upgrader: &mut Upgrader<'_>, message: api::Message, entries: &mut Vec<Entry>) {
    for name in ["transport_api_version", "resource_api_version"] {
        if message.field(name).is_none() || !applies(message.full_name(), entries) {
            continue;
        }
        let written = edit::text(entries, name);
        if written == "V3" {
            continue;
        }
        let span = edit::place(entries);
        upgrader.changed(span, name, "set to V3: the server must speak the v3 API");
        match edit::find_mut(entries, name) {
            Some(node) => node.kind = Kind::Str("V3".into()),
            None => {
                let at = entries.len();
                edit::insert(entries, at, name, Span::NONE, edit::string("V3"));
            }
        }
    }
}

/// Sets V3 where an older version is written.
pub(super) fn renew(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    for name in ["transport_api_version", "resource_api_version"] {
        let written = edit::text(entries, name).to_owned();
        let Some(node) =
            edit::find_mut(entries, name).filter(|_| matches!(&*written, "V2" | "AUTO"))
        else {
            continue;
        };
        node.kind = Kind::Str("V3".into());
        let text = format!("`{written}` set to V3: the server must speak the v3 API");
        upgrader.changed(node.span, name, text);
    }
}

/// A message that speaks to no server has no need of a version.
fn applies(message: &str, entries: &[Entry]) -> bool {
    let any_of = |names: &[&str]| names.iter().any(|name| edit::has(entries, name));
    match message {
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" => any_of(&["grpc_service"]),
        _ => true,
    }
}
