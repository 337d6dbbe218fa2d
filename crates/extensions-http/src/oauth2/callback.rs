//! Users who come back from the authorization server: what their query says, and whether it can be believed.

use std::collections::BTreeMap;

use nuncio_contract::url::Url;
use serde_json::{Map, Value};

use super::config::Settings;
use super::cookies::{Jar, of_flow};
use super::crypto;
use nuncio_config::base64_url;

/// A user who comes back, and may go on.
pub(super) struct Callback {
    /// The code that tokens are had for; as it came, which is escaped.
    pub(super) code: String,
    /// Where the user wanted to go.
    pub(super) url: String,
    /// The flow; empty for one without a name.
    pub(super) flow: String,
}

/// Why a user may not.
pub(super) struct Fault {
    /// The flow whose cookies are to be forgotten; empty: none.
    pub(super) flow: String,
    /// For the log.
    pub(super) details: String,
}

impl Fault {
    fn new(flow: &str, details: String) -> Self {
        Fault {
            flow: flow.to_owned(),
            details,
        }
    }
}

/// The parameters of a query as they came, by name.
struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    fn of(path: &[u8]) -> Self {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let path = String::from_utf8_lossy(path);
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            all.entry(name.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        Parameters(all)
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    fn text(&self) -> String {
        let pairs = self
            .0
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        let pairs: Vec<_> = pairs.collect();
        match pairs.is_empty() {
            true => String::new(),
            false => format!("?{}", pairs.join("&")),
        }
    }
}

/// Reads what a user comes back with.
///
/// # Errors
/// Why it cannot be believed.
pub(super) fn read(
    settings: &Settings,
    secret: &[u8],
    jar: &Jar,
    path: &[u8],
) -> Result<Callback, Fault> {
    let parameters = Parameters::of(path);
    let state = parameters.first("state");
    if parameters.first("error").is_some() {
        let known = state.map(|state| read_state(settings, secret, jar, state));
        let flow = match known {
            Some(Ok((_, flow)) | Err(Fault { flow, .. })) => flow,
            None => String::new(),
        };
        let details = format!("OAuth server returned an error: {}", parameters.text());
        return Err(Fault { flow, details });
    }
    let (Some(code), Some(state)) = (parameters.first("code"), state) else {
        let text = parameters.text();
        let details = format!("Code or state query param does not exist: {text}");
        return Err(Fault::new("", details));
    };
    let (url, flow) = read_state(settings, secret, jar, state)?;
    Ok(Callback {
        code: code.to_owned(),
        url,
        flow,
    })
}

/// The URL and the flow of a state.
fn read_state(
    settings: &Settings,
    secret: &[u8],
    jar: &Jar,
    state: &str,
) -> Result<(String, String), Fault> {
    let json = base64_url::decode_canonical(state.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&json);
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(&json) else {
        let details = format!("State query param is not a valid JSON: {text}");
        return Err(Fault::new("", details));
    };
    let (Some(url), Some(csrf_token)) = (fields.get("url"), fields.get("csrf_token")) else {
        let details = format!("State query param does not contain url or CSRF token: {text}");
        return Err(Fault::new("", details));
    };
    let [url, csrf_token] = [url, csrf_token].map(|it| it.as_str().unwrap_or_default());
    let flow = fields
        .get("flow_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Nothing of the state is believed before this.
    if !is_own(settings, secret, jar, csrf_token, flow) {
        return Err(Fault::new("", "CSRF token validation failed".to_owned()));
    }
    let Some(parsed) = Url::parse(url.as_bytes()) else {
        let details = format!("State url can not be initialized: {url}");
        return Err(Fault::new(flow, details));
    };
    if !settings.allows(parsed.host_and_port) {
        let details = format!("State url host is not in the allowed redirect domains: {url}");
        return Err(Fault::new(flow, details));
    }
    Ok((url.to_owned(), flow.to_owned()))
}

/// Whether the token is one that was made here, for the one who shows it.
fn is_own(settings: &Settings, secret: &[u8], jar: &Jar, csrf_token: &str, flow: &str) -> bool {
    let cookie = flow_cookie(jar, &settings.names.nonce, flow);
    let is_repeated = cookie.is_some_and(|cookie| crypto::is_equal(cookie, csrf_token.as_bytes()));
    is_repeated
        && csrf_token
            .split_once('.')
            .is_some_and(|(nonce, signature)| {
                let own = crypto::sign(secret, nonce.as_bytes());
                crypto::is_equal(own.as_bytes(), signature.as_bytes())
            })
}

/// A cookie of a flow, or the one without its name.
pub(super) fn flow_cookie<'j>(jar: &'j Jar, base: &str, flow: &str) -> Option<&'j [u8]> {
    let own = jar.get(&of_flow(base, flow));
    let found = if own.is_empty() { jar.get(base) } else { own };
    (!found.is_empty()).then_some(found)
}

/// The path and the query of a URL.
pub(super) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find(['/', '?'])
        .map_or("/", |at| rest.get(at..).unwrap_or("/"))
}

impl Settings {
    /// Whether users may be sent back to this host.
    pub(super) fn allows(&self, host_and_port: &[u8]) -> bool {
        if self.allowed_domains.is_empty() {
            return true;
        }
        let host = String::from_utf8_lossy(host_and_port).to_ascii_lowercase();
        let host = match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => &host,
        };
        let mut domains = self.allowed_domains.iter();
        domains.any(|domain| match domain.strip_prefix('*') {
            Some(end) if end.starts_with('.') => host.len() > end.len() && host.ends_with(end),
            _ => **domain == *host,
        })
    }
}
