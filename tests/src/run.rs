//! Runs one case against one proxy and reports what was seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nuncio_testkit::datagrams::Datagram;
use nuncio_testkit::mask::Masks;
use nuncio_testkit::proxy::Proxy;
use nuncio_testkit::upstream::Seen;

use crate::case::{Case, Exchange, Show};
use crate::certificates::certificate_name;
use crate::client_steps::{self, Received};
use crate::datagram_client::shown;
use crate::glob::glob;
use crate::ids;
use crate::report::Report;
use crate::setup::Setup;
use crate::show;
use crate::side::Side;

/// How long counters may take to settle once all connections are closed.
const SETTLE_DEADLINE: Duration = Duration::from_secs(3);
const SETTLE_POLL: Duration = Duration::from_millis(20);
/// A port chosen for a listener may be taken by a stranger before the proxy binds it.
const START_ATTEMPTS: usize = 3;

/// Stats that depend on timing (the digits of a duration in a header, bytes seen by the last read):
/// a pattern leaves them out, their exact name does not.
const VOLATILE_STATS: [&str; 3] = [
    "downstream_cx_tx_bytes_total",
    "bytes_buffered",
    "_length_ms",
];

/// Name of the section that holds the counters.
pub const STATS_SECTION: &str = "(stats)";

/// Runs `case`. `pinned` is what the counters should come to, if known: they are read until they
/// do, or for as long as they may take to settle.
///
/// # Errors
/// If the case is wrong or the proxy does not start, stop or accept connections.
pub fn run(case: &Case, side: Side, binary: &Path, pinned: Option<&Report>) -> io::Result<Report> {
    let (mut setup, proxy) = start(case, side, binary)?;
    let mut report = Report::default();
    let mut client_ports = Vec::new();
    for exchange in &case.exchanges {
        let received = client_steps::play(exchange, &mut setup)
            .map_err(|error| io::Error::other(format!("exchange {}: {error}", exchange.name)))?;
        // A client on a unix domain socket has none.
        client_ports.extend(Some(received.port).filter(|port| *port != 0));
        let text = exchange_text(case, exchange, &received, &setup);
        report.push(exchange.name.clone(), text);
    }
    let stats_pin = pinned.and_then(|pin| pin.section(STATS_SECTION));
    if !case.stats.is_empty() {
        let text = settled_stats(case, &proxy, &setup, stats_pin)?;
        report.push(STATS_SECTION, text);
    }
    for (name, spec) in &case.sinks {
        if let Some(sink) = setup.sinks.get(name) {
            report.push(format!("(sink {name})"), sink.text(spec)?);
        }
    }
    for (name, spec) in &case.receivers {
        if let Some(receiver) = setup.receivers.get(name) {
            report.push(format!("(receiver {name})"), receiver.text(spec)?);
        }
    }
    for (name, server) in &setup.names {
        let asked = server.asked().join("\n");
        report.push(format!("(asked {name})"), format!("{asked}\n"));
    }
    if case.ends_itself {
        proxy.await_end()
    } else {
        proxy.stop()
    }?;
    for log in &case.logs {
        let text = match fs::read(setup.scratch.path().join(log)) {
            Ok(bytes) => show::log(&bytes),
            Err(error) => format!("{error}\n"),
        };
        report.push(format!("(access log {log})"), text);
    }
    let masks = setup.masks(case, &client_ports)?;
    ids::name(case, &setup, &masks, &mut report)?;
    for (_, text) in &mut report.sections {
        *text = masks.apply(text);
    }
    Ok(report)
}

/// Starts the upstreams and the proxy of a case.
///
/// # Errors
/// If the case is wrong or the proxy does not start.
pub fn start(case: &Case, side: Side, binary: &Path) -> io::Result<(Setup, Proxy)> {
    let mut attempt = 1;
    loop {
        let mut setup = Setup::new(case)?;
        let config = setup.config(case, side)?;
        let admin_port = setup.port("admin");
        let mut arguments = case.args.clone();
        arguments.extend(["--disable-hot-restart", "-l", "warning"].map(str::to_owned));
        if !case.args.iter().any(|argument| argument == "--concurrency") {
            arguments.extend(["--concurrency", "1"].map(str::to_owned));
        }
        let directory = setup.scratch.path().to_owned();
        let environment = case.environment.iter();
        let environment = environment.map(|(name, value)| Ok((name.clone(), setup.fill(value)?)));
        let environment: Vec<_> = environment.collect::<io::Result<_>>()?;
        match Proxy::start_in(
            binary,
            &arguments,
            &environment,
            &config,
            admin_port,
            &directory,
        ) {
            Ok(proxy) => return Ok((setup, proxy)),
            Err(error) if attempt < START_ATTEMPTS && error.to_string().contains("in use") => {
                attempt += 1
            }
            Err(error) => return Err(error),
        }
    }
}

