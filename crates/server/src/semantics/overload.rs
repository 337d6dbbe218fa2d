//! The overload manager: its actions are Envoy's, and what triggers them is watched.

use std::collections::HashSet;

use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

const ACTIONS: [&str; 7] = [
    "envoy.overload_actions.stop_accepting_requests",
    "envoy.overload_actions.disable_http_keepalive",
    "envoy.overload_actions.stop_accepting_connections",
    "envoy.overload_actions.reject_incoming_connections",
    "envoy.overload_actions.shrink_heap",
    "envoy.overload_actions.reduce_timeouts",
    "envoy.overload_actions.reset_high_memory_stream",
];

/// The overload manager of a bootstrap.
pub(super) fn manager(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(manager) = bootstrap.child("overload_manager") else {
        return;
    };
    let mut monitors = HashSet::new();
    for monitor in manager.children("resource_monitors") {
        if let Some((name, span)) = monitor.text("name")
            && !monitors.insert(name)
        {
            checker.error(span, format!("Duplicate resource monitor {name}"));
        }
    }
    let all_known = !manager.has_refused_items("resource_monitors");
    let mut actions = HashSet::new();
    for action in manager.children("actions") {
        let Some((name, span)) = action.text("name") else {
            continue;
        };
        if !ACTIONS.contains(&name) {
            let text = format!("Unknown Overload Manager Action {name}");
            let note = checker.error(span, text);
            if let Some(near) = nuncio_config::interpret::nearest(name, ACTIONS.into_iter()) {
                note.suggest(format!("did you mean `{near}`?"));
            }
        } else if !actions.insert(name) {
            checker.error(span, format!("Duplicate overload action {name}"));
        } else if name.ends_with(".reduce_timeouts") && !action.has("typed_config") {
            let text = format!("Overload action \"{name}\" requires typed_config");
            checker.error(span, text);
        }
        if all_known {
            triggers(action, name, &monitors, checker);
        }
    }
}

fn triggers(action: &Message, name: &str, monitors: &HashSet<&str>, checker: &mut Checker<'_>) {
    let mut seen = HashSet::new();
    for trigger in action.children("triggers") {
        let Some((resource, span)) = trigger.text("name") else {
            continue;
        };
        if !monitors.contains(resource) {
            let text = format!("Unknown trigger resource {resource} for overload action {name}");
            let note = checker.error(span, text);
            if let Some(near) =
                nuncio_config::interpret::nearest(resource, monitors.iter().copied())
            {
                note.suggest(format!("did you mean `{near}`?"));
            }
        } else if !seen.insert(resource) {
            let text = format!("Duplicate trigger resource for overload action {name}");
            checker.error(span, text);
        }
    }
}
