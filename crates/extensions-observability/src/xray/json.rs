//! A segment as the daemon reads it: a document of JSON.

use std::time::SystemTime;

use nuncio_config::tree::Json;
use serde_json::{Map, Value};

use super::context;
use super::span::XRaySpan;

const THROTTLED: u64 = 429;
const CLIENT_ERRORS: std::ops::Range<u64> = 400..500;

/// The segment of a span that ends now.
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
    let aws = settings.aws.as_deref().filter(|_| !span.is_child);
    let aws = aws.map_or_else(|| Map::new().into(), value);
    out.insert("start_time".to_owned(), seconds(span.begin).into());
    out.insert("end_time".to_owned(), seconds(end).into());
    out.insert("http".to_owned(), http(span));
    out.insert("annotations".to_owned(), annotations(span));
    out.insert("aws".to_owned(), aws);
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
    serde_json::to_vec(&out).unwrap_or_default()
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

fn annotations(span: &XRaySpan) -> Value {
    let all = span.told.annotations.iter();
    let mut all: Map<String, Value> = all
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let direction = match span.is_outbound {
        true => "egress",
        false => "ingress",
    };
    all.entry("direction").or_insert(direction.into());
    Value::Object(all)
}

/// Since the epoch, with what is left of a second as a fraction.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// What is configured of all segments; numbers that are whole are written so.
fn value(json: &Json) -> Value {
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
