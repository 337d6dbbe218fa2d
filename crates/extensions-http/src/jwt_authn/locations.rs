//! Where tokens stand in requests: headers first, then query parameters, then cookies, each in the order of their names.

use std::collections::BTreeMap;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::cookies;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use super::messages::JwtProvider;
use super::provider::header;
use crate::query;

/// A place, and who may have put a token there.
#[derive(Clone)]
pub(super) struct Location {
    place: Place,
    issuers: Vec<Box<str>>,
}

#[derive(Clone)]
enum Place {
    Header { name: HeaderName, prefix: Box<[u8]> },
    Query(Box<[u8]>),
    Cookie(Box<[u8]>),
}

/// Places by their names.
#[derive(Clone, Default)]
pub(super) struct Locations {
    headers: BTreeMap<Vec<u8>, Location>,
    queries: BTreeMap<Vec<u8>, Location>,
    cookies: BTreeMap<Vec<u8>, Location>,
}

/// A text that may be a token, and where it stood.
pub(super) struct Found<'l> {
    pub(super) text: Vec<u8>,
    pub(super) location: &'l Location,
}

impl Locations {
    /// A provider's.
    pub(super) fn of(message: &JwtProvider, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut all = Locations::default();
        let issuer = message.issuer.as_str();
        for from in &message.from_headers {
            let name = header(&from.name, ctx)?;
            all.add_header(name, from.value_prefix.as_bytes(), issuer);
        }
        for name in &message.from_params {
            all.add_query(name.as_bytes(), issuer);
        }
        for name in &message.from_cookies {
            let place = Place::Cookie(name.as_bytes().into());
            add(&mut all.cookies, name.as_bytes().to_vec(), place, issuer);
        }
        if all.headers.is_empty() && all.queries.is_empty() && all.cookies.is_empty() {
            all.add_header(Known::Authorization.into(), b"Bearer ", issuer);
            all.add_query(b"access_token", issuer);
        }
        Ok(all)
    }

    fn add_header(&mut self, name: HeaderName, prefix: &[u8], issuer: &str) {
        let key = [name.as_bytes(), prefix].concat();
        let prefix = prefix.into();
        let place = Place::Header { name, prefix };
        add(&mut self.headers, key, place, issuer);
    }

    fn add_query(&mut self, name: &[u8], issuer: &str) {
        let place = Place::Query(name.into());
        add(&mut self.queries, name.to_vec(), place, issuer);
    }

    /// Adds another provider's.
    pub(super) fn join(&mut self, other: &Locations) {
        for (mine, theirs) in [
            (&mut self.headers, &other.headers),
            (&mut self.queries, &other.queries),
            (&mut self.cookies, &other.cookies),
        ] {
            for (key, location) in theirs {
                for issuer in &location.issuers {
                    add(mine, key.clone(), location.place.clone(), issuer);
                }
            }
        }
    }

    /// What stands there.
    pub(super) fn find(&self, request: &HeaderMap) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        for location in self.headers.values() {
            location.find_in_headers(request, &mut found);
        }
        let others = self.queries.values().chain(self.cookies.values());
        for location in others {
            let text = match &location.place {
                Place::Query(name) => query::first(request, name),
                Place::Cookie(name) => cookies::find(request, name).map(<[u8]>::to_vec),
                Place::Header { .. } => None,
            };
            found.extend(text.map(|text| Found { text, location }));
        }
        found
    }
}

fn add(to: &mut BTreeMap<Vec<u8>, Location>, key: Vec<u8>, place: Place, issuer: &str) {
    let issuers = Vec::new();
    let location = to.entry(key).or_insert(Location { place, issuers });
    location.issuers.push(issuer.into());
}

impl Location {
    /// Whether an issuer may put its tokens there.
    pub(super) fn allows(&self, issuer: &str) -> bool {
        let mut all = self.issuers.iter();
        all.any(|known| known.is_empty() || **known == *issuer)
    }

    fn find_in_headers<'l>(&'l self, request: &HeaderMap, found: &mut Vec<Found<'l>>) {
        let Place::Header { name, prefix } = &self.place else {
            return;
        };
        for value in request.get_all_named(name) {
            let text = match prefix.is_empty() {
                true => value.to_vec(),
                false => match behind(value, prefix) {
                    Some(text) => text.to_vec(),
                    None => continue,
                },
            };
            found.push(Found {
                text,
                location: self,
            });
        }
    }

    /// Takes the token out of the request; from cookies it is not taken, as in Envoy.
    pub(super) fn remove(&self, request: &mut HeaderMap) {
        match &self.place {
            Place::Header { name, .. } => {
                request.remove(name);
            }
            Place::Query(name) => query::remove(request, name),
            Place::Cookie(_) => {}
        }
    }
}

/// What stands behind the prefix, wherever that is, from the first letter on that a token may have.
fn behind<'v>(value: &'v [u8], prefix: &[u8]) -> Option<&'v [u8]> {
    let at = value.windows(prefix.len()).position(|it| it == prefix)?;
    let rest = value.get(at + prefix.len()..)?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match rest.iter().position(is_token) {
        Some(begin) => rest.get(begin..),
        None => Some(value),
    }
}
