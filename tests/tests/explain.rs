//! What `/explain` says of a request is what happens to it: requests of the differential suite are sent, and
//! asked about, and both must tell the same of status, location, upstream, path and headers.
#![forbid(unsafe_code)]

use nuncio_testkit::bytes::from_lines;
use nuncio_testkit::message::{Message, head_lines};
use nuncio_testkit::proxy::Proxy;
use nuncio_tests::binary::nuncio;
use nuncio_tests::case::{Exchange, load_cases};
use nuncio_tests::client_steps::play;
use nuncio_tests::run::start;
use nuncio_tests::setup::Setup;
use nuncio_tests::side::Side;
use serde_json::Value;

/// Cases whose answers are decided by routes alone; filters, which are not run, decide in the others.
const AREAS: [&str; 2] = ["routing/", "connection_manager/"];
/// Headers that differ from request to request, or are the codec's and not the head's.
const VOLATILE: [&str; 5] = [
    "x-request-id",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
];

/// A request of the suite, taken apart.
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

/// What was compared.
#[derive(Default)]
struct Count {
    answers: usize,
    forwards: usize,
    headers: usize,
}

#[test]
fn what_is_told_is_what_happens() {
    let binary = nuncio();
    let mut count = Count::default();
    for area in AREAS {
        for file in load_cases(area).expect("all cases can be read") {
            // What is not supported yet does not start; the differential suite knows these.
            let Ok((mut setup, proxy)) = start(&file.case, Side::Nuncio, &binary) else {
                continue;
            };
            for exchange in &file.case.exchanges {
                let place = format!("{}: {}", file.id, exchange.name);
                if let Some(sent) = sent(exchange, &mut setup) {
                    compare(&place, exchange, &sent, &mut setup, &proxy, &mut count);
                } else {
                    let _ = play(exchange, &mut setup);
                    take_seen(&setup);
                }
            }
            let _a_case_may_have_ended_it = proxy.stop();
        }
    }
    assert!(count.answers > 60, "{} answers compared", count.answers);
    assert!(count.forwards > 60, "{} forwards compared", count.forwards);
    assert!(count.headers > 200, "{} headers compared", count.headers);
}

