//! Checks the tokens of a request against a requirement, and changes the request's headers by what they claim.
//!
//! It is done at once, with the keys that are there; where some are missing it says which, and is done again from the
//! start once they have come.

use std::rc::Rc;

use nuncio_contract::headers::{HeaderMap, HeaderName, is_valid_value};
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::claims;
use super::config::Compiled;
use super::key_set::Keys;
use super::locations::{Found, Location};
use super::provider::{Audiences, Provider};
use super::requirement::{Lenient, Requirement};
use super::status::Status;
use super::token::Token;
use super::token_cache::TokenCaches;
use crate::unusable::invalid_value;

/// The keys of a provider are to be fetched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants(pub(super) usize);

/// What there is of a provider's keys.
pub(super) enum KeyState {
    There(Keys),
    Wanted,
    Failed(Status),
}

/// A check under way.
pub(super) struct Check<'c> {
    pub(super) compiled: &'c Compiled,
    pub(super) keys: &'c dyn Fn(usize) -> KeyState,
    pub(super) caches: &'c TokenCaches,
    pub(super) request: &'c mut HeaderMap,
    pub(super) now_seconds: u64,
    pub(super) found: Findings,
    /// The provider of the last token, where none was asked for.
    pub(super) issued_by: Option<usize>,
}

/// What comes of it beside the verdict and the headers.
#[derive(Default)]
pub(super) struct Findings {
    /// For the dynamic metadata.
    pub(super) metadata: Struct,
    pub(super) clears_route: bool,
    /// A claim that no header can tell.
    pub(super) invalid: Option<String>,
    pub(super) cache_hits: u64,
    pub(super) cache_misses: u64,
}

type Verdict = Result<(), Status>;

/// Whose tokens are asked for, and how strictly.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// None: whoever has issued them.
    provider: Option<usize>,
    audiences: Option<&'a Audiences>,
    allows_failed: bool,
    allows_missing: bool,
    /// Tells that a token is wrong.
    status_header: Option<&'a HeaderName>,
}

