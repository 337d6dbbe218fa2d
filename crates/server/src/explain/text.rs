//! The answer for people: a column of words, what they are about, and where it stands.

use std::fmt::Write as _;
use std::time::Duration;

use nuncio_http::explain::{
    Answer, Change, FilterTold, Forwarding, HowChosen, Outcome, RouteTold, Routing, TunnelTold,
};

use super::places::Place;
use super::upstream::{HostTold, MOST_HOSTS, Upstream};
use super::{ListenerTold, Report, RoutePlaces};

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const FAINT: &str = "\x1b[2m";
/// Width of the column of words.
const WIDTH: usize = 15;

/// Writes the answer.
pub(crate) fn render(report: &Report, coloured: bool) -> String {
    let mut page = Page {
        out: String::new(),
        coloured,
    };
    request(&mut page, report);
    listener(&mut page, &report.listener, report.url.scheme == "https");
    if let Some(routing) = &report.explanation.routing {
        virtual_host(&mut page, routing, &report.places);
        routes(
            &mut page,
            routing,
            &report.places,
            report.explanation.seen.random,
        );
        filters(&mut page, &routing.filters);
    }
    match &report.explanation.outcome {
        Outcome::Answer(one) => answer(&mut page, one),
        Outcome::Forward(one) => forward(
            &mut page,
            one,
            &report.method,
            report.explanation.seen.random,
        ),
    }
    if let Some(one) = &report.upstream {
        upstream(&mut page, one);
    }
    page.out
}

impl RoutePlaces {
    /// How much of a path below the route table everybody knows who has read the table's own.
    fn table_path_len(&self) -> usize {
        let table = self.table.as_ref();
        table.map_or(0, |table| table.path.len() + 1)
    }
}

/// Lines with a word in front, or none.
struct Page {
    out: String,
    coloured: bool,
}

impl Page {
    fn line(&mut self, word: &str, text: &str) {
        let word = format!("{word:WIDTH$}");
        let line = format!("{}{text}", self.paint(BOLD, &word));
        let _ = writeln!(self.out, "{}", line.trim_end());
    }

    fn more(&mut self, text: &str) {
        self.line("", text);
    }

    fn place(&mut self, indent: usize, place: Option<&Place>) {
        let Some(place) = place else { return };
        self.place_from(indent, place, 0);
    }

    /// A place whose path is shown from that byte on.
    fn place_from(&mut self, indent: usize, place: &Place, start: usize) {
        let path = place.path.get(start..).unwrap_or(&place.path);
        let text = match place.position_text() {
            position if position.is_empty() => path.to_owned(),
            position => format!("{position} {path}"),
        };
        let text = self.paint(FAINT, &text);
        self.more(&format!("{:indent$}{text}", ""));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.coloured && !text.trim().is_empty() {
            true => format!("{colour}{text}{RESET}"),
            false => text.to_owned(),
        }
    }
}

fn request(page: &mut Page, report: &Report) {
    let seen = &report.explanation.seen;
    let url = &report.url;
    page.line(
        "request",
        &format!(
            "{} {}://{}{}",
            seen.method, url.scheme, url.authority, url.target
        ),
    );
    if let Some(fragment) = &url.fragment {
        page.more(&format!("the fragment `#{fragment}` stays with the client"));
    }
    let by = |options: &[&str]| match options {
        [] => String::new(),
        options => format!(" ({})", options.join(", ")),
    };
    if seen.path.0 != seen.path.1 {
        let options = by(&seen.path_options);
        page.more(&format!(
            "path `{}` becomes `{}`{options}",
            seen.path.0, seen.path.1
        ));
    }
    if seen.authority.0 != seen.authority.1 {
        let options = by(&seen.host_options);
        page.more(&format!(
            "host `{}` becomes `{}`{options}",
            seen.authority.0, seen.authority.1
        ));
    }
    if !seen.client.is_empty() {
        let side = if seen.is_internal {
            "internal"
        } else {
            "external"
        };
        page.more(&format!(
            "client {}, {side}; scheme `{}`",
            seen.client, seen.scheme
        ));
    }
    for change in &seen.changes {
        page.more(&changed(change));
    }
}

fn changed(change: &Change) -> String {
    let name = &change.name;
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("+ {name}: {after}"),
        (Some(before), None) => format!("- {name}: {before}"),
        (before, after) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            format!("~ {name}: {} (was {})", text(after), text(before))
        }
    }
}

