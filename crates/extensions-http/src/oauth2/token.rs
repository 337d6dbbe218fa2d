//! The token endpoint: what it is asked, and what its answer says.

use nuncio_contract::calls::{CallAnswer, CallOptions, Calls, collect};
use nuncio_contract::headers::{HeaderMap, Known, is_valid_value};
use serde_json::{Map, Value};

use super::config::Settings;
use super::messages::AuthType;
use crate::escape;
use nuncio_config::base64;

/// What tokens are asked for with.
pub(super) enum Grant<'a> {
    /// A code that the user brought.
    Code {
        code: &'a str,
        redirect_uri: &'a [u8],
        verifier: &'a [u8],
    },
    /// A token for another one.
    Refresh(&'a [u8]),
}

/// What the endpoint gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) id: String,
    pub(super) refresh: String,
    pub(super) expires_in: u64,
}

/// Why there are no tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoTokens {
    /// The endpoint does not want to, or does not answer; the details.
    Refused(String),
    /// It wants to, but there are none in its answer: in short, and what the log tells beside it.
    Missing { reason: &'static str, more: String },
}

impl NoTokens {
    pub(super) fn details(&self) -> String {
        match self {
            NoTokens::Refused(details) => details.clone(),
            NoTokens::Missing { reason, more } => format!("{reason}{more}"),
        }
    }
}

/// Begins to ask; none if there is nobody to ask.
pub(super) fn ask(
    settings: &Settings,
    secret: &[u8],
    grant: &Grant<'_>,
    calls: Option<Calls>,
) -> Option<impl Future<Output = Option<CallAnswer>> + use<>> {
    let endpoint = &settings.tokens;
    let body = body(settings, secret, grant);
    let mut head = HeaderMap::request();
    head.set(Known::Method, b"POST");
    head.set(Known::Path, endpoint.path.as_bytes());
    head.set(Known::Authority, endpoint.host.as_bytes());
    head.set(Known::ContentType, b"application/x-www-form-urlencoded");
    head.set(Known::Accept, b"application/json");
    if matches!(settings.auth_type, AuthType::BasicAuth) {
        let pair = [settings.client_id.as_bytes(), b":", secret].concat();
        let value = format!("Basic {}", base64::encode(&pair));
        head.append(Known::Authorization, value.as_bytes());
    }
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    head.set_integer(Known::ContentLength, length);
    let options = CallOptions {
        timeout: Some(endpoint.timeout).filter(|timeout| !timeout.is_zero()),
        retries: endpoint.retries.clone(),
        ..CallOptions::default()
    };
    let mut call = calls?.start(&endpoint.cluster, head, options)?;
    call.send(&body, true);
    Some(collect(call))
}

fn body(settings: &Settings, secret: &[u8], grant: &Grant<'_>) -> Vec<u8> {
    let client = match settings.auth_type {
        AuthType::BasicAuth => String::new(),
        AuthType::TlsClientAuth => {
            format!(
                "&client_id={}",
                escape::for_body(settings.client_id.as_bytes())
            )
        }
        AuthType::UrlEncodedBody => format!(
            "&client_id={}&client_secret={}",
            escape::for_body(settings.client_id.as_bytes()),
            escape::for_body(secret)
        ),
    };
    let text = match grant {
        Grant::Code {
            code,
            redirect_uri,
            verifier,
        } => format!(
            "grant_type=authorization_code&code={code}{client}&redirect_uri={}&code_verifier={}",
            escape::for_body(redirect_uri),
            escape::for_body(verifier)
        ),
        Grant::Refresh(token) => format!(
            "grant_type=refresh_token&refresh_token={}{client}",
            escape::for_body(token)
        ),
    };
    text.into_bytes()
}

/// The tokens of an answer.
///
/// # Errors
/// Why there are none.
pub(super) fn read(settings: &Settings, answer: Option<CallAnswer>) -> Result<Tokens, NoTokens> {
    let Some(answer) = answer else {
        return Err(NoTokens::Refused(
            "Failed to get access token due to HTTP request failure".to_owned(),
        ));
    };
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status() != 200 {
        let status = answer.status();
        return Err(NoTokens::Refused(format!(
            "Failed to get access token: response code: {status}, response body: {text}"
        )));
    }
    let broken = |what: &str| NoTokens::Missing {
        reason: "Failed to parse oauth response body",
        more: format!(": response body: {text}, exception: {what}"),
    };
    let fields: Map<String, Value> =
        serde_json::from_slice(&answer.body).map_err(|fault| broken(&fault.to_string()))?;
    let string = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_valid_value(text.as_bytes()) => Ok(Some(text.clone())),
        Some(_) => Err(broken(&format!("`{name}` is not a text"))),
    };
    let number = match fields.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(value) => Some(whole(value).ok_or_else(|| broken("`expires_in` is no number"))?),
    };
    let [access, id, refresh] = [
        string("access_token")?,
        string("id_token")?,
        string("refresh_token")?,
    ];
    let Some(access) = access else {
        return Err(NoTokens::Missing {
            reason: "No access token found in the token exchange response",
            more: format!(": response body: {text}"),
        });
    };
    let expires_in = number.unwrap_or(settings.seconds.access_token);
    if expires_in == 0 {
        return Err(NoTokens::Missing {
            reason: "No default or explicit access token expiration found in the token exchange response",
            more: format!(": response body: {text}"),
        });
    }
    Ok(Tokens {
        access,
        id: id.unwrap_or_default(),
        refresh: refresh.unwrap_or_default(),
        expires_in,
    })
}

/// A number, which may be written as a text.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole_of(number.as_f64()?)),
        Value::String(text) => text.parse().ok().or_else(|| whole_of(text.parse().ok()?)),
        _ => None,
    }
}

/// A number without a fraction, however it is written.
fn whole_of(number: f64) -> Option<u64> {
    /// Beyond this not all whole numbers are there.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && (0.0..MOST).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and in range"
    )]
    is_whole.then_some(number as u64)
}
