//! What the processor changes of heads and trailers.
//!
//! As in Envoy, what goes goes first, and only the old word `append` counts: without it a header takes the place of
//! those of its name, behind all others. What says where a body ends is left out.

use nuncio_contract::headers::{HeaderMap, HeaderName, Known, MapKind, is_token, is_valid_value};
use nuncio_service_messages::common::HeaderValueOption;
use nuncio_service_messages::ext_proc::HeaderMutation;

use super::fail::Failure;
use super::stats::ExtProcStats;
use crate::ext_authz::decides_framing;
use crate::mutation_rules::Rules;

/// How changes are made.
pub(super) struct Changing<'a> {
    pub(super) rules: &'a Rules,
    /// Where refused changes are counted; none if they were before.
    pub(super) stats: Option<&'a ExtProcStats>,
    /// Whether the whole message is replaced, so that its method may be too.
    pub(super) replaces: bool,
    /// Whether a length may be said, which is compared with the body's later on.
    pub(super) takes_length: bool,
    /// Whether the map is the head of an answer of our own, which has its status.
    pub(super) is_answer: bool,
}

impl Changing<'_> {
    /// Makes the changes.
    pub(super) fn apply(
        &self,
        mutation: &HeaderMutation,
        headers: &mut HeaderMap,
    ) -> Result<(), Failure> {
        for name in &mutation.remove_headers {
            self.remove(name, headers)?;
        }
        let options = mutation.set_headers.iter();
        for option in options {
            self.set(option, headers)?;
        }
        Ok(())
    }

    fn refuse(&self) {
        if let Some(stats) = self.stats {
            stats.rejected_header_mutations.inc();
        }
    }

    fn refuse_by_rule(&self, details: &'static str) -> Result<(), Failure> {
        self.refuse();
        match self.rules.is_error {
            true => Err(Failure::bad_change(details)),
            false => Ok(()),
        }
    }

    fn remove(&self, name: &str, headers: &mut HeaderMap) -> Result<(), Failure> {
        if name.is_empty() {
            return Ok(());
        }
        let Ok(name) = HeaderName::parse_with_pseudo(name) else {
            self.refuse();
            return Err(Failure::bad_change(
                "header_mutation_remove_contains_invalid_character",
            ));
        };
        let is_of_system = name.is_pseudo() || name.known() == Some(Known::Host);
        if is_of_system || !self.rules.allow(&name) {
            return self.refuse_by_rule("header_mutation_remove_headers_failed");
        }
        if name.known() != Some(Known::TransferEncoding) {
            headers.remove(&name);
        }
        Ok(())
    }

    fn set(&self, option: &HeaderValueOption, headers: &mut HeaderMap) -> Result<(), Failure> {
        let Some(header) = &option.header else {
            return Ok(());
        };
        // The text is not read, as in Envoy.
        let value = &*header.raw_value;
        let parsed = HeaderName::parse_with_pseudo(&header.key);
        let Some(name) = parsed.ok().filter(|name| is_sound(name, value)) else {
            self.refuse();
            let details = "header_mutation_set_contains_invalid_character";
            // An answer goes out without it.
            return match self.is_answer {
                true => Ok(()),
                false => Err(Failure::bad_change(details)),
            };
        };
        let is_method_of_new = self.replaces && name.known() == Some(Known::Method);
        if !is_method_of_new && !self.rules.allow(&name) {
            return self.refuse_by_rule("header_mutation_set_headers_failed");
        }
        if name.is_pseudo() && !self.has_pseudo(&name, headers.kind()) {
            return Ok(());
        }
        if self.is_answer && decides_framing(name.as_str()) {
            // Its framing is made when it is.
            return Ok(());
        }
        if name.known() == Some(Known::Status) && !is_status(value)
            || decides_framing(name.as_str()) && !self.may_set_length(&name, value, headers)
        {
            self.refuse();
            return Ok(());
        }
        let appends = option.append.is_some_and(|append| append.value);
        match name.known() {
            Some(Known::Host) if headers.kind() == MapKind::Request => {
                headers.replace(Known::Authority, value);
            }
            _ if name.is_pseudo() => headers.replace(&name, value),
            _ if appends => headers.append(&name, value),
            _ => {
                headers.remove(&name);
                headers.append(&name, value);
            }
        }
        Ok(())
    }

    fn may_set_length(&self, name: &HeaderName, value: &[u8], headers: &HeaderMap) -> bool {
        if name.known() != Some(Known::ContentLength) {
            return false;
        }
        headers.get(Known::ContentLength) == Some(value)
            || self.takes_length && length_of(value).is_some()
    }

    fn has_pseudo(&self, name: &HeaderName, kind: MapKind) -> bool {
        match kind {
            MapKind::Request => matches!(
                name.known(),
                Some(Known::Method | Known::Path | Known::Authority | Known::Scheme)
            ),
            MapKind::Response => name.known() == Some(Known::Status) && !self.is_answer,
            _ => false,
        }
    }
}

/// The number in a `content-length`.
pub(super) fn length_of(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Whether a value is a final status.
fn is_status(value: &[u8]) -> bool {
    value.len() == 3 && length_of(value).is_some_and(|status| status >= 200)
}

/// Whether a message can have the header, and stays one message with it.
fn is_sound(name: &HeaderName, value: &[u8]) -> bool {
    match name.known() {
        // A tunnel is not the processor's to begin.
        Some(Known::Method) => !value.is_empty() && is_token(value) && value != b"CONNECT",
        Some(Known::Path | Known::Authority | Known::Host | Known::Scheme) => {
            !value.is_empty() && value.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
        }
        _ => is_valid_value(value),
    }
}
