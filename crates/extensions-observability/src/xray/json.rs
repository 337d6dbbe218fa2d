//! A datagram with a segment as the daemon reads it: a line that says so, and a document of JSON.

use std::time::SystemTime;

use nuncio_config::tree::Json;
use serde_json::{Map, Value};

use super::context;
use super::span::XRaySpan;

const THROTTLED: u64 = 429;
const CLIENT_ERRORS: std::ops::Range<u64> = 400..500;

/// Before each segment, on a line of its own.
const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";
/// What a datagram holds.
const MAX_DATAGRAM_BYTES: usize = 65_507;
const DIRECTION: &str = "direction";

/// The datagram with the segment of a span that ends now. Annotations for which it has no place are left out.
pub(super) fn write(span: &XRaySpan, end: SystemTime) -> Vec<u8> {
    let mut out = Map::new();
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            out.insert(name.to_owned(), value.into());
        }
    };
    text("name", &span.name);
    text("id", &span.id);
    text("trace_id", &context::text(&span.trace_id));
    text("parent_id", &context::text(&span.parent_id));
    let settings = &span.tracer.settings;
    if span.is_child {
        text("type", "subsegment");
    } else {
        text("origin", &settings.origin);
    }
    out.insert("start_time".to_owned(), seconds(span.begin).into());
    out.insert("end_time".to_owned(), seconds(end).into());
    out.insert("http".to_owned(), http(span));
    let status = span.told.status.unwrap_or(0);
    for (name, is_so) in [
        ("error", CLIENT_ERRORS.contains(&status)),
        ("fault", span.told.is_fault),
        ("throttle", status == THROTTLED),
    ] {
        if is_so {
            out.insert(name.to_owned(), true.into());
        }
    }
    let mut datagram = HEADER.to_vec();
    datagram.extend(Value::Object(out).to_string().into_bytes());
    let _brace = datagram.pop();
    let aws = if span.is_child { "{}" } else { &settings.aws };
    datagram.extend_from_slice(b",\"aws\":");
    datagram.extend_from_slice(aws.as_bytes());
    datagram.extend_from_slice(b",\"annotations\":{");
    annotate(span, &mut datagram);
    datagram.extend_from_slice(b"}}");
    datagram
}

fn http(span: &XRaySpan) -> Value {
    let told = &span.told;
    let (mut request, mut response) = (Map::new(), Map::new());
    for (name, value) in [
        ("url", &told.url),
        ("method", &told.method),
        ("user_agent", &told.user_agent),
    ] {
        if let Some(value) = value {
            request.insert(name.to_owned(), value.as_str().into());
        }
    }
    if let Some((client, is_forwarded)) = &told.client {
        request.insert("client_ip".to_owned(), client.as_str().into());
        request.insert("x_forwarded_for".to_owned(), (*is_forwarded).into());
    }
    for (name, value) in [
        ("status", told.status),
        ("content_length", told.content_length),
    ] {
        if let Some(value) = value {
            response.insert(name.to_owned(), value.into());
        }
    }
    let both = [("request", request), ("response", response)];
    let both = both.map(|(name, fields)| (name.to_owned(), Value::Object(fields)));
    Value::Object(both.into_iter().collect())
}

/// Adds as many annotations as there is place for before the last two braces.
fn annotate(span: &XRaySpan, datagram: &mut Vec<u8>) {
    let direction = match span.is_outbound {
        true => "egress",
        false => "ingress",
    };
    let told = &span.told.annotations;
    let is_told = told.iter().any(|(name, _)| name == DIRECTION);
    let direction = (!is_told).then_some((DIRECTION, direction));
    let told = told
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut comma = "";
    for (name, value) in direction.into_iter().chain(told) {
        let one = format!("{comma}{}:{}", Value::from(name), Value::from(value));
        if datagram.len() + one.len() + 2 <= MAX_DATAGRAM_BYTES {
            datagram.extend(one.into_bytes());
            comma = ",";
        }
    }
}

/// Since the epoch, with what is left of a second as a fraction.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// What is configured of all segments; numbers that are whole are written so.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is_so) => (*is_so).into(),
        Json::Number(number) => match number.to_string().parse::<i64>() {
            Ok(whole) => whole.into(),
            Err(_fraction) => (*number).into(),
        },
        Json::String(text) => Value::String(text.to_string()),
        Json::List(members) => Value::Array(members.iter().map(value).collect()),
        Json::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, member)| (name.to_string(), value(member)));
            Value::Object(members.collect())
        }
    }
}
