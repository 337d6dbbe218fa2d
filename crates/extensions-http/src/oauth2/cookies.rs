//! Cookies: those of a request, which can be changed before they are passed on, and those that an answer sets.

use std::collections::HashSet;

use nuncio_contract::cookies;
use nuncio_contract::headers::{HeaderMap, Known};

use super::config::{CookieSettings, Settings};
use super::messages::SameSite;

/// The cookies of a request, each name once.
pub(super) struct Jar(Vec<(Vec<u8>, Vec<u8>)>);

impl Jar {
    /// The first one of each name counts.
    pub(super) fn of(request: &HeaderMap) -> Self {
        let mut seen = HashSet::new();
        let all = cookies::all(request).filter(|(name, _)| seen.insert(name.to_vec()));
        Jar(all
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect())
    }

    /// A cookie's value; an empty one is as good as none.
    pub(super) fn get(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| known == name.as_bytes());
        found.map_or(b"", |(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name.as_bytes())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set(&mut self, name: &str, value: &[u8]) {
        match self
            .0
            .iter_mut()
            .find(|(known, _)| known == name.as_bytes())
        {
            Some((_, old)) => *old = value.to_vec(),
            None => self.0.push((name.as_bytes().to_vec(), value.to_vec())),
        }
    }

    pub(super) fn remove_if(&mut self, condemned: impl Fn(&[u8]) -> bool) {
        self.0.retain(|(name, _)| !condemned(name));
    }

    /// The names of those that begin so, or are called so.
    pub(super) fn of_flows<'j>(&'j self, base: &'j str) -> impl Iterator<Item = &'j [u8]> {
        let names = self.0.iter().map(|(name, _)| &**name);
        names.filter(|name| is_of_flow(name, base))
    }

    /// Has the request carry these and no others.
    pub(super) fn put(&self, request: &mut HeaderMap) {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| [name, &b"="[..], value].concat())
            .collect();
        request.remove(Known::Cookie);
        request.append(Known::Cookie, &pairs.join(&b"; "[..]));
    }
}

/// Whether a cookie is called so, or so with the name of a flow behind it.
pub(super) fn is_of_flow(name: &[u8], base: &str) -> bool {
    let rest = name.strip_prefix(base.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with(b"."))
}

/// The name of a cookie of one flow.
pub(super) fn of_flow(base: &str, flow: &str) -> String {
    format!("{base}.{flow}")
}

impl Settings {
    fn domain_attribute(&self) -> String {
        match &*self.cookie_domain {
            "" => String::new(),
            domain => format!(";domain={domain}"),
        }
    }

    /// A cookie to keep for so many seconds.
    pub(super) fn cookie(
        &self,
        name: &str,
        value: &str,
        settings: &CookieSettings,
        max_age: u64,
    ) -> Vec<u8> {
        let same_site = match settings.same_site {
            SameSite::Disabled => "",
            SameSite::Strict => ";SameSite=Strict",
            SameSite::Lax => ";SameSite=Lax",
            SameSite::None => ";SameSite=None",
        };
        let partitioned = match settings.is_partitioned {
            true => ";Partitioned",
            false => "",
        };
        let (domain, path) = (self.domain_attribute(), &settings.path);
        format!(
            "{name}={value}{domain};path={path};Max-Age={max_age};secure;HttpOnly{same_site}{partitioned}"
        )
        .into_bytes()
    }

    /// A cookie to forget.
    pub(super) fn deletion(&self, name: &[u8], settings: &CookieSettings) -> Vec<u8> {
        let must_be_secure = name.starts_with(b"__Secure-") || name.starts_with(b"__Host-");
        let secure = if must_be_secure { "; Secure" } else { "" };
        let (domain, path) = (self.domain_attribute(), &settings.path);
        let tail =
            format!("=deleted; path={path}; expires=Thu, 01 Jan 1970 00:00:00 GMT{domain}{secure}");
        [name, tail.as_bytes()].concat()
    }

    /// The cookies of a flow to forget; those without its name as well.
    pub(super) fn flow_deletions(&self, flow: &str) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for (base, settings) in [
            (&self.names.nonce, &self.cookies.nonce),
            (&self.names.verifier, &self.cookies.verifier),
        ] {
            if !flow.is_empty() {
                all.push(self.deletion(of_flow(base, flow).as_bytes(), settings));
            }
            all.push(self.deletion(base.as_bytes(), settings));
        }
        all
    }
}
