//! The overload manager: its actions are Envoy's, and what triggers them and its load shed points is watched.

use std::collections::HashSet;

use nuncio_config::span::Span;
use nuncio_config::tree::{Message, Value};
use nuncio_contract::overload::Action;

use super::Checker;
use super::look::Look;

/// Counts as watched even where it is not.
const CONNECTIONS: &str = "envoy.resource_monitors.global_downstream_max_connections";

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
    let has_buffers = manager.has("buffer_factory_config");
    let mut actions = HashSet::new();
    for action in manager.children("actions") {
        let Some((name, span)) = action.text("name") else {
            continue;
        };
        match Action::named(name) {
            None => unknown(name, span, checker),
            Some(_) if !actions.insert(name) => {
                checker.error(span, format!("Duplicate overload action {name}"));
            }
            Some(known) => configuration(known, (name, span), action, has_buffers, checker),
        }
        let of = Of {
            whole: format!("overload action {name}"),
            twice: format!("overload action {name}"),
            takes_connections: true,
        };
        triggers(action, &of, (&monitors, all_known), checker);
    }
    points(manager, (&monitors, all_known), checker);
}

fn unknown(name: &str, span: Span, checker: &mut Checker<'_>) {
    let text = format!("Unknown Overload Manager Action {name}");
    let note = checker.error(span, text);
    let names = Action::ALL.iter().map(|(_, name)| *name);
    if let Some(near) = nuncio_config::interpret::nearest(name, names) {
        note.suggest(format!("did you mean `{near}`?"));
    }
}

/// Whether an action has what it needs and nothing else.
fn configuration(
    action: Action,
    (name, span): (&str, Span),
    message: &Message,
    has_buffers: bool,
    checker: &mut Checker<'_>,
) {
    let has_config = message.has("typed_config");
    match action {
        Action::ReduceTimeouts if !has_config => {
            let text = format!("Overload action \"{name}\" requires typed_config");
            checker.error(span, text);
        }
        Action::ResetStreams if !has_buffers => {
            let text = format!("Overload action \"{name}\" requires buffer_factory_config.");
            checker.error(span, text);
        }
        Action::ReduceTimeouts | Action::ResetStreams | Action::ShrinkHeap => {}
        _ if has_config => {
            let text = format!(
                "Overload action \"{name}\" has an unexpected value for the typed_config field"
            );
            checker.error(message.place("typed_config"), text);
        }
        _ => {}
    }
}

fn points(manager: &Message, monitors: (&HashSet<&str>, bool), checker: &mut Checker<'_>) {
    let mut points = HashSet::new();
    for point in manager.children("loadshed_points") {
        let Some((name, span)) = point.text("name") else {
            continue;
        };
        let of = Of {
            whole: format!("loadshed point {name}"),
            twice: format!("LoadShedPoint {name}"),
            takes_connections: false,
        };
        triggers(point, &of, monitors, checker);
        if !points.insert(name) {
            checker.error(span, format!("Duplicate loadshed point {name}"));
        }
    }
}

/// What triggers are of, in Envoy's words.
struct Of {
    whole: String,
    twice: String,
    /// Whether the number of connections may be a trigger that is not watched.
    takes_connections: bool,
}

fn triggers(
    owner: &Message,
    of: &Of,
    (monitors, all_known): (&HashSet<&str>, bool),
    checker: &mut Checker<'_>,
) {
    let mut seen = HashSet::new();
    for trigger in owner.children("triggers") {
        scale(trigger, checker);
        let Some((resource, span)) = trigger.text("name") else {
            continue;
        };
        let is_watched = match resource {
            CONNECTIONS => of.takes_connections,
            resource => monitors.contains(resource) || !all_known,
        };
        if !is_watched {
            let text = format!("Unknown trigger resource {resource} for {}", of.whole);
            let note = checker.error(span, text);
            if let Some(near) =
                nuncio_config::interpret::nearest(resource, monitors.iter().copied())
            {
                note.suggest(format!("did you mean `{near}`?"));
            }
        } else if !seen.insert(resource) {
            let text = format!("Duplicate trigger resource for {}", of.twice);
            checker.error(span, text);
        }
    }
}

/// A scale goes up.
fn scale(trigger: &Message, checker: &mut Checker<'_>) {
    let Some(scaled) = trigger.child("scaled") else {
        return;
    };
    let number = |field: &str| match scaled.get_by_name(field).map(|entry| &entry.value) {
        Some(Value::F64(number)) => Some(*number),
        None => Some(0.0),
        Some(_) => None,
    };
    if let (Some(from), Some(to)) = (number("scaling_threshold"), number("saturation_threshold"))
        && from >= to
    {
        let text = "scaling_threshold must be less than saturation_threshold";
        checker.error(scaled.span, text);
    }
}
