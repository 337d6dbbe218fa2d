//! Conditions on cookies. Of several of one name the first counts; one that is missing does not match, which
//! `invert_match` turns round.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::cookies;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::matching::{CompiledStringMatcher, quoted};

use crate::config::route as config;

pub(super) struct CookieMatcher {
    name: Box<[u8]>,
    value: CompiledStringMatcher,
    invert: bool,
}

impl CookieMatcher {
    pub(super) fn compile(config: &config::CookieMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(CookieMatcher {
            name: config.name.as_bytes().into(),
            value: CompiledStringMatcher::compile(&config.string_match, ctx)?,
            invert: config.invert_match,
        })
    }

    pub(super) fn matches(&self, request: &HeaderMap) -> bool {
        let value = cookies::first(request, &self.name);
        value.is_some_and(|value| self.value.matches(value)) != self.invert
    }

    /// What is wanted, in words.
    pub(super) fn requirement(&self) -> String {
        format!("cookie {} {}", quoted(&self.name), self.verdict())
    }

    /// Why the request does not meet it.
    pub(super) fn why_not(&self, request: &HeaderMap) -> Option<String> {
        if self.matches(request) {
            return None;
        }
        let what = match cookies::first(request, &self.name) {
            None => "is missing".to_owned(),
            Some(value) => format!("is {}", quoted(value)),
        };
        let name = quoted(&self.name);
        Some(format!("cookie {name} {what}; it {}", self.verdict()))
    }

    fn verdict(&self) -> String {
        let must = if self.invert { "must not" } else { "must" };
        format!("{must} {}", self.value.requirement())
    }
}
