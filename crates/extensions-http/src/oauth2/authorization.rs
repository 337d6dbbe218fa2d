//! Where users are sent to sign in, and the state that they come back with.

use std::collections::BTreeMap;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::url::Url;

use super::crypto;
use super::messages::OAuth2Config;
use crate::escape;
use nuncio_config::base64_url;

const VERIFIER_BYTES: usize = 32;
const DEFAULT_SCOPE: &str = "user";

/// The authorization endpoint.
pub(super) struct Authorization {
    /// The URL without its query.
    url: Box<str>,
    /// The parameters that are always the same, by name.
    parameters: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// Behind all others.
    resources: Box<str>,
}

/// A flow that begins: what its cookies remember.
pub(super) struct Flow {
    pub(super) id: String,
    pub(super) csrf_token: String,
    pub(super) verifier: String,
}

impl Flow {
    /// Another one than all before; none if the system has no random numbers.
    pub(super) fn begin(hmac_secret: &[u8]) -> Option<Self> {
        let id = format!("{:016x}", u64::from_ne_bytes(crypto::random()?));
        let signature = crypto::sign(hmac_secret, id.as_bytes());
        Some(Flow {
            csrf_token: format!("{id}.{signature}"),
            id,
            verifier: base64_url::encode(&crypto::random::<VERIFIER_BYTES>()?),
        })
    }

    /// What comes back with the user.
    fn state(&self, original_url: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let json = format!(
            "{{\"url\":{},\"csrf_token\":{},\"flow_id\":{}}}",
            quoted(original_url),
            quoted(&self.csrf_token),
            quoted(&self.id)
        );
        base64_url::encode(json.as_bytes())
    }
}

impl Authorization {
    pub(super) fn compile(message: &OAuth2Config, ctx: &mut Ctx) -> Result<Self, Refused> {
        let endpoint = &message.authorization_endpoint;
        if Url::parse(endpoint.as_bytes()).is_none() {
            let text = format!(
                "OAuth2 filter: invalid authorization endpoint URL '{}' in config.",
                endpoint.value
            );
            ctx.error(endpoint.span, text);
            return Err(Refused);
        }
        let (url, query) = endpoint.split_once('?').unwrap_or((endpoint, ""));
        let has_path = url
            .split_once("://")
            .is_some_and(|(_, rest)| rest.contains('/'));
        let mut parameters: BTreeMap<Box<str>, Vec<Box<str>>> = BTreeMap::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            parameters
                .entry(name.into())
                .or_default()
                .push(value.into());
        }
        let scopes = match message.auth_scopes.is_empty() {
            true => DEFAULT_SCOPE.to_owned(),
            false => message.auth_scopes.join(" "),
        };
        for (name, value) in [
            ("client_id", message.credentials.client_id.clone()),
            ("response_type", "code".to_owned()),
            ("scope", escape::for_url(scopes.as_bytes())),
        ] {
            parameters.insert(name.into(), vec![value.into()]);
        }
        let resources = message.resources.iter();
        let resources =
            resources.map(|one| format!("&resource={}", escape::for_url(one.as_bytes())));
        Ok(Authorization {
            url: if has_path {
                url.into()
            } else {
                format!("{url}/").into()
            },
            parameters,
            resources: resources.collect::<String>().into(),
        })
    }

    /// Where a user is sent who wanted `original_url`.
    pub(super) fn location(&self, flow: &Flow, original_url: &str, redirect_uri: &[u8]) -> String {
        let mut parameters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, values) in &self.parameters {
            let values = values.iter().map(|value| &**value);
            parameters.insert(name, values.collect());
        }
        let challenge = crypto::challenge(&flow.verifier);
        let (state, redirect_uri) = (flow.state(original_url), escape::for_url(redirect_uri));
        for (name, value) in [
            ("state", &*state),
            ("redirect_uri", &redirect_uri),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            parameters.insert(name, vec![value]);
        }
        let pairs = parameters
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        let query = pairs.collect::<Vec<_>>().join("&");
        format!("{}?{query}{}", self.url, self.resources)
    }
}
