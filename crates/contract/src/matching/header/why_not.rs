//! A header matcher in words: what it wants, and why a request's headers do not satisfy it. For people who ask
//! why, never on a request's way; whether something matches is asked of [`CompiledHeaderMatcher::matches`].

use super::{CompiledHeaderMatcher, Kind};
use crate::headers::HeaderMap;
use crate::matching::quoted;

impl CompiledHeaderMatcher {
    /// What is wanted: "header `x-env` must be `prod`".
    pub fn requirement(&self) -> String {
        let name = quoted(self.name.as_bytes());
        format!("header {name} {}", self.verdict())
    }

    /// Why `headers` do not satisfy the matcher; none if they do.
    pub fn why_not(&self, headers: &HeaderMap) -> Option<String> {
        if self.matches(headers) {
            return None;
        }
        let name = quoted(self.name.as_bytes());
        let values: Vec<_> = headers.get_all_named(&self.name).map(quoted).collect();
        let what = match values.as_slice() {
            [] if self.missing_is_empty => "is missing, which counts as empty".to_owned(),
            [] => "is missing".to_owned(),
            values => format!("is {}", values.join(" and ")),
        };
        let aside = match (values.is_empty(), self.invert, &self.kind) {
            (true, true, Kind::Range { .. } | Kind::Text(_)) if !self.missing_is_empty => {
                " (a missing header does not match, inverted or not)"
            }
            _ => "",
        };
        Some(format!(
            "header {name} {what}; it {}{aside}",
            self.verdict()
        ))
    }

    fn verdict(&self) -> String {
        let must = if self.invert { "must not" } else { "must" };
        match &self.kind {
            Kind::Present(wanted) if *wanted == self.invert => "must not be there".to_owned(),
            Kind::Present(_) => "must be there".to_owned(),
            Kind::Range { start, end } => {
                format!("{must} be a number from {start} to below {end}")
            }
            Kind::Text(matcher) => format!("{must} {}", matcher.requirement()),
        }
    }
}