fn listener(page: &mut Page, listener: &ListenerTold, is_https: bool) {
    let ListenerTold {
        name, address, how, ..
    } = listener;
    let name = match name == address {
        true => address.clone(),
        false => format!("{name} at {address}"),
    };
    page.line("listener", &format!("{name}, {how}"));
    match (listener.is_tls, is_https) {
        (true, _) if listener.is_assumed_tls => page.more("as if it spoke TLS (`tls`)"),
        (true, false) => page.more("it speaks TLS, though the URL's scheme is http"),
        (false, true) => page.more("it speaks plain text: TLS must end before it"),
        _ => {}
    }
    page.place(0, listener.place.as_ref());
    let chain = match listener.filter_chain.as_str() {
        "" => listener.how_chain.clone(),
        name => format!("{name}, {}", listener.how_chain),
    };
    page.line("filter chain", &chain);
    page.place(0, listener.chain_place.as_ref());
    page.line("stat prefix", &listener.stat_prefix);
}

fn virtual_host(page: &mut Page, routing: &Routing, places: &RoutePlaces) {
    if !routing.table.is_empty() {
        page.line("route table", &routing.table);
        page.place(0, places.table.as_ref());
    }
    match (&routing.virtual_host, routing.domains.first()) {
        (Some((_, name)), Some(domain)) => {
            let kind = domain.kind.name();
            page.line(
                "virtual host",
                &format!("{name}, by `{}` ({kind})", domain.domain),
            );
            if let Some(place) = &places.virtual_host {
                page.place_from(0, place, places.table_path_len());
            }
        }
        _ => page.line("virtual host", "none: no domain matches the host"),
    }
    for other in routing.domains.iter().skip(1) {
        page.more(&format!(
            "`{}` of {} matches as well, but counts less",
            other.domain, other.virtual_host
        ));
    }
    for near in &routing.near {
        page.more(near);
    }
}

fn routes(page: &mut Page, routing: &Routing, places: &RoutePlaces, random: u64) {
    let Some(first) = routing.routes.first() else {
        return;
    };
    page.line(
        "routes",
        &format!(
            "{} in this virtual host, the first that matches counts",
            routing.route_count
        ),
    );
    if first.place > 0 {
        page.more(&format!("0 to {} are left out here", first.place - 1));
    }
    for (route, place) in routing.routes.iter().zip(&places.routes) {
        one_route(page, route, random);
        if let Some(place) = place {
            let known = if route.is_taken {
                0
            } else {
                places.table_path_len()
            };
            page.place_from(5, place, known);
        }
    }
    let last = routing.routes.last().map_or(0, |route| route.place);
    let later = routing.route_count.saturating_sub(last + 1);
    if later > 0 {
        page.more(&format!("{later} more behind it"));
    }
}

fn one_route(page: &mut Page, route: &RouteTold, random: u64) {
    let name = route.name.as_deref().unwrap_or("(no name)");
    let number = format!("{:>3}  {name}", route.place);
    let verdict = match (route.is_taken, route.why_not.is_empty()) {
        (true, _) => page.paint(GREEN, "is taken"),
        (false, true) => "would match as well".to_owned(),
        (false, false) => "does not match".to_owned(),
    };
    page.more(&format!("{number}: {verdict}"));
    for reason in &route.why_not {
        page.more(&format!("     {reason}"));
    }
    if route.why_not.is_empty() {
        page.more(&format!("     {}", route.requirements.join("; ")));
        if route
            .requirements
            .iter()
            .any(|one| one.starts_with("runtime fraction"))
        {
            page.more(&format!("     this request drew {random} (`random`)"));
        }
    }
}

fn filters(page: &mut Page, filters: &[FilterTold]) {
    for (word, filter) in std::iter::once("filters")
        .chain(std::iter::repeat(""))
        .zip(filters)
    {
        let by = match (filter.level, filter.is_disabled_in_chain) {
            (Some(level), _) if filter.has_own_config && filter.runs => {
                format!(" (configured by the {level})")
            }
            (Some(level), false) if !filter.runs => format!(" (disabled by the {level})"),
            (Some(level), true) if filter.runs => format!(" (enabled by the {level})"),
            (_, true) if !filter.runs => " (disabled in the chain)".to_owned(),
            _ => String::new(),
        };
        let runs = if filter.runs { "runs" } else { "does not run" };
        page.line(word, &format!("{}: {runs}{by}", filter.name));
    }
    if filters.iter().any(|filter| filter.runs) {
        page.more("filters may answer themselves or change headers; here none of them is run");
    }
}

fn answer(page: &mut Page, answer: &Answer) {
    let flags = match answer.flags.as_str() {
        "" => String::new(),
        flags => format!(", flags {flags}"),
    };
    page.line("answer", &format!("{}: {}", answer.status, answer.why));
    for (name, value) in answer
        .headers
        .iter()
        .filter(|(name, _)| name != "content-length")
    {
        page.more(&format!("{name}: {value}"));
    }
    if answer.body_bytes > 0 {
        page.more(&format!("a body of {} bytes", answer.body_bytes));
    }
    page.more(&format!("details {}{flags}", answer.details));
}

