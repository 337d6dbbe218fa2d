//! What the metadata service and that of other accounts' tokens are asked for, and how their answers are read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use nuncio_contract::calls::{CallAnswer, CallOptions, Calls, HttpCall};
use nuncio_contract::cel::parse_timestamp;
use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::gcp_audience::GcpAudience;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use serde_json::Value;

use super::config::{OwnAudience, Settings};
use crate::{escape, jwt_authn};

const HOST: &[u8] = b"metadata.google.internal";
/// The service that gives tokens of other accounts.
const IAM_HOST: &[u8] = b"iamcredentials.googleapis.com";
/// The scope where none is said.
const ALL_OF_CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";
/// The largest answer that is read; tokens have about 1 KiB.
pub(super) const ANSWER_LIMIT_BYTES: usize = 64 << 10;
const NANOSECONDS: i128 = 1_000_000_000;

/// A token that may stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: Box<[u8]>,
    /// When it ends, in seconds since 1970, if it says it.
    pub(super) end_seconds: Option<u64>,
}

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) asked: Arc<GcpAudience>,
    /// The other account, and who asks.
    pub(super) impersonated: Option<(Box<str>, Box<[u8]>)>,
}

/// The account or who asks is not known.
pub(super) struct Unresolved;

impl Wanted {
    /// What a request needs of the filter's own audience.
    pub(super) fn of(own: &OwnAudience, format: &FormatContext<'_>) -> Result<Self, Unresolved> {
        let text = |of: &Format| {
            let mut text = Vec::new();
            of.format(format, &mut text);
            (!text.is_empty() && is_valid_value(&text)).then_some(text)
        };
        let impersonated = own.impersonated.as_ref().map(|[account, authorization]| {
            let account = text(account).and_then(|it| String::from_utf8(it).ok());
            let both = account.zip(text(authorization)).ok_or(Unresolved)?;
            Ok((both.0.into(), both.1.into()))
        });
        Ok(Wanted {
            asked: Arc::clone(&own.asked),
            impersonated: impersonated.transpose()?,
        })
    }

    /// The same with a digest in place of what shows who asks.
    pub(super) fn without_credential(&self) -> Self {
        let impersonated = self.impersonated.as_ref();
        Wanted {
            asked: Arc::clone(&self.asked),
            impersonated: impersonated.map(|(account, authorization)| {
                let digest = digest(&SHA256, authorization);
                (account.clone(), digest.as_ref().into())
            }),
        }
    }

    /// The request for it; none if there is nothing to ask for.
    pub(super) fn request(&self) -> Option<(HeaderMap, Vec<u8>)> {
        if let Some((account, authorization)) = &self.impersonated {
            let path = format!(
                "/v1/projects/-/serviceAccounts/{}:generateAccessToken",
                for_segment(account)
            );
            let mut head = request(b"POST", IAM_HOST, &path);
            head.set(Known::Authorization, authorization);
            head.set(Known::ContentType, b"application/json; charset=utf-8");
            return Some((head, self.body()));
        }
        let mut head = request(b"GET", HOST, &self.path()?);
        head.append(&HeaderName::parse("metadata-flavor").ok()?, b"Google");
        Some((head, Vec::new()))
    }

    /// The path that a token of the own account is asked for at.
    pub(super) fn path(&self) -> Option<String> {
        match &self.asked.scopes {
            Some(scopes) if scopes.is_empty() => Some(format!("{ACCOUNT}/token")),
            Some(scopes) => {
                let scopes = scopes.iter().map(|one| escape::for_url(one.as_bytes()));
                let scopes: Vec<_> = scopes.collect();
                Some(format!("{ACCOUNT}/token?scopes={}", scopes.join(",")))
            }
            None if self.asked.url.is_empty() => None,
            None => Some(format!(
                "{ACCOUNT}/identity?audience={}",
                for_path(&self.asked.url)
            )),
        }
    }

    fn body(&self) -> Vec<u8> {
        let scopes = self.asked.impersonated_scopes.iter().flatten();
        let mut scopes: Vec<&str> = scopes.map(|one| &**one).collect();
        if scopes.is_empty() {
            scopes.push(ALL_OF_CLOUD);
        }
        let body = serde_json::json!({ "lifetime": "3600s", "scope": scopes });
        body.to_string().into_bytes()
    }

    /// Reads an answer that came at this time; none if it is no token.
    pub(super) fn read(&self, answer: &CallAnswer, now: SystemTime) -> Option<Token> {
        if answer.status() != 200 || answer.body.len() > ANSWER_LIMIT_BYTES {
            return None;
        }
        let body = answer.body.as_slice();
        let token = match (&self.impersonated, &self.asked.scopes) {
            (Some(_), _) => impersonated_token(body)?,
            (None, Some(_)) => access_token(body, now)?,
            (None, None) => Token {
                text: body.into(),
                end_seconds: jwt_authn::end_if_token(body)?.filter(|end| *end > 0),
            },
        };
        (!token.text.is_empty() && is_valid_value(&token.text)).then_some(token)
    }
}

fn request(method: &[u8], host: &[u8], path: &str) -> HeaderMap {
    let mut head = HeaderMap::request();
    head.set(Known::Method, method);
    head.set(Known::Authority, host);
    head.set(Known::Path, path.as_bytes());
    head
}

/// Escapes what does not stand in the name of an account.
fn for_segment(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_.~@*".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
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
pub(super) fn ask(
    settings: &Settings,
    (head, body): (HeaderMap, Vec<u8>),
    calls: &Calls,
) -> Option<Box<dyn HttpCall>> {
    let options = CallOptions {
        timeout: settings.timeout,
        retries: settings.retries.clone(),
        hides_address: true,
        ..CallOptions::default()
    };
    let mut call = calls.start(&settings.cluster, head, options)?;
    call.send(&body, true);
    Some(call)
}

fn impersonated_token(body: &[u8]) -> Option<Token> {
    let fields: Value = serde_json::from_slice(body).ok()?;
    let text = fields.get("accessToken")?.as_str()?;
    let end = parse_timestamp(fields.get("expireTime")?.as_str()?.as_bytes())?;
    // As in Envoy: what ended with 1969 or before is none, what ended later is shown once.
    let end = u64::try_from(end / NANOSECONDS).ok()?;
    (end > 0).then(|| Token {
        text: text.as_bytes().into(),
        end_seconds: Some(end),
    })
}

fn access_token(body: &[u8], now: SystemTime) -> Option<Token> {
    let fields: Value = serde_json::from_slice(body).ok()?;
    let text = fields.get("access_token")?.as_str()?;
    let seconds = fields.get("expires_in")?.as_u64()?;
    let end = seconds_of(now).saturating_add(seconds);
    (seconds > 0).then(|| Token {
        text: text.as_bytes().into(),
        end_seconds: Some(end),
    })
}

/// Seconds since 1970.
pub(super) fn seconds_of(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}
