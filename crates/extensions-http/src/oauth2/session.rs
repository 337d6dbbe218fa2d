//! Users who are signed in: the cookies that say so, made of tokens and believed if they are signed.

use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_contract::headers::{HeaderMap, is_valid_value};

use super::config::Settings;
use super::cookies::{Jar, is_of_flow};
use super::crypto;
use super::stats::OAuth2Stats;
use super::token::Tokens;
use crate::jwt_authn;

/// Who is signed in, for how long.
pub(super) struct Session {
    pub(super) access: String,
    pub(super) id: String,
    pub(super) refresh: String,
    /// When it ends, in seconds since 1970.
    pub(super) expires_at: u64,
    expires_in: u64,
    id_expires_in: u64,
    refresh_expires_in: u64,
}

/// Seconds since 1970.
pub(super) fn seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Session {
    /// What is kept of tokens.
    pub(super) fn begin(settings: &Settings, tokens: Tokens, now: u64) -> Self {
        let until = |token: &str, default: u64| {
            let end = jwt_authn::end_of(token.as_bytes()).filter(|end| *end != 0);
            end.map_or(default, |end| end.saturating_sub(now))
        };
        let refresh_expires_in = match settings.uses_refresh_token {
            true => until(&tokens.refresh, settings.seconds.refresh_token),
            false => tokens.expires_in,
        };
        let id_expires_in = match settings.id_token_ends_with_access {
            true => tokens.expires_in,
            false => until(&tokens.id, tokens.expires_in),
        };
        let kept = |token: String, keeps| if keeps { token } else { String::new() };
        let keeps_refresh = settings.uses_refresh_token && settings.keeps_refresh_token;
        Session {
            access: kept(tokens.access, settings.keeps_access_token),
            id: kept(tokens.id, settings.keeps_id_token),
            refresh: kept(tokens.refresh, keeps_refresh),
            expires_at: now.saturating_add(tokens.expires_in),
            expires_in: tokens.expires_in,
            id_expires_in,
            refresh_expires_in,
        }
    }

    /// What keeps the cookies from being changed.
    pub(super) fn signature(&self, settings: &Settings, secret: &[u8], host: &[u8]) -> String {
        let expires_at = self.expires_at.to_string();
        let parts = [&self.access, &self.id, &self.refresh].map(|part| part.as_bytes());
        crypto::sign(
            secret,
            &signed(settings, host, expires_at.as_bytes(), parts),
        )
    }

    /// The cookies to set, where the request has those of the jar; none if there are no random numbers.
    pub(super) fn cookies(
        &self,
        settings: &Settings,
        secret: &[u8],
        host: &[u8],
        jar: &Jar,
    ) -> Option<Vec<Vec<u8>>> {
        let (names, cookies) = (&settings.names, &settings.cookies);
        let signature = self.signature(settings, secret, host);
        let expires_at = self.expires_at.to_string();
        let mut all = vec![
            settings.cookie(&names.hmac, &signature, &cookies.hmac, self.expires_in),
            settings.cookie(
                &names.expires,
                &expires_at,
                &cookies.expires,
                self.expires_in,
            ),
        ];
        for (token, name, attributes, max_age) in [
            (
                &self.access,
                &names.bearer,
                &cookies.bearer,
                self.expires_in,
            ),
            (&self.id, &names.id, &cookies.id, self.id_expires_in),
            (
                &self.refresh,
                &names.refresh,
                &cookies.refresh,
                self.refresh_expires_in,
            ),
        ] {
            if !token.is_empty() {
                let value = match settings.encrypts {
                    true => crypto::seal(secret, token.as_bytes())?,
                    false => token.clone(),
                };
                all.push(settings.cookie(name, &value, attributes, max_age));
            } else if jar.has(name) {
                all.push(settings.deletion(name.as_bytes(), attributes));
            }
        }
        Some(all)
    }
}

fn signed(settings: &Settings, host: &[u8], expires_at: &[u8], tokens: [&[u8]; 3]) -> Vec<u8> {
    let domain = match &*settings.cookie_domain {
        "" => host,
        domain => domain.as_bytes(),
    };
    let [access, id, refresh] = tokens;
    [domain, expires_at, access, id, refresh].join(&b"\n"[..])
}

/// Beyond this many seconds Envoy's clock has no times.
const LAST_SECOND: u64 = 9_223_372_036_854;

/// Whether a user is signed in by the cookies, whose tokens are readable.
pub(super) fn is_valid(
    settings: &Settings,
    secret: &[u8],
    host: &[u8],
    jar: &Jar,
    now: u64,
) -> bool {
    let names = &settings.names;
    let expires_at = jar.get(&names.expires);
    let tokens = [&names.bearer, &names.id, &names.refresh].map(|name| jar.get(name));
    let text = signed(settings, host, expires_at, tokens);
    let expires_at = std::str::from_utf8(expires_at).ok();
    let expires_at = expires_at.and_then(|text| text.trim_ascii().parse::<u64>().ok());
    crypto::is_signed(secret, &text, jar.get(&names.hmac))
        && expires_at.is_some_and(|expires_at| (now + 1..=LAST_SECOND).contains(&expires_at))
}

/// Makes the tokens of a request readable, for the filter and for the host.
pub(super) fn decrypt(
    settings: &Settings,
    stats: &OAuth2Stats,
    secret: &[u8],
    jar: &mut Jar,
    request: &mut HeaderMap,
) {
    if !settings.encrypts {
        return;
    }
    let names = &settings.names;
    let mut has_tokens = false;
    for name in [&names.bearer, &names.id, &names.refresh] {
        let sealed = jar.get(name).to_vec();
        if sealed.is_empty() {
            continue;
        }
        has_tokens = true;
        // What cannot be opened stays as it is: it was never encrypted, or by another secret, and then is not signed.
        // Nor is what would be more than one cookie: whoever changes a sealed one has some say in what it opens to.
        if let Ok(token) = crypto::open(secret, &sealed)
            && is_valid_value(&token)
            && !token.contains(&b';')
        {
            if crypto::is_legacy(&sealed) {
                stats.oauth_legacy_cbc_decrypt.inc();
            }
            jar.set(name, &token);
        }
    }
    if has_tokens {
        jar.put(request);
    }
}

/// Takes from a request what is of no use to a host.
pub(super) fn remove_flow_cookies(settings: &Settings, jar: &mut Jar, request: &mut HeaderMap) {
    if jar.is_empty() {
        return;
    }
    let names = &settings.names;
    let own = [&names.hmac, &names.expires, &names.refresh];
    jar.remove_if(|name| {
        own.iter().any(|one| one.as_bytes() == name)
            || is_of_flow(name, &names.nonce)
            || is_of_flow(name, &names.verifier)
    });
    jar.put(request);
}

/// Takes from a request what could be believed although it is not.
pub(super) fn remove_tokens(settings: &Settings, jar: &mut Jar, request: &mut HeaderMap) {
    let names = &settings.names;
    let tokens = [&names.bearer, &names.id];
    if !jar.is_empty() {
        jar.remove_if(|name| tokens.iter().any(|one| one.as_bytes() == name));
        remove_flow_cookies(settings, jar, request);
        jar.put(request);
    }
}