impl Check<'_> {
    /// The verdict on a requirement.
    pub(super) fn run(&mut self, requirement: &Requirement) -> Result<Verdict, Wants> {
        match requirement {
            Requirement::Nothing => Ok(Ok(())),
            Requirement::Provider(at, audiences) => self.provider(*at, audiences.as_ref()),
            Requirement::All(all) => {
                for one in all {
                    if let Err(status) = self.run(one)? {
                        return Ok(Err(status));
                    }
                }
                Ok(Ok(()))
            }
            Requirement::Any(any) => {
                let (mut fault, mut wants) = (Status::Missing, None);
                for one in any {
                    match self.run(one) {
                        Ok(Ok(())) => return Ok(Ok(())),
                        // Another may do without.
                        Err(wanted) => wants = wants.or(Some(wanted)),
                        // A token that is there says more than one that is not.
                        Ok(Err(Status::Missing)) => {}
                        Ok(Err(Status::UnknownIssuer)) if fault != Status::Missing => {}
                        Ok(Err(status)) => fault = status,
                    }
                }
                wants.map_or(Ok(Err(fault)), Err)
            }
            Requirement::Lenient(lenient) => self.lenient(lenient),
        }
    }

    fn provider(&mut self, at: usize, audiences: Option<&Audiences>) -> Result<Verdict, Wants> {
        let compiled = self.compiled;
        let Some(provider) = compiled.providers.get(at) else {
            return Ok(Err(Status::UnknownIssuer));
        };
        self.clean(at);
        let found = provider.locations.find(self.request);
        let asked = Asked {
            provider: Some(at),
            audiences,
            allows_failed: false,
            allows_missing: false,
            status_header: None,
        };
        self.authenticate(found, asked)
    }

    fn lenient(&mut self, lenient: &Lenient) -> Result<Verdict, Wants> {
        lenient.providers.iter().for_each(|at| self.clean(*at));
        let found = lenient.locations.find(self.request);
        let asked = Asked {
            provider: None,
            audiences: None,
            allows_failed: lenient.allows_failed,
            allows_missing: true,
            status_header: lenient.status_header.as_ref(),
        };
        self.authenticate(found, asked)
    }

    /// Nobody but the filter sets the headers that tell claims.
    fn clean(&mut self, at: usize) {
        let Some(provider) = self.compiled.providers.get(at) else {
            return;
        };
        for header in provider.told_headers() {
            self.request.remove(header);
        }
    }

    /// All tokens, the last place first. All must be right, where nothing wrong is allowed.
    fn authenticate(
        &mut self,
        mut found: Vec<Found<'_>>,
        asked: Asked<'_>,
    ) -> Result<Verdict, Wants> {
        let is_strict = !asked.allows_failed && !asked.allows_missing;
        let mut verdict = Err(Status::Missing);
        if let Some(header) = asked.status_header {
            self.request.remove(header);
        }
        while let Some(one) = found.pop() {
            verdict = self.one(&one, asked)?;
            if let Err(status) = verdict {
                self.note_failure(asked.provider.or(self.issued_by), status);
                if let Some(header) = asked.status_header {
                    self.request.replace(header, b"false");
                }
                if is_strict {
                    break;
                }
            }
        }
        Ok(match verdict {
            Err(_) if asked.allows_failed => Ok(()),
            Err(Status::Missing) if asked.allows_missing => Ok(()),
            verdict => verdict,
        })
    }

    fn one(&mut self, found: &Found<'_>, asked: Asked<'_>) -> Result<Verdict, Wants> {
        self.issued_by = None;
        let remembered = asked.provider.and_then(|at| {
            let remembered = self.caches.get(at, &found.text);
            match remembered {
                Some(_) => self.found.cache_hits += 1,
                None => self.found.cache_misses += 1,
            }
            remembered
        });
        let is_remembered = remembered.is_some();
        let token = match remembered {
            Some(token) => token,
            None => match Token::parse(&found.text) {
                Ok(token) => Rc::new(token),
                Err(status) => return Ok(Err(status)),
            },
        };
        if !found.location.allows(&token.issuer) {
            return Ok(Err(Status::UnknownIssuer));
        }
        let at = asked
            .provider
            .or_else(|| self.compiled.by_issuer(&token.issuer));
        self.issued_by = at;
        let compiled = self.compiled;
        let Some((at, provider)) = at.and_then(|at| Some((at, compiled.providers.get(at)?))) else {
            return Ok(Err(Status::UnknownIssuer));
        };
        if let Err(status) = provider.check(&token, self.now_seconds, asked.audiences) {
            return Ok(Err(status));
        }
        if !is_remembered {
            let verified = match (self.keys)(at) {
                KeyState::There(keys) => keys.verify(&token),
                KeyState::Failed(status) => Err(status),
                KeyState::Wanted => return Err(Wants(at)),
            };
            if verified.is_err() {
                return Ok(verified);
            }
        }
        self.pass_on(provider, &token, found.location);
        if asked.provider.is_some() && !is_remembered {
            self.caches.insert(at, &found.text, &token);
        }
        Ok(Ok(()))
    }

    /// Passes a token that is believed on, as its provider wants it.
    fn pass_on(&mut self, provider: &Provider, token: &Token, location: &Location) {
        self.tell_claims(provider, token);
        if !provider.forwards {
            location.remove(self.request);
        }
    }

    fn tell_claims(&mut self, provider: &Provider, token: &Token) {
        if let Some(header) = &provider.payload_header {
            let mut text = token.payload_text.to_string();
            while provider.pads_payload && !text.len().is_multiple_of(4) {
                text.push('=');
            }
            self.request.append(header, text.as_bytes());
        }
        let mut has_told = false;
        for claim in &provider.claims {
            let value = claims::at_path(&token.payload, &claim.path);
            let Some(text) = value.and_then(claims::header_value) else {
                continue;
            };
            has_told = true;
            if is_valid_value(text.as_bytes()) {
                self.request.append(&claim.header, text.as_bytes());
            } else {
                let name = claim.header.as_str();
                let invalid = &mut self.found.invalid;
                invalid.get_or_insert_with(|| invalid_value(name));
            }
        }
        if !provider.header_key.is_empty() {
            self.tell(&provider.header_key, token.header.clone());
        }
        if !provider.payload_key.is_empty() {
            let mut payload = token.payload.clone();
            claims::split_at_spaces(&mut payload, &provider.space_delimited);
            self.tell(&provider.payload_key, payload);
            has_told = true;
        }
        self.found.clears_route |= provider.clears_route && has_told;
    }

    fn tell(&mut self, key: &str, value: Struct) {
        self.found.metadata.insert(key, Value::Struct(value));
    }

    fn note_failure(&mut self, provider: Option<usize>, status: Status) {
        let provider = provider.and_then(|at| self.compiled.providers.get(at));
        let Some(provider) = provider.filter(|it| !it.failure_key.is_empty()) else {
            return;
        };
        let mut failure = Struct::default();
        failure.insert("code", Value::Number(status.number().into()));
        failure.insert("message", Value::String(status.text().into()));
        self.tell(&provider.failure_key, failure);
    }
}
