//! A request as the JSON that a function gets, and the JSON that it returns as a response.
//!
//! What a function returns is read as protobuf's JSON is: names in either spelling, members that nobody knows passed over,
//! `null` for what is not there.

use nuncio_config::base64;
use nuncio_contract::headers::{HeaderMap, Known};
use serde_json::{Map, Value};

use crate::query;

/// The JSON of a request; no body: none came.
pub(super) fn of_request(request: &HeaderMap, body: Option<&[u8]>) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let of = |known| text(request.get(known).unwrap_or_default());
    let mut headers: Map<String, Value> = Map::new();
    for header in request.iter_regular() {
        let value = text(header.value);
        match headers.get_mut(&text(header.name)) {
            Some(Value::String(known)) => {
                known.push(',');
                known.push_str(&value);
            }
            _ => {
                headers.insert(text(header.name), Value::String(value));
            }
        }
    }
    let parameters = query::all_raw(request).into_iter();
    let parameters: Map<String, Value> = parameters
        .map(|(name, value)| (text(name), Value::String(text(value))))
        .collect();
    let is_text = is_text(request);
    let body_text = match body {
        None => String::new(),
        Some(body) if is_text => text(body),
        Some(body) => base64::encode(body),
    };
    let mut all = Map::new();
    all.insert("raw_path".to_owned(), of(Known::Path).into());
    all.insert("method".to_owned(), of(Known::Method).into());
    all.insert("headers".to_owned(), headers.into());
    all.insert("query_string_parameters".to_owned(), parameters.into());
    all.insert("body".to_owned(), body_text.into());
    let is_encoded = body.is_some() && !is_text;
    all.insert("is_base64_encoded".to_owned(), is_encoded.into());
    Value::from(all).to_string().into_bytes()
}

/// Whether a body may stand in JSON as it is.
fn is_text(head: &HeaderMap) -> bool {
    let coding = head.get(Known::TransferEncoding);
    let content_type = head.get(Known::ContentType).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    let is_plain = coding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
    let kinds: [&[u8]; 3] = [
        b"application/json",
        b"application/javascript",
        b"application/xml",
    ];
    is_plain && (kinds.contains(&content_type.as_slice()) || content_type.starts_with(b"text/"))
}

/// What a function returns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Returned {
    /// 0: the one of the call.
    pub(super) status: u32,
    pub(super) headers: Vec<(String, String)>,
    pub(super) cookies: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// Reads what a function returns; none if it is no such JSON.
pub(super) fn returned(body: &[u8]) -> Option<Returned> {
    let Value::Object(all) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let member = |camel: &str, snake: &str| {
        let found = all.get(camel).or_else(|| all.get(snake));
        found.filter(|value| !value.is_null())
    };
    let status = match member("statusCode", "status_code") {
        None => 0,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(Value::Number(number)) => whole(number)?,
        Some(_) => return None,
    };
    let headers = match member("headers", "headers") {
        None => Vec::new(),
        Some(Value::Object(headers)) => {
            let pairs = headers.iter();
            let pairs = pairs.map(|(name, value)| Some((name.clone(), text_of(value)?)));
            let mut pairs = pairs.collect::<Option<Vec<_>>>()?;
            // They come out in one order, whichever the map keeps: in Envoy they are in a map without any.
            pairs.sort();
            pairs
        }
        Some(_) => return None,
    };
    let cookies = match member("cookies", "cookies") {
        None => Vec::new(),
        Some(Value::Array(cookies)) => cookies.iter().map(text_of).collect::<Option<_>>()?,
        Some(_) => return None,
    };
    let is_encoded = match member("isBase64Encoded", "is_base64_encoded") {
        None => false,
        Some(Value::Bool(is_encoded)) => *is_encoded,
        Some(_) => return None,
    };
    let body = member("body", "body").map_or(Some(String::new()), text_of)?;
    let body = match is_encoded {
        false => body.into_bytes(),
        true => base64::decode(body.as_bytes()).unwrap_or_default(),
    };
    Some(Returned {
        status,
        headers,
        cookies,
        body,
    })
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn whole(number: &serde_json::Number) -> Option<u32> {
    if let Some(number) = number.as_u64() {
        return u32::try_from(number).ok();
    }
    let number = number.as_f64()?;
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_whole.then(|| format!("{number:.0}").parse().ok())?
}
