//! Redis: clusters that catch all are routes.

use crate::span::Span;
use crate::text::{Entry, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// The proxy's `cluster` is the route for what no prefix matches.
pub(super) fn cluster(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "cluster") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "cluster",
        "moved to `prefix_routes.catch_all_route`",
    );
    edit::extend(
        entries,
        taken.at,
        "prefix_routes",
        vec![("catch_all_route", route(taken.value))],
    );
}

/// `catch_all_cluster` is a route.
pub(super) fn catch_all_cluster(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "catch_all_cluster") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "catch_all_cluster",
        "moved to `catch_all_route`",
    );
    if !edit::has(entries, "catch_all_route") {
        edit::insert(
            entries,
            taken.at,
            "catch_all_route",
            taken.key_span,
            route(taken.value),
        );
    }
}

fn route(cluster: Node) -> Node {
    edit::map(Span::NONE, vec![("cluster", cluster)])
}
