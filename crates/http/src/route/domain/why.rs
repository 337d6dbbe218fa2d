//! Which domain a host name was found by, and which others came close. Only for people who ask.

use hashbrown::HashMap;
use nuncio_config::interpret::nearest;

use super::{DomainTable, Wildcards, without_port};

/// How many domains that came close are named.
const MOST_NEAR: usize = 5;

/// The kinds of domain, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainKind {
    /// `www.example.com`
    Exact,
    /// `*.example.com`
    Suffix,
    /// `www.example.*`
    Prefix,
    /// `*`
    Any,
}

impl DomainKind {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            DomainKind::Exact => "exact",
            DomainKind::Suffix => "suffix",
            DomainKind::Prefix => "prefix",
            DomainKind::Any => "any host",
        }
    }
}

/// A domain that a host name matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainMatch {
    /// The index of its virtual host.
    pub virtual_host: u32,
    /// Its kind.
    pub kind: DomainKind,
    /// The domain as the config has it, in lower case.
    pub domain: String,
}

impl DomainTable {
    /// All domains that `authority` matches, the one that counts first.
    pub(in crate::route) fn matches(
        &self,
        authority: &[u8],
        ignore_port: bool,
    ) -> Vec<DomainMatch> {
        let host = match ignore_port {
            true => without_port(authority),
            false => authority,
        }
        .to_ascii_lowercase();
        let found = |virtual_host: u32, kind, domain: String| DomainMatch {
            virtual_host,
            kind,
            domain,
        };
        let mut all = Vec::new();
        if let Some(index) = self.exact.get(host.as_slice()) {
            all.push(found(*index, DomainKind::Exact, text(&host)));
        }
        let end =
            |host: &[u8], len: usize| Some(host.get(host.len().checked_sub(len)?..)?.to_vec());
        for (suffix, index) in self.suffixes.all(&host, end) {
            all.push(found(
                index,
                DomainKind::Suffix,
                format!("*{}", text(&suffix)),
            ));
        }
        let start = |host: &[u8], len: usize| Some(host.get(..len)?.to_vec());
        for (prefix, index) in self.prefixes.all(&host, start) {
            all.push(found(
                index,
                DomainKind::Prefix,
                format!("{}*", text(&prefix)),
            ));
        }
        all.extend(
            self.default
                .map(|index| found(index, DomainKind::Any, "*".to_owned())),
        );
        all
    }

    /// Why domains that look as if they should match do not.
    pub(in crate::route) fn near(&self, authority: &[u8], ignore_port: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let bare = without_port(authority);
        if !ignore_port && bare.len() < authority.len() {
            let with_port = self
                .matches(authority, false)
                .first()
                .map(|found| found.kind);
            let without = self.matches(bare, false);
            let better = without
                .iter()
                .take_while(|found| with_port.is_none_or(|kind| found.kind < kind));
            for found in better.take(MOST_NEAR) {
                notes.push(format!(
                    "`{}` would match without the port: `ignore_port_in_host_matching` or \
                     `strip_any_host_port` leaves it out",
                    found.domain
                ));
            }
        }
        let host = if ignore_port { bare } else { authority }.to_ascii_lowercase();
        let as_subdomain = [b".".as_slice(), &host].concat();
        let is_there = |(len, domains): &(usize, HashMap<Box<[u8]>, u32>)| {
            *len == as_subdomain.len() && domains.contains_key(as_subdomain.as_slice())
        };
        if !self.exact.contains_key(host.as_slice()) && self.suffixes.0.iter().any(is_there) {
            notes.push(format!(
                "`*{}` matches the names below `{}`, not the name itself",
                text(&as_subdomain),
                text(&host)
            ));
        }
        let is_found_by_name = self
            .matches(authority, ignore_port)
            .first()
            .is_some_and(|found| found.kind != DomainKind::Any);
        if !is_found_by_name {
            let all = self
                .exact
                .keys()
                .filter_map(|domain| std::str::from_utf8(domain).ok());
            let nearest = std::str::from_utf8(&host)
                .ok()
                .and_then(|host| nearest(host, all));
            notes.extend(nearest.map(|domain| format!("`{domain}` is spelled nearly the same")));
        }
        notes
    }
}

impl Wildcards {
    /// All that match, the longest first, as [`Wildcards::find`] tries them.
    fn all<'a>(
        &'a self,
        host: &'a [u8],
        part: impl Fn(&[u8], usize) -> Option<Vec<u8>> + 'a,
    ) -> impl Iterator<Item = (Vec<u8>, u32)> + 'a {
        self.0
            .iter()
            .filter(|(len, _)| *len < host.len())
            .filter_map(move |(len, map)| {
                let wanted = part(host, *len)?;
                let index = *map.get(wanted.as_slice())?;
                Some((wanted, index))
            })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
