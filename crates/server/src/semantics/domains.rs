//! The domains of a route table: each stands for one virtual host.

use std::collections::HashSet;

use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

/// Each domain once, and one `*` at most.
pub(super) fn unique(table: &Message, checker: &mut Checker<'_>) {
    let name = table.text("name").map_or("", |(name, _)| name);
    let mut seen = HashSet::new();
    for host in table.children("virtual_hosts") {
        for (domain, span) in host.texts("domains") {
            let lowered = domain.to_ascii_lowercase();
            let is_default = lowered == "*";
            if seen.insert(lowered.clone()) {
                continue;
            }
            let text = if is_default {
                format!("Only a single wildcard domain is permitted in route {name}")
            } else {
                format!(
                    "Only unique values for domains are permitted. Duplicate entry of domain {lowered} in route {name}"
                )
            };
            checker.error(span, text);
        }
    }
}