fn forward(page: &mut Page, forward: &Forwarding, method: &str, random: u64) {
    page.line("forwarded to", &format!("cluster {}", forward.cluster.name));
    match &forward.cluster.how {
        HowChosen::Named => {}
        HowChosen::Header(name) => page.more(&format!("named by the header `{name}`")),
        HowChosen::Plugin(name) => page.more(&format!("chosen by the plugin `{name}`")),
        HowChosen::Weighted { shares, picked } => {
            let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
            page.more(&format!(
                "by weight, of {total}; this request drew {random} (`random`)"
            ));
            for (place, (name, weight)) in shares.iter().enumerate() {
                let sign = if place == *picked { "  <- picked" } else { "" };
                let percent = share(*weight, total);
                page.more(&format!("  {name}: {weight}, {percent}%{sign}"));
            }
        }
    }
    for step in &forward.steps {
        for (place, change) in step.changes.iter().enumerate() {
            let word = if place == 0 { step.by } else { "" };
            page.line(&format!("  {word}"), &changed(change));
        }
    }
    match (forward.tunnel, forward.path.as_str()) {
        (Some(TunnelTold::EndsHere), _) => {}
        (_, "") => page.line("sent as", &format!("{method} {}", forward.host)),
        (_, path) => page.line(
            "sent as",
            &format!("{method} {path} to host {}", forward.host),
        ),
    }
    if forward.takes_upstreams_name {
        page.more("the host becomes the name of the chosen upstream host (`auto_host_rewrite`)");
    }
    timeouts(page, forward);
}

/// What becomes of it beyond its head, and the time that it has.
fn timeouts(page: &mut Page, forward: &Forwarding) {
    let (opens, what) = match forward.tunnel {
        None => (None, "whole response"),
        Some(TunnelTold::Upgrade) => (
            Some("the host's 101 makes it a tunnel; any other answer is passed on and ends it"),
            "answer to the handshake",
        ),
        Some(TunnelTold::Connect) => (
            Some("the host's 2xx makes it a tunnel; any other answer is passed on and ends it"),
            "answer",
        ),
        Some(TunnelTold::EndsHere) => (
            Some(
                "it ends here (`connect_config`): its bytes go to the host without HTTP around them",
            ),
            "whole response",
        ),
    };
    if let Some(opens) = opens {
        page.line("tunnel", opens);
    }
    let timeout = match forward.timeout {
        Some(timeout) => seconds(timeout),
        None => "no limit".to_owned(),
    };
    let by = match forward.timeout_is_clients {
        true => " (asked for by the client, `x-envoy-upstream-rq-timeout-ms`)",
        false => "",
    };
    page.line("timeout", &format!("{timeout} for the {what}{by}"));
    let idle = match forward.idle_timeout {
        Some(idle) => seconds(idle),
        None => "no limit".to_owned(),
    };
    let by = match forward.idle_timeout_is_routes {
        true => "the route's",
        false => "the connection manager's",
    };
    page.more(&format!("{idle} without a byte, {by}"));
}

/// `part` of `total` in per cent, with a digit behind the point where it is needed.
fn share(part: u64, total: u64) -> String {
    let tenths = (part * 1000 + total / 2).checked_div(total).unwrap_or(0);
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn upstream(page: &mut Page, upstream: &Upstream) {
    let Upstream {
        name, kind, policy, ..
    } = upstream;
    let tls = match upstream.tls.as_deref() {
        None => "no TLS".to_owned(),
        Some("") => "TLS without SNI".to_owned(),
        Some(name) => format!("TLS with SNI {name}"),
    };
    let tls = match (&upstream.tls, &upstream.validated_name) {
        (Some(_), Some(name)) => format!("{tls} and a certificate for {name}"),
        _ => tls,
    };
    let connect = seconds(upstream.connect_timeout);
    page.line(
        "cluster",
        &format!("{name}: {kind}, {policy}, {tls}, connect timeout {connect}"),
    );
    page.place(0, upstream.place.as_ref());
    for host in &upstream.hosts {
        page.more(&host_line(host));
    }
    if upstream.host_count > MOST_HOSTS {
        page.more(&format!(
            "and {} hosts more",
            upstream.host_count - MOST_HOSTS
        ));
    }
    for name in &upstream.unresolved {
        page.more(&format!("  {name}, not resolved"));
    }
    if upstream.hosts.is_empty() && upstream.unresolved.is_empty() {
        page.more("no hosts: the answer is 503, flags UH");
    }
}

fn host_line(host: &HostTold) -> String {
    let mut line = format!("  {}", host.address);
    if !host.hostname.is_empty() {
        let _ = write!(line, " ({})", host.hostname);
    }
    let _ = write!(line, ", weight {}, {}", host.weight, host.health);
    if host.priority > 0 {
        let _ = write!(line, ", priority {}", host.priority);
    }
    if !host.locality.is_empty() {
        let _ = write!(line, ", in {}", host.locality);
    }
    if !host.is_usable {
        line.push_str(", not used");
    }
    line
}
