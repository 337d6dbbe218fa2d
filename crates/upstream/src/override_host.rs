//! Hosts that requests name, before the load balancer is asked (`OverrideHost`).
//!
//! Addresses come from headers and dynamic metadata, each a list; a try takes the next one that is a host of the
//! cluster, however healthy, and when none is left the policy below chooses. The address of the host that was chosen
//! may be noted in dynamic metadata. Requests alone name hosts: connections of the TCP proxy and copies of requests go
//! where the policy below says.

use std::cell::RefCell;
use std::collections::VecDeque;

use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::stream_info::metadata::{Struct, Value};
use nuncio_contract::stream_info::{Address, FilterStateObject as _, Metadata};

use crate::original_dst::MetadataPlace;

/// Where requests name their hosts.
#[derive(Clone, Debug)]
pub struct OverrideHosts {
    /// In the order in which they are asked.
    pub sources: Vec<OverrideSource>,
    /// Where the host that was chosen is noted.
    pub selected: Option<MetadataPlace>,
}

/// A place that may name hosts.
#[derive(Clone, Debug)]
pub enum OverrideSource {
    /// A header, of which the first counts.
    Header(HeaderName),
    /// Dynamic metadata.
    Metadata(MetadataPlace),
}

/// The hosts that a request names and that were not tried.
#[derive(Debug)]
pub struct WantedHosts(RefCell<VecDeque<Box<str>>>);

impl OverrideHosts {
    /// The hosts that a request names.
    pub fn wanted(&self, request: &HeaderMap, metadata: Option<&Metadata>) -> WantedHosts {
        let lists = self.sources.iter().filter_map(|source| match source {
            OverrideSource::Header(name) => std::str::from_utf8(request.get(name)?).ok(),
            OverrideSource::Metadata(place) => {
                match metadata?.value(&place.namespace, &place.keys)? {
                    Value::String(text) => Some(&**text),
                    _ => None,
                }
            }
        });
        let names = lists.flat_map(|list| list.split(',')).map(|text| {
            let text = text.trim_matches(|byte: char| byte.is_ascii_whitespace());
            text.into()
        });
        WantedHosts(RefCell::new(names.collect()))
    }

    /// What notes in dynamic metadata which host was chosen, and its namespace; none if that is not wanted.
    pub fn note(&self, chosen: &Address) -> Option<(&str, Struct)> {
        let place = self.selected.as_ref()?;
        let text = chosen.serialize_as_string()?;
        Some((&place.namespace, place.holding(text)))
    }
}

impl MetadataPlace {
    /// A structure that has `text` there.
    pub fn holding(&self, text: String) -> Struct {
        let text = Value::String(text.into());
        let mut keys = self.keys.iter().rev();
        let last = keys
            .next()
            .map(|key| Struct::from_iter([(key.clone(), text)]));
        keys.fold(last.unwrap_or_default(), |inner, key| {
            Struct::from_iter([(key.clone(), Value::Struct(inner))])
        })
    }
}

impl WantedHosts {
    /// The next one that is not tried yet.
    pub(crate) fn next(&self) -> Option<Box<str>> {
        self.0.borrow_mut().pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(namespace: &str, keys: &[&str]) -> MetadataPlace {
        MetadataPlace {
            namespace: namespace.into(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
        }
    }

    fn all(wanted: &WantedHosts) -> Vec<String> {
        std::iter::from_fn(|| wanted.next())
            .map(String::from)
            .collect()
    }

    #[test]
    fn lists_of_all_places_are_taken_in_order() {
        let hosts = OverrideHosts {
            sources: vec![
                OverrideSource::Metadata(place("a", &["b", "c"])),
                OverrideSource::Header(HeaderName::parse("x-host").unwrap()),
            ],
            selected: None,
        };
        let mut request = HeaderMap::request();
        let header = HeaderName::parse("x-host").unwrap();
        request.append(&header, b" 192.0.2.1:80 ,/a.sock,");
        let mut metadata = Metadata::default();
        metadata.merge("a", place("a", &["b", "c"]).holding("[::1]:5".into()));
        let wanted = hosts.wanted(&request, Some(&metadata));
        assert_eq!(all(&wanted), ["[::1]:5", "192.0.2.1:80", "/a.sock", ""]);
        assert_eq!(all(&wanted), [""; 0]);
    }
}
