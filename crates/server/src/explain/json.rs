//! The answer for machines: one object. What has no value is left out.

use nuncio_http::explain::{
    Answer, Change, FilterTold, Forwarding, HowChosen, Outcome, RouteTold, Routing, Seen,
    TunnelTold,
};

use super::places::Place;
use super::upstream::{HostTold, Upstream};
use super::{ListenerTold, Report, RoutePlaces};
use crate::json::Json;

/// Writes the answer.
pub(crate) fn render(report: &Report) -> String {
    let explanation = &report.explanation;
    let mut all = Json::object()
        .with("request", request(report))
        .with("listener", listener(&report.listener));
    if let Some(routing) = &explanation.routing {
        all = all.with("routing", self::routing(routing, &report.places));
    }
    all = match &explanation.outcome {
        Outcome::Answer(one) => all.with("answer", answer(one)),
        Outcome::Forward(one) => all.with("forward", forward(one)),
    };
    if let Some(one) = &report.upstream {
        all = all.with("cluster", upstream(one));
    }
    all.pretty()
}

fn request(report: &Report) -> Json {
    let seen: &Seen = &report.explanation.seen;
    let pair = |(before, after): &(String, String)| {
        Json::object()
            .with("sent", before.as_str())
            .with("routed", after.as_str())
    };
    Json::object()
        .with("method", seen.method.as_str())
        .with("scheme", seen.scheme.as_str())
        .with("authority", pair(&seen.authority))
        .with("path", pair(&seen.path))
        .with("path_options", texts(&seen.path_options))
        .with("host_options", texts(&seen.host_options))
        .with("client", seen.client.as_str())
        .with("internal", seen.is_internal)
        .with("random", seen.random)
        .with("headers", changes(&seen.changes))
}

fn texts(texts: &[impl AsRef<str>]) -> Json {
    Json::List(texts.iter().map(|text| Json::from(text.as_ref())).collect())
}

fn changes(changes: &[Change]) -> Json {
    let one = |change: &Change| {
        let mut json = Json::object().with("name", change.name.as_str());
        for (name, value) in [("before", &change.before), ("after", &change.after)] {
            if let Some(value) = value {
                json = json.with(name, value.as_str());
            }
        }
        json
    };
    Json::List(changes.iter().map(one).collect())
}