fn exchange_text(case: &Case, exchange: &Exchange, received: &Received, setup: &Setup) -> String {
    let mut text = String::new();
    for note in &received.opening {
        let _ = writeln!(text, "{note}");
    }
    text.push_str(&received.text);
    for response in &received.responses {
        text.push_str("client got\n");
        for interim in &response.interim {
            text.push_str(&show::message(interim, "  ", &Show::Text));
        }
        text.push_str(&show::message(&response.message, "  ", &exchange.show));
    }
    for note in &received.notes {
        let _ = writeln!(text, "{note}");
    }
    for (name, upstream) in &setup.upstreams {
        for mut seen in upstream.take_seen() {
            if case.hide_bodies.contains(name) {
                seen.message.body.clear();
            }
            let is_cut_short = seen.message.cut_short.is_some();
            if case.hide_upstreams || case.hide_cut_short && is_cut_short {
                continue;
            }
            let _ = writeln!(text, "upstream {name} saw{}", circumstances(case, &seen));
            text.push_str(&show::message(&seen.message, "  ", &exchange.show_sent));
            if let Some(end) = &seen.end {
                let _ = writeln!(text, "  {end}");
            }
        }
    }
    for (name, plane) in &setup.planes {
        for request in plane.take_requests() {
            let _ = writeln!(text, "control plane {name} was asked {request}");
        }
    }
    for (name, echo) in &setup.echoes {
        for datagram in echo.take_seen() {
            if case.hide_upstreams {
                continue;
            }
            let Datagram { peer, bytes, .. } = &datagram;
            let _ = writeln!(text, "upstream {name} saw from {peer}: {}", shown(bytes));
        }
    }
    text
}

fn circumstances(case: &Case, seen: &Seen) -> String {
    let mut text = String::new();
    if case.show_connections {
        let _ = write!(text, " on connection {}", seen.connection);
    }
    if let Some(hello) = &seen.hello {
        let name = hello.server_name.as_deref().unwrap_or("none");
        let alpn = hello.alpn.as_deref().unwrap_or("none");
        let _ = write!(text, " over {} (sni {name}, alpn {alpn}", hello.version);
        if !hello.certificate.is_empty() {
            let certificate = certificate_name(&hello.certificate);
            let _ = write!(text, ", certificate {certificate}");
        }
        text.push(')');
    }
    text
}

/// Reads the counters until they are as pinned, or, without a pin, until nothing is under way and
/// two readings agree.
fn settled_stats(
    case: &Case,
    proxy: &Proxy,
    setup: &Setup,
    pin: Option<&str>,
) -> io::Result<String> {
    let until = Instant::now() + SETTLE_DEADLINE;
    let masks = setup.masks(case, &[])?;
    let mut previous = String::new();
    loop {
        let all = parse_stats(&proxy.admin("/stats")?);
        let text = masks.apply(&select(case, &masked(&all, &masks)));
        let settled = pin.map_or_else(|| text == previous && idle(&all), |pin| text == pin);
        if settled || Instant::now() > until {
            return Ok(text);
        }
        previous = text;
        std::thread::sleep(SETTLE_POLL);
    }
}

fn parse_stats(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            let histogram = value.contains("P0(") || value == "No recorded values";
            (
                name.to_owned(),
                if histogram { "<histogram>" } else { value }.to_owned(),
            )
        })
        .collect()
}

/// With masked names, so that their order does not hang on the ports that were free.
fn masked(stats: &BTreeMap<String, String>, masks: &Masks) -> BTreeMap<String, String> {
    stats
        .iter()
        .map(|(name, value)| (masks.apply(name), value.clone()))
        .collect()
}

fn idle(stats: &BTreeMap<String, String>) -> bool {
    stats.iter().all(|(name, value)| {
        let busy = (name.starts_with("http.") || name.starts_with("tcp."))
            && name.ends_with(".downstream_cx_active")
            && !name.starts_with("http.admin.");
        !busy || value == "0"
    })
}

fn select(case: &Case, stats: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for wanted in &case.stats {
        let mut found = false;
        for (name, value) in stats.iter().filter(|(name, _)| glob(wanted, name)) {
            found = true;
            let is_volatile = VOLATILE_STATS
                .iter()
                .any(|volatile| name.ends_with(volatile));
            // How often the admin is asked is the suite's own affair.
            let is_admins = name.starts_with("listener.admin.") || name.starts_with("http.admin.");
            if wanted.contains('*') && (is_volatile || (is_admins && !wanted.contains("admin"))) {
                continue;
            }
            let _ = writeln!(text, "{name}: {value}");
        }
        if !found {
            let _ = writeln!(text, "{wanted}: (absent)");
        }
    }
    text
}
