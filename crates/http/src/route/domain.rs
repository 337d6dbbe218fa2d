//! Which virtual host a host name belongs to.

mod why;

use hashbrown::HashMap;

pub use why::{DomainKind, DomainMatch};

/// Domains of a route table. Indices are those of the virtual hosts.
#[derive(Default)]
pub(super) struct DomainTable {
    exact: Domains,
    suffixes: Wildcards,
    prefixes: Wildcards,
    default: Option<u32>,
}

/// Wildcards by length, the longest first.
#[derive(Default)]
struct Wildcards(Vec<(usize, Domains)>);

/// Virtual hosts by domain.
type Domains = HashMap<Box<[u8]>, u32>;

/// Why a domain could not be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DomainError {
    /// A second `*`.
    SecondDefault,
    /// The domain was there already.
    Duplicate,
}

impl DomainTable {
    pub(super) fn insert(&mut self, domain: &str, virtual_host: u32) -> Result<(), DomainError> {
        let domain = domain.to_ascii_lowercase();
        if domain == "*" {
            return match self.default.replace(virtual_host) {
                None => Ok(()),
                Some(_) => Err(DomainError::SecondDefault),
            };
        }
        let fresh = if let Some(suffix) = domain.strip_prefix('*') {
            self.suffixes.insert(suffix.as_bytes(), virtual_host)
        } else if let Some(prefix) = domain.strip_suffix('*') {
            self.prefixes.insert(prefix.as_bytes(), virtual_host)
        } else {
            self.exact
                .insert(domain.into_bytes().into_boxed_slice(), virtual_host)
                .is_none()
        };
        if fresh {
            Ok(())
        } else {
            Err(DomainError::Duplicate)
        }
    }

    /// The virtual host that takes all requests, also those without a host, because there is no other domain.
    pub(super) fn only_default(&self) -> Option<u32> {
        self.default.filter(|_| {
            self.exact.is_empty() && self.suffixes.0.is_empty() && self.prefixes.0.is_empty()
        })
    }

    pub(super) fn find(&self, authority: &[u8], ignore_port: bool) -> Option<u32> {
        if let Some(default) = self.only_default() {
            return Some(default);
        }
        let host = if ignore_port {
            without_port(authority)
        } else {
            authority
        };
        let mut stack = [0_u8; 256];
        let lowered_heap;
        let lowered: &[u8] = match stack.get_mut(..host.len()) {
            Some(space) => {
                space.copy_from_slice(host);
                space.make_ascii_lowercase();
                space
            }
            None => {
                lowered_heap = host.to_ascii_lowercase();
                &lowered_heap
            }
        };
        self.exact
            .get(lowered)
            .copied()
            .or_else(|| {
                self.suffixes
                    .find(lowered, |host, len| host.get(host.len() - len..))
            })
            .or_else(|| self.prefixes.find(lowered, |host, len| host.get(..len)))
            .or(self.default)
    }
}

impl Wildcards {
    fn insert(&mut self, text: &[u8], virtual_host: u32) -> bool {
        let place = self.0.binary_search_by(|(len, _)| text.len().cmp(len));
        let index = match place {
            Ok(index) => index,
            Err(index) => {
                self.0.insert(index, (text.len(), HashMap::new()));
                index
            }
        };
        self.0
            .get_mut(index)
            .is_some_and(|(_, map)| map.insert(text.into(), virtual_host).is_none())
    }

    /// A wildcard stands for at least one character.
    fn find(&self, host: &[u8], part: impl Fn(&[u8], usize) -> Option<&[u8]>) -> Option<u32> {
        self.0
            .iter()
            .filter(|(len, _)| *len < host.len())
            .find_map(|(len, map)| map.get(part(host, *len)?).copied())
    }
}

/// `authority` without a trailing `:port`; brackets of IPv6 addresses are kept.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    let Some(colon) = memchr::memrchr(b':', authority) else {
        return authority;
    };
    let (host, port) = authority.split_at(colon);
    let is_port = port.len() > 1 && port.iter().skip(1).all(u8::is_ascii_digit);
    if is_port { host } else { authority }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(domains: &[&str]) -> DomainTable {
        let mut table = DomainTable::default();
        for (index, domain) in (0_u32..).zip(domains) {
            table.insert(domain, index).expect("domains are distinct");
        }
        table
    }

    #[test]
    fn exact_beats_suffix_beats_prefix_beats_default() {
        let table = table(&[
            "*",
            "www.example.com",
            "*.example.com",
            "*-bar.example.com",
            "www.*",
        ]);
        assert_eq!(table.find(b"WWW.example.com", false), Some(1));
        assert_eq!(table.find(b"a.example.com", false), Some(2));
        assert_eq!(table.find(b"x-bar.example.com", false), Some(3));
        assert_eq!(table.find(b"www.other.org", false), Some(4));
        assert_eq!(table.find(b"other.org", false), Some(0));
    }

    #[test]
    fn a_wildcard_stands_for_at_least_one_character() {
        let table = table(&["*.example.com"]);
        assert_eq!(table.find(b".example.com", false), None);
        assert_eq!(table.find(b"a.example.com", false), Some(0));
    }

    #[test]
    fn ports_count_unless_they_are_ignored() {
        let table = table(&["example.com", "[::1]"]);
        assert_eq!(table.find(b"example.com:80", false), None);
        assert_eq!(table.find(b"example.com:80", true), Some(0));
        assert_eq!(table.find(b"[::1]:80", true), Some(1));
        assert_eq!(table.find(b"[::1]", true), Some(1));
    }

    #[test]
    fn a_domain_may_be_there_once_only() {
        let mut table = table(&["*", "a"]);
        assert_eq!(table.insert("*", 7), Err(DomainError::SecondDefault));
        assert_eq!(table.insert("A", 7), Err(DomainError::Duplicate));
    }
}
