//! What the metadata service is asked for, and how its answers are read.

use std::time::{Duration, SystemTime};

use nuncio_contract::calls::{CallAnswer, CallOptions, Calls, HttpCall};
use nuncio_contract::gcp_audience::GcpAudience;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use serde_json::Value;

use super::config::Settings;
use crate::{escape, jwt_authn};

const HOST: &[u8] = b"metadata.google.internal";
const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";
/// The largest answer that is read; tokens have about 1 KiB.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;

/// A token that may stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: Box<[u8]>,
    /// When it ends, in seconds since 1970, if it says it.
    pub(super) end_seconds: Option<u64>,
}

/// The path that the token of an audience is asked for at; none if it is none that is asked for.
pub(super) fn path(audience: &GcpAudience) -> Option<String> {
    match &audience.scopes {
        Some(scopes) if scopes.is_empty() => Some(format!("{ACCOUNT}/token")),
        Some(scopes) => {
            let scopes: Vec<_> = scopes
                .iter()
                .map(|one| escape::for_url(one.as_bytes()))
                .collect();
            Some(format!("{ACCOUNT}/token?scopes={}", scopes.join(",")))
        }
        None if audience.url.is_empty() => None,
        None => Some(format!(
            "{ACCOUNT}/identity?audience={}",
            for_path(&audience.url)
        )),
    }
}

/// Escapes what cannot stand in a path.
fn for_path(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        ..=b' ' | 0x7f.. => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    });
    escaped.collect()
}

/// Asks; none if there is no such cluster.
pub(super) fn ask(settings: &Settings, path: &str, calls: &Calls) -> Option<Box<dyn HttpCall>> {
    let mut head = HeaderMap::request();
    head.set(Known::Method, b"GET");
    head.set(Known::Authority, HOST);
    head.set(Known::Path, path.as_bytes());
    head.append(&HeaderName::parse("metadata-flavor").ok()?, b"Google");
    let options = CallOptions {
        timeout: settings.timeout,
        retries: settings.retries.clone(),
        hides_address: true,
        ..CallOptions::default()
    };
    let mut call = calls.start(&settings.cluster, head, options)?;
    call.send(&[], true);
    Some(call)
}

/// Reads an answer that came at this time; none if it is no token.
pub(super) fn read(answer: &CallAnswer, audience: &GcpAudience, now: SystemTime) -> Option<Token> {
    if answer.status() != 200 || answer.body.len() > ANSWER_LIMIT_BYTES {
        return None;
    }
    let token = match audience.scopes {
        Some(_) => access_token(&answer.body, now)?,
        None => Token {
            text: answer.body.as_slice().into(),
            end_seconds: jwt_authn::end_if_token(&answer.body)?.filter(|end| *end > 0),
        },
    };
    is_valid_value(&token.text).then_some(token)
}

fn access_token(body: &[u8], now: SystemTime) -> Option<Token> {
    let fields: Value = serde_json::from_slice(body).ok()?;
    let text = fields.get("access_token")?.as_str()?;
    let seconds = fields.get("expires_in")?.as_u64()?;
    let end = seconds_of(now).saturating_add(seconds);
    (!text.is_empty() && seconds > 0).then(|| Token {
        text: text.as_bytes().into(),
        end_seconds: Some(end),
    })
}

/// Seconds since 1970.
pub(super) fn seconds_of(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}
