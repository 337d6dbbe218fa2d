//! `/ui/routes?listener=NAME`: the routes of a listener as rows: what they match and where they lead.

use std::sync::Arc;

use nuncio_config::tree::{Message, Value};

use super::listeners::is_of;
use super::page::{Page, count, number};
use super::walk::{self, CONNECTION_MANAGER};
use crate::admin::json::Json;
use crate::admin::request::Params;
use crate::admin::response::AdminResponse;
use crate::admin::state::AdminState;

/// Domains and clusters that a row names.
const MOST_NAMES: usize = 8;
/// The ways to match a path, as fields of `RouteMatch`.
const PATHS: [&str; 5] = [
    "prefix",
    "path",
    "path_separated_prefix",
    "safe_regex",
    "connect_matcher",
];

pub(super) fn routes(state: &dyn AdminState, params: &Params) -> AdminResponse {
    let page = Page::of(params);
    let name = params.first("listener").unwrap_or_default();
    let messages = state.listener_configs();
    let Some(listener) = messages.iter().find(|message| is_of(message, name)) else {
        return AdminResponse::text(404, "no such listener\n");
    };
    let (mut total, mut matching) = (0, 0);
    let mut rows = Vec::new();
    for manager in walk::find_all(listener, CONNECTION_MANAGER) {
        for host in walk::messages(&manager, &["route_config", "virtual_hosts"]) {
            let host_taken = page.takes_all()
                || page.takes(walk::text(host, &["name"]))
                || walk::texts(host, &["domains"]).any(|domain| page.takes(domain));
            for (index, route) in walk::messages(host, &["routes"]).enumerate() {
                total += 1;
                if !host_taken && !is_taken(route, &page) {
                    continue;
                }
                if page.shows(matching) {
                    rows.push(row(host, index, route));
                }
                matching += 1;
            }
        }
    }
    AdminResponse::json(page.answer(total, matching, rows).pretty())
}

fn is_taken(route: &Message, page: &Page) -> bool {
    let (_, path) = matched_path(route);
    page.takes(walk::text(route, &["name"]))
        || page.takes(path)
        || clusters(route).iter().any(|(name, _)| page.takes(name))
}

fn row(host: &Message, index: usize, route: &Message) -> Json {
    let (kind, path) = matched_path(route);
    let domains: Vec<Json> = walk::texts(host, &["domains"])
        .take(MOST_NAMES)
        .map(Json::from)
        .collect();
    let clusters = clusters(route);
    let named: Vec<Json> = clusters
        .iter()
        .take(MOST_NAMES)
        .map(|(name, weight)| {
            let cluster = Json::object().with("name", *name);
            match weight {
                Some(weight) => cluster.with("weight", number(*weight)),
                None => cluster,
            }
        })
        .collect();
    let conditions: Vec<Json> = conditions(route).into_iter().map(Json::from).collect();
    Json::object()
        .with("host", walk::text(host, &["name"]))
        .with("domains", domains)
        .with(
            "domain_count",
            count(walk::texts(host, &["domains"]).count()),
        )
        .with("index", count(index))
        .with("name", walk::text(route, &["name"]))
        .with("match", kind)
        .with("path", path)
        .with("conditions", conditions)
        .with("action", action(route))
        .with("clusters", named)
        .with("cluster_count", count(clusters.len()))
}

/// The kind of the path's match, and the path.
fn matched_path(route: &Message) -> (&'static str, &str) {
    for kind in PATHS {
        match route.find(&["match", kind]) {
            Some(Value::String(path)) => return (kind, path),
            Some(Value::Message(message)) => return (kind, walk::text(message, &["regex"])),
            _ => {}
        }
    }
    match route.find(&["match", "path_match_policy"]) {
        Some(_) => ("path_match_policy", ""),
        None => ("", ""),
    }
}

/// What else must hold.
fn conditions(route: &Message) -> Vec<String> {
    let named = |list: &'static str, what: &'static str| -> Vec<String> {
        let path = ["match", list];
        let conditions = walk::messages(route, &path).take(MOST_NAMES);
        conditions
            .map(|condition| format!("{what} {}", walk::text(condition, &["name"])))
            .collect()
    };
    let fields = [
        ("grpc", "gRPC"),
        ("runtime_fraction", "a fraction"),
        ("tls_context", "TLS"),
    ];
    let others = fields
        .into_iter()
        .filter(|(field, _)| route.find(&["match", field]).is_some())
        .map(|(_, what)| what.to_owned());
    named("headers", "header")
        .into_iter()
        .chain(named("query_parameters", "query"))
        .chain(named("cookies", "cookie"))
        .chain(others)
        .collect()
}

/// What the route does, in a few words.
fn action(route: &Message) -> String {
    if let Some(status) = route.find(&["direct_response", "status"]) {
        let status = match status {
            Value::U64(status) => *status,
            _ => 0,
        };
        return format!("answers {status}");
    }
    if route.find(&["redirect"]).is_some() {
        let target = ["host_redirect", "path_redirect", "prefix_rewrite"]
            .into_iter()
            .map(|field| walk::text(route, &["redirect", field]))
            .find(|text| !text.is_empty());
        return format!("redirects {}", target.unwrap_or_default());
    }
    match walk::text(route, &["route", "cluster_header"]) {
        "" if route.find(&["route"]).is_some() => "forwards".to_owned(),
        "" => "ends here".to_owned(),
        header => format!("forwards to the cluster in header {header}"),
    }
}

/// The clusters that the route leads to, with their weights.
fn clusters(route: &Message) -> Vec<(&str, Option<u64>)> {
    let one = walk::text(route, &["route", "cluster"]);
    if !one.is_empty() {
        return vec![(one, None)];
    }
    let weighted = walk::messages(route, &["route", "weighted_clusters", "clusters"]);
    weighted
        .map(|cluster: &Arc<Message>| {
            let weight = match cluster.find(&["weight"]) {
                Some(Value::U64(weight)) => Some(*weight),
                _ => None,
            };
            (walk::text(cluster, &["name"]), weight)
        })
        .collect()
}
