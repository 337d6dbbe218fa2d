//! `/ui/listeners`: listeners with what their connection managers count.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nuncio_config::tree::{Message, Value};

use super::page::{Page, count};
use super::traffic::{self, Wanted};
use super::walk::{self, CONNECTION_MANAGER};
use crate::admin::json::Json;
use crate::admin::request::Params;
use crate::admin::response::AdminResponse;
use crate::admin::state::AdminState;

const CONNECTIONS: Wanted = Wanted {
    numbers: &[
        ("cx_active", "downstream_cx_active"),
        ("cx_total", "downstream_cx_total"),
    ],
    time: "",
};
const REQUESTS: Wanted = Wanted {
    numbers: &[
        ("rq_total", "downstream_rq_total"),
        ("rq_active", "downstream_rq_active"),
        ("rq_2xx", "downstream_rq_2xx"),
        ("rq_3xx", "downstream_rq_3xx"),
        ("rq_4xx", "downstream_rq_4xx"),
        ("rq_5xx", "downstream_rq_5xx"),
        ("rq_reset", "downstream_rq_rx_reset"),
    ],
    time: "downstream_rq_time",
};

pub(super) fn listeners(state: &dyn AdminState, params: &Params) -> AdminResponse {
    let page = Page::of(params);
    let messages = state.listener_configs();
    let statuses = state.listeners();
    let total = statuses.len();
    let mut matching = 0;
    let mut rows = Vec::new();
    for status in statuses {
        let address = status.local_address.to_string();
        if !page.takes(&status.name) && !page.takes(&address) {
            continue;
        }
        if page.shows(matching) {
            let message = messages.iter().find(|message| is_of(message, &status.name));
            let row = Json::object()
                .with("name", status.name.as_str())
                .with("address", address);
            rows.push(match message {
                Some(message) => describe(row, state, message),
                None => row,
            });
        }
        matching += 1;
    }
    AdminResponse::json(page.answer(total, matching, rows).pretty())
}

/// Whether a listener of this name was made of the message: one without a name has its address for one.
pub(super) fn is_of(message: &Message, name: &str) -> bool {
    match walk::text(message, &["name"]) {
        "" => address(message).is_some_and(|address| address.to_string() == name),
        own => own == name,
    }
}

fn describe(row: Json, state: &dyn AdminState, message: &Message) -> Json {
    let address = address(message).map(|address| address.to_string());
    let stat_name = match walk::text(message, &["stat_prefix"]) {
        "" => address.unwrap_or_default().replace(':', "_"),
        prefix => prefix.to_owned(),
    };
    let managers = walk::find_all(message, CONNECTION_MANAGER);
    let routes: usize = managers.iter().map(route_count).sum();
    let scope = |name: String| state.stats().scope(&name);
    let row = row
        .with("direction", direction(message))
        .with("routes", count(routes));
    let row = traffic::add(row, &scope(format!("listener.{stat_name}")), &CONNECTIONS);
    let Some(manager) = managers.first() else {
        return row;
    };
    let prefix = walk::text(manager, &["stat_prefix"]);
    let row = row.with("stat_prefix", prefix);
    // The listener's own histogram is none of requests.
    traffic::add(
        without_time(row),
        &scope(format!("http.{prefix}")),
        &REQUESTS,
    )
}

fn without_time(row: Json) -> Json {
    match row {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(name, _)| name != "time_ms")
                .collect(),
        ),
        other => other,
    }
}

fn direction(message: &Message) -> &'static str {
    match message.find(&["traffic_direction"]) {
        Some(Value::Enum(1)) => "inbound",
        Some(Value::Enum(2)) => "outbound",
        _ => "",
    }
}

fn route_count(manager: &Arc<Message>) -> usize {
    walk::messages(manager, &["route_config", "virtual_hosts"])
        .map(|host| walk::messages(host, &["routes"]).count())
        .sum()
}

fn address(message: &Message) -> Option<SocketAddr> {
    let socket = message.find(&["address", "socket_address"])?.as_message()?;
    let ip: IpAddr = walk::text(socket, &["address"]).parse().ok()?;
    let port = match socket.find(&["port_value"]) {
        Some(Value::U64(port)) => u16::try_from(*port).ok()?,
        _ => 0,
    };
    Some(SocketAddr::new(ip, port))
}