/// The one complete HTTP/1.1 request of an exchange that can be asked about.
fn sent(exchange: &Exchange, setup: &mut Setup) -> Option<Sent> {
    if exchange.body.is_some() || exchange.listener() == "admin" {
        return None;
    }
    let text = match (&exchange.get, &exchange.request) {
        (Some(target), None) => format!("GET {target} HTTP/1.1\nhost: example.com\n"),
        (None, Some(text)) => setup.fill(text).ok()?,
        _ => return None,
    };
    let bytes = from_lines(&text);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    if end != bytes.len() {
        return None;
    }
    let lines = head_lines(&bytes);
    let first = String::from_utf8(lines.first()?.to_vec()).ok()?;
    let [method, target, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !method.bytes().all(is_token) {
        return None;
    }
    let headers: Option<Vec<_>> = lines
        .iter()
        .skip(1)
        .map(|line| {
            let text = String::from_utf8(line.to_vec()).ok()?;
            let (name, value) = text.split_once(':')?;
            let is_plain = !value.bytes().any(|byte| byte < b' ') && !name.contains([' ', '\t']);
            is_plain.then(|| (name.to_owned(), value.trim().to_owned()))
        })
        .collect();
    let sent = Sent {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers?,
    };
    let hosts = sent.headers.iter();
    let hosts = hosts.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    (hosts.count() == 1 && target.starts_with('/') && !target.contains('#')).then_some(sent)
}

fn compare(
    place: &str,
    exchange: &Exchange,
    sent: &Sent,
    setup: &mut Setup,
    proxy: &Proxy,
    count: &mut Count,
) {
    let told = tell(sent, setup.port(exchange.listener()), proxy);
    let received = play(exchange, setup).unwrap_or_else(|error| panic!("{place}: {error}"));
    let seen = take_seen(setup);
    let response = received.responses.first();
    let response = response.unwrap_or_else(|| panic!("{place}: no response, though {told:#}"));
    if told["answer"].is_object() {
        compare_answer(place, &told["answer"], &response.message);
        assert!(
            seen.is_empty(),
            "{place}: an upstream saw it, though {told:#}"
        );
        count.answers += 1;
        return;
    }
    let forward = &told["forward"];
    assert!(forward.is_object(), "{place}: {told:#}");
    // Which of several clusters a request draws is not known beforehand.
    let by_chance = forward["weighted_clusters"].as_array();
    let by_chance = by_chance.is_some_and(|clusters| clusters.len() > 1);
    let (false, [(port, message)]) = (by_chance, seen.as_slice()) else {
        return;
    };
    let hosts = told["cluster"]["hosts"].as_array().cloned();
    let is_its = |host: &Value| {
        let address = host["address"].as_str().unwrap_or_default();
        address.ends_with(&format!(":{port}"))
    };
    assert!(
        hosts.unwrap_or_default().iter().any(is_its),
        "{place}: port {port} saw it, though {told:#}"
    );
    let line = String::from_utf8_lossy(message.lines()[0]).into_owned();
    let expected = format!("{} {} HTTP/1.1", sent.method, text(&forward["path"]));
    assert_eq!(line, expected, "{place}");
    if forward["auto_host_rewrite"] == false {
        assert_eq!(
            message.header("host").as_deref(),
            forward["authority"].as_str(),
            "{place}"
        );
    }
    count.headers += compare_headers(place, &told, message);
    count.forwards += 1;
}

fn compare_answer(place: &str, answer: &Value, response: &Message) {
    // gRPC's form of an answer has the status in a header.
    if response.header("grpc-status").is_none() {
        assert_eq!(answer["status"], response.status(), "{place}: {answer:#}");
    }
    let headers = answer["headers"].as_array().cloned().unwrap_or_default();
    let location = headers.iter().find(|header| header["name"] == "location");
    let told = location.map(|header| text(&header["value"]));
    let location = response.header("location");
    // A value that is long is told by its begin.
    let begin = told.as_deref().and_then(|told| told.strip_suffix('…'));
    match (begin, &location) {
        (Some(begin), Some(location)) => assert!(location.starts_with(begin), "{place}"),
        _ => assert_eq!(told, location, "{place}"),
    }
}

/// Compares the last word on each header that changed; how many there were.
fn compare_headers(place: &str, told: &Value, message: &Message) -> usize {
    let steps = told["forward"]["steps"].as_array().cloned();
    let steps = steps.unwrap_or_default();
    let changes = std::iter::once(&told["request"]).chain(&steps);
    let changes: Vec<&Value> = changes
        .filter_map(|step| step["headers"].as_array())
        .flatten()
        .collect();
    let mut compared = 0;
    for (at, change) in changes.iter().enumerate() {
        let name = text(&change["name"]);
        let is_last = changes
            .iter()
            .skip(at + 1)
            .all(|later| later["name"] != name);
        // Operators may show what no two requests have in common.
        let after = change["after"].as_str();
        let is_volatile = name.starts_with(':') || VOLATILE.contains(&name.as_str());
        if !is_last || is_volatile || after.is_some_and(|value| value.contains(" | ")) {
            continue;
        }
        let sent = message.header(&name);
        // What is long is told as far as it goes.
        let is_same = match after.and_then(|after| after.strip_suffix('…')) {
            Some(begin) => sent.as_deref().is_some_and(|sent| sent.starts_with(begin)),
            None => sent.as_deref() == after,
        };
        assert!(
            is_same,
            "{place}: header {name} is {sent:?}, not that of {told:#}"
        );
        compared += 1;
    }
    compared
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What upstreams saw since they were last asked, with the port of each.
fn take_seen(setup: &Setup) -> Vec<(u16, Message)> {
    let all = setup.upstreams.values().flat_map(|upstream| {
        let seen = upstream.take_seen();
        seen.into_iter().map(|seen| (upstream.port(), seen.message))
    });
    all.collect()
}

/// Asks the admin.
fn tell(sent: &Sent, port: u16, proxy: &Proxy) -> Value {
    let mut query = format!(
        "format=json&source=127.0.0.1&listener=127.0.0.1:{port}&method={}&url={}",
        encoded(&sent.method),
        encoded(&format!("http://host{}", sent.target))
    );
    for (name, value) in &sent.headers {
        query += &format!("&header={}", encoded(&format!("{name}:{value}")));
    }
    let text = proxy
        .admin(&format!("/explain?{query}"))
        .expect("the admin answers");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
