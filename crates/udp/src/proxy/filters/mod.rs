//! `session_filters`: what sees the datagrams of a session between the client and the host.
//!
//! - `http_capsule`: each datagram to the host becomes a capsule, and the capsules of its answers datagrams; what are
//!   no capsules ends the answers of the session.
//! - `ext_authz`: a service is asked whether the session may be (`ask.rs`).
//! - `dynamic_forward_proxy`: sessions pass, as nothing in Envoy or here says which name a session is for.
//!
//! With filters the host is chosen when they have let the session pass, and stays the same. Datagrams from the client
//! pass them in their order, those from the host backwards. Refused as not supported yet: `config_discovery`.

mod ask;
mod config;
mod held;

use std::borrow::Cow;
use std::sync::Arc;

use nuncio_codec::capsule::{CapsuleReader, encode_datagram};

pub(super) use ask::AuthzStats;
pub(super) use config::{FilterConfig, SessionFilter, support};
pub(super) use held::{BufferLimits, Held, TunnelBuffer};

pub(super) use ask::Ask;

/// What a worker holds of a filter.
#[derive(Clone)]
pub(super) enum FilterOnWorker {
    Capsule,
    Passes,
    Ask(Arc<config::AskSettings>, Arc<AuthzStats>),
}

/// The filters of a session.
pub(super) struct Filters(Vec<Filter>);

enum Filter {
    Capsule(CapsuleReader),
    Passes,
    Ask(Box<Ask>),
}

impl Filters {
    pub(super) fn new(all: &[FilterOnWorker]) -> Self {
        let each = all.iter().map(|filter| match filter {
            FilterOnWorker::Capsule => Filter::Capsule(CapsuleReader::default()),
            FilterOnWorker::Passes => Filter::Passes,
            FilterOnWorker::Ask(settings, stats) => {
                Filter::Ask(Box::new(Ask::new(Arc::clone(settings), Arc::clone(stats))))
            }
        });
        Filters(each.collect())
    }

    /// The first at or behind a place that has to ask somebody.
    pub(super) fn asking(&self, from: usize) -> Option<usize> {
        let mut each = self.0.iter().enumerate().skip(from);
        each.find_map(|(at, filter)| matches!(filter, Filter::Ask(_)).then_some(at))
    }

    /// That one.
    pub(super) fn ask_at(&mut self, at: usize) -> Option<&mut Ask> {
        match self.0.get_mut(at) {
            Some(Filter::Ask(ask)) => Some(ask),
            _ => None,
        }
    }

    /// What becomes of a client's datagram from a place on; none if one of the filters keeps it or drops it.
    pub(super) fn down<'d>(&mut self, from: usize, datagram: &'d [u8]) -> Option<Cow<'d, [u8]>> {
        let mut passed = Cow::Borrowed(datagram);
        for filter in self.0.iter_mut().skip(from) {
            match filter {
                Filter::Passes => {}
                Filter::Capsule(_) => {
                    let mut capsule = Vec::new();
                    encode_datagram(&passed, &mut capsule);
                    passed = Cow::Owned(capsule);
                }
                Filter::Ask(ask) => {
                    if !ask.passes(&passed) {
                        return None;
                    }
                }
            }
        }
        Some(passed)
    }

    /// What becomes of what the host has sent.
    pub(super) fn up(&mut self, bytes: &[u8], to_client: &mut dyn FnMut(&[u8])) {
        up(&mut self.0, bytes, to_client);
    }
}

fn up(filters: &mut [Filter], bytes: &[u8], to_client: &mut dyn FnMut(&[u8])) {
    let Some((last, others)) = filters.split_last_mut() else {
        to_client(bytes);
        return;
    };
    match last {
        Filter::Capsule(reader) => {
            let mut pass = |datagram: &[u8]| up(others, datagram, to_client);
            let _nothing_more_comes = reader.read(bytes, &mut pass);
        }
        Filter::Passes | Filter::Ask(_) => up(others, bytes, to_client),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_become_capsules_and_capsules_datagrams() {
        let mut filters = Filters::new(&[FilterOnWorker::Passes, FilterOnWorker::Capsule]);
        assert_eq!(
            filters.down(0, b"one").as_deref(),
            Some(&b"\0\x04\0one"[..])
        );
        assert_eq!(filters.down(2, b"one").as_deref(), Some(&b"one"[..]));
        let mut all = Vec::new();
        filters.up(b"\0\x02\0a\0\x03\0b", &mut |it| all.push(it.to_vec()));
        filters.up(b"c", &mut |it| all.push(it.to_vec()));
        assert_eq!(all, [b"a".to_vec(), b"bc".to_vec()]);
    }
}
