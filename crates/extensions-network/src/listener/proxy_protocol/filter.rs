//! What the PROXY protocol filter does to a connection.

use std::sync::Arc;

use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::proxy_values::Passing;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ProxyValues;
use nuncio_contract::stream_info::metadata::Value;

use super::header::{Header, HeaderVersion, Read, Signature, demanded, read, signature};

/// The longest header there can be.
const MOST_BYTES: usize = 16 + 0xffff;

stat_group! {
    /// Headers, at `proxy_proto.[<stat_prefix>.]`.
    pub struct ProxyProtocolStats("") {
        counters { not_found_allowed, not_found_disallowed }
    }
}

stat_group! {
    /// Headers of a version, at `proxy_proto.[<stat_prefix>.]versions.<version>.`.
    pub struct ProxyVersionStats("") {
        counters { disallowed, error, found }
    }
}

stat_group! {
    /// Connections without a header that would do, of all listeners.
    pub struct ProxyErrorStats("") {
        counters { downstream_cx_proxy_proto_error }
    }
}

/// A TLV that becomes metadata.
pub(super) struct Rule {
    pub(super) kind: u8,
    pub(super) namespace: Box<str>,
    pub(super) key: Box<str>,
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) rules: Vec<Rule>,
    pub(super) may_be_missing: bool,
    pub(super) takes_v1: bool,
    pub(super) takes_v2: bool,
    /// Which TLVs hosts are told.
    pub(super) passing: Passing,
    pub(super) stat_prefix: Box<str>,
}

/// What the listener holds.
pub(super) struct Config(pub(super) Arc<Settings>);

#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    all: Arc<ProxyErrorStats>,
    stats: Arc<ProxyProtocolStats>,
    v1: Arc<ProxyVersionStats>,
    v2: Arc<ProxyVersionStats>,
}

impl ListenerFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory> {
        let prefix = match &*self.0.stat_prefix {
            "" => "proxy_proto".to_owned(),
            own => format!("proxy_proto.{own}"),
        };
        let of = |version: &str| {
            let scope = root.scope(&format!("{prefix}.versions.{version}"));
            scope.map_or_else(Arc::default, |scope| scope.worker_group())
        };
        let scope = root.scope(&prefix);
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            all: root.worker_group(),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
            v1: of("v1"),
            v2: of("v2"),
        })
    }
}

impl ListenerFilterFactory for Shared {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(self.clone())
    }

    fn most_bytes(&self) -> usize {
        MOST_BYTES
    }
}

impl Settings {
    fn takes(&self, version: HeaderVersion) -> bool {
        match version {
            HeaderVersion::V1 => self.takes_v1,
            HeaderVersion::V2 => self.takes_v2,
        }
    }

    fn apply(&self, header: &Header<'_>, context: &mut ListenerContext<'_>) {
        if let Some((remote, local)) = header.addresses {
            context.connection.remote_address = Some(remote.into());
            context.connection.local_address = Some(local.into());
        }
        let passed = header.tlvs.iter();
        let passed = passed.filter(|(kind, _)| self.passing.lets_pass(*kind));
        let passed = passed.map(|(kind, value)| (*kind, (*value).into()));
        context.connection.proxy_values = Some(Arc::new(ProxyValues(passed.collect())));
        // The first value of a kind is the one that counts.
        for (kind, value) in header.tlvs.iter().rev() {
            for rule in self.rules.iter().filter(|rule| rule.kind == *kind) {
                let value = Value::String(printable(value).into());
                let entry = [(&*rule.key, value)].into_iter().collect();
                context.inspected.metadata.merge(&rule.namespace, entry);
            }
        }
    }
}

/// As text; bytes that are none become `!`.
fn printable(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    text
}

impl Shared {
    fn refuse(&self) -> ListenerStatus {
        self.all.downstream_cx_proxy_proto_error.inc();
        ListenerStatus::Close
    }
}

impl ListenerFilter for Shared {
    fn on_accept(&mut self, _context: &mut ListenerContext<'_>) -> ListenerStatus {
        ListenerStatus::More
    }

    fn on_data(&mut self, context: &mut ListenerContext<'_>, data: &[u8]) -> ListenerStatus {
        let settings = Arc::clone(&self.settings);
        let found = match settings.may_be_missing {
            // A version that is not taken is no header at all then.
            true => signature(data, |version| settings.takes(version)),
            false => demanded(data),
        };
        let version = match found {
            Signature::Unclear => return ListenerStatus::More,
            Signature::Missing if settings.may_be_missing => {
                self.stats.not_found_allowed.inc();
                return ListenerStatus::Continue(0);
            }
            Signature::Missing => {
                self.stats.not_found_disallowed.inc();
                return self.refuse();
            }
            Signature::Found(version) => version,
        };
        let stats = match version {
            HeaderVersion::V1 => &self.v1,
            HeaderVersion::V2 => &self.v2,
        };
        if !settings.takes(version) {
            stats.found.inc();
            stats.disallowed.inc();
            return ListenerStatus::Close;
        }
        match read(version, data) {
            Read::More => ListenerStatus::More,
            Read::Broken => {
                stats.error.inc();
                self.refuse()
            }
            Read::Whole(header) => {
                stats.found.inc();
                settings.apply(&header, context);
                ListenerStatus::Continue(header.bytes)
            }
        }
    }
}
