//! The parts of a bootstrap that do not change while the process runs: all but listeners, clusters
//! and secrets.
//!
//! A reload that asks for another admin address, node or whatever is refused whole, so that the file always
//! says what runs.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Message, Value, same};

const STATIC_RESOURCES: &str = "envoy.config.bootstrap.v3.Bootstrap.StaticResources";
const CHANGEABLE: &[&str] = &["listeners", "clusters", "secrets"];

/// The fields that differ and may not, with where they stand in the new configuration.
pub(super) fn changed(running: &Message, wanted: &Message) -> Vec<(Span, String)> {
    let mut found = differing(running, wanted, "", &["static_resources"]);
    let resources = |tree: &Message| {
        let written = tree.find(&["static_resources"]).and_then(Value::as_message);
        let nothing = || {
            Some(Arc::new(Message::new(
                nuncio_api::message(STATIC_RESOURCES)?,
                Span::NONE,
            )))
        };
        written.cloned().or_else(nothing)
    };
    if let (Some(running), Some(wanted)) = (resources(running), resources(wanted)) {
        found.extend(differing(
            &running,
            &wanted,
            "static_resources.",
            CHANGEABLE,
        ));
    }
    found
}

/// The fields that differ, but for those called `changeable`.
fn differing(
    running: &Message,
    wanted: &Message,
    prefix: &str,
    changeable: &[&str],
) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    for field in running.descriptor.fields() {
        let (old, new) = (running.get(field.number()), wanted.get(field.number()));
        if changeable.contains(&field.name()) || says_the_same(running, old, new) {
            continue;
        }
        let span = new.map_or(wanted.span, Entry::key_span);
        found.push((span, format!("{prefix}{}", field.name())));
    }
    found
}

fn says_the_same(owner: &Message, old: Option<&Entry>, new: Option<&Entry>) -> bool {
    let alone = |entry: Option<&Entry>| {
        let entries = entry.cloned().into_iter().collect();
        Message::with_entries(owner.descriptor, Span::NONE, entries)
    };
    (old.is_none() && new.is_none()) || same(&alone(old), &alone(new))
}

#[cfg(test)]
mod tests {
    use nuncio_config::bootstrap::{Input, load};

    use super::*;

    fn bootstrap(yaml: &str) -> Message {
        let input = Input {
            yaml: Some(yaml.to_string()),
            ..Input::default()
        };
        load(&input).expect("the bootstrap is sound").tree
    }

    fn changed_names(running: &str, wanted: &str) -> Vec<String> {
        let found = changed(&bootstrap(running), &bootstrap(wanted));
        found.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn listeners_and_clusters_may_come_and_go() {
        let with = "static_resources: {clusters: [{name: a}]}\nnode: {id: one}";
        assert!(changed_names("node: {id: one}", with).is_empty());
        assert!(changed_names(with, "node: {id: one}").is_empty());
    }

    #[test]
    fn anything_else_that_differs_is_named_where_it_stands() {
        let running = "node: {id: one}\nstats_flush_interval: 5s";
        assert_eq!(
            changed_names(running, "node: {id: other}"),
            ["node", "stats_flush_interval"]
        );
        let wanted = bootstrap("stats_flush_interval: 5s\nnode: {id: other}");
        let found = changed(&bootstrap(running), &wanted);
        let spans: Vec<_> = found.iter().map(|(span, _)| span.start).collect();
        assert_eq!(spans, [25]);
    }
}