fn at(json: Json, place: Option<&Place>) -> Json {
    let Some(place) = place else { return json };
    let mut at = Json::object();
    if let Some((file, line, column)) = &place.position {
        at = at
            .with("file", file.as_str())
            .with("line", count(*line))
            .with("column", count(*column));
    }
    json.with("at", at.with("path", place.path.as_str()))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn listener(listener: &ListenerTold) -> Json {
    let chain = Json::object()
        .with("name", listener.filter_chain.as_str())
        .with("why", listener.how_chain.as_str());
    let json = Json::object()
        .with("name", listener.name.as_str())
        .with("address", listener.address.as_str())
        .with("why", listener.how.as_str())
        .with("tls", listener.is_tls)
        .with("filter_chain", at(chain, listener.chain_place.as_ref()))
        .with("stat_prefix", listener.stat_prefix.as_str());
    at(json, listener.place.as_ref())
}

fn routing(routing: &Routing, places: &RoutePlaces) -> Json {
    let table = Json::object().with("name", routing.table.as_str());
    let mut json = Json::object().with("route_config", at(table, places.table.as_ref()));
    if let Some((_, name)) = &routing.virtual_host {
        let host = Json::object().with("name", name.as_str());
        json = json.with("virtual_host", at(host, places.virtual_host.as_ref()));
    }
    let domains = routing.domains.iter().map(|found| {
        Json::object()
            .with("domain", found.domain.as_str())
            .with("kind", found.kind.name())
            .with("virtual_host", found.virtual_host.as_str())
    });
    let routes = routing.routes.iter().zip(&places.routes);
    let routes = routes.map(|(told, place)| route(told, place.as_ref()));
    json = json
        .with("domains", domains.collect::<Vec<_>>())
        .with("near", texts(&routing.near))
        .with("route_count", count(routing.route_count))
        .with("routes", routes.collect::<Vec<_>>());
    if let Some((place, name)) = &routing.taken {
        let taken = Json::object().with("index", count(*place));
        json = json.with(
            "taken",
            taken.with("name", name.as_deref().unwrap_or_default()),
        );
    }
    json.with(
        "filters",
        routing.filters.iter().map(filter).collect::<Vec<_>>(),
    )
}

fn route(route: &RouteTold, place: Option<&Place>) -> Json {
    let json = Json::object()
        .with("index", count(route.place))
        .with("name", route.name.as_deref().unwrap_or_default())
        .with("taken", route.is_taken)
        .with("matches", route.why_not.is_empty())
        .with("requirements", texts(&route.requirements))
        .with("why_not", texts(&route.why_not));
    at(json, place)
}

fn filter(filter: &FilterTold) -> Json {
    let json = Json::object()
        .with("name", filter.name.as_str())
        .with("runs", filter.runs)
        .with("disabled_in_chain", filter.is_disabled_in_chain);
    match filter.level {
        Some(level) => json
            .with("level", level)
            .with("has_own_config", filter.has_own_config),
        None => json,
    }
}

fn answer(answer: &Answer) -> Json {
    let headers = answer.headers.iter().map(|(name, value)| {
        Json::object()
            .with("name", name.as_str())
            .with("value", value.as_str())
    });
    Json::object()
        .with("status", u32::from(answer.status))
        .with("why", answer.why)
        .with("response_code_details", answer.details.as_str())
        .with("response_flags", answer.flags.as_str())
        .with("body_bytes", count(answer.body_bytes))
        .with("headers", headers.collect::<Vec<_>>())
}

fn forward(forward: &Forwarding) -> Json {
    let mut json = Json::object().with("cluster", forward.cluster.name.as_str());
    match &forward.cluster.how {
        HowChosen::Named => {}
        HowChosen::Header(name) => json = json.with("cluster_header", name.as_str()),
        HowChosen::Plugin(name) => json = json.with("cluster_specifier_plugin", name.as_str()),
        HowChosen::Weighted { shares, picked } => {
            let share = |(place, (name, weight)): (usize, &(String, u64))| {
                Json::object()
                    .with("name", name.as_str())
                    .with("weight", u32::try_from(*weight).unwrap_or(u32::MAX))
                    .with("picked", place == *picked)
            };
            let shares: Vec<_> = shares.iter().enumerate().map(share).collect();
            json = json.with("weighted_clusters", shares);
        }
    }
    let steps = forward.steps.iter().map(|step| {
        Json::object()
            .with("by", step.by)
            .with("headers", changes(&step.changes))
    });
    json = json
        .with("steps", steps.collect::<Vec<_>>())
        .with("authority", forward.host.as_str())
        .with("path", forward.path.as_str())
        .with("auto_host_rewrite", forward.takes_upstreams_name)
        .with("timeout_is_clients", forward.timeout_is_clients)
        .with("idle_timeout_is_routes", forward.idle_timeout_is_routes);
    if let Some(tunnel) = forward.tunnel {
        json = json.with(
            "tunnel",
            match tunnel {
                TunnelTold::Upgrade => "upgrade",
                TunnelTold::Connect => "connect",
                TunnelTold::EndsHere => "ends_here",
            },
        );
    }
    for (name, timeout) in [
        ("timeout_seconds", forward.timeout),
        ("idle_timeout_seconds", forward.idle_timeout),
    ] {
        if let Some(timeout) = timeout {
            json = json.with(name, timeout.as_secs_f64());
        }
    }
    json
}

fn upstream(upstream: &Upstream) -> Json {
    let mut json = Json::object()
        .with("name", upstream.name.as_str())
        .with("type", upstream.kind)
        .with("lb_policy", upstream.policy)
        .with(
            "connect_timeout_seconds",
            upstream.connect_timeout.as_secs_f64(),
        )
        .with("tls", upstream.tls.is_some());
    if let Some(name) = &upstream.tls {
        json = json.with("sni", name.as_str());
        if let Some(name) = &upstream.validated_name {
            json = json.with("certificate_for", name.as_str());
        }
    }
    json = json
        .with("host_count", count(upstream.host_count))
        .with("hosts", upstream.hosts.iter().map(host).collect::<Vec<_>>())
        .with("unresolved", texts(&upstream.unresolved));
    at(json, upstream.place.as_ref())
}

fn host(host: &HostTold) -> Json {
    Json::object()
        .with("address", host.address.as_str())
        .with("hostname", host.hostname.as_str())
        .with("weight", host.weight)
        .with("priority", host.priority)
        .with("locality", host.locality.as_str())
        .with("health", host.health.as_str())
        .with("used", host.is_usable)
}
