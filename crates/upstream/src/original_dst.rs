//! Clusters whose hosts are the addresses that clients connected to, or that requests name (`ORIGINAL_DST`).
//!
//! A worker that is asked for an address makes its host at once and tells the main thread, which lists it; all workers
//! find the same host in a table, under a lock that they take for reading. Hosts go that nobody has used for
//! `cleanup_interval` (5 s) and that have no connection.
//!
//! Trust: with `use_http_header` or `metadata_key` whoever sends the request chooses where it goes. Different from
//! Envoy: the address may not come from filter state (`envoy.network.transport_socket.original_dst_address`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use nuncio_config::sorting;
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::ClusterLbStats;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Value;
use tokio::sync::Notify;

use crate::host::{HealthFlags, Host};

/// Where addresses come from, besides the connection.
#[derive(Clone, Debug)]
pub struct OriginalDstSettings {
    /// A header that names the address.
    pub header: Option<HeaderName>,
    /// Metadata that does.
    pub metadata: Option<MetadataPlace>,
    /// The port in the place of the address's.
    pub port: Option<u16>,
    /// How long hosts stay that nobody uses.
    pub cleanup_interval: Duration,
}

/// A place in metadata.
#[derive(Clone, Debug)]
pub struct MetadataPlace {
    /// The namespace.
    pub namespace: Box<str>,
    /// The keys on the way to it.
    pub keys: Box<[Box<str>]>,
}

/// The hosts of a cluster.
pub struct OriginalDst {
    settings: OriginalDstSettings,
    stats: Arc<ClusterLbStats>,
    hosts: RwLock<HashMap<SocketAddr, Listed>>,
    /// Workers count one after another.
    counting: Mutex<()>,
    changed: Notify,
}

struct Listed {
    host: Arc<Host>,
    /// Since the last cleanup.
    used: AtomicBool,
}

impl OriginalDst {
    pub(crate) fn new(settings: OriginalDstSettings, scope: &Scope) -> Self {
        Self {
            settings,
            stats: scope.worker_group(),
            hosts: RwLock::default(),
            counting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The address that a request asks for; a connection that is no request has no headers.
    pub fn asked_for(&self, request: Option<&HeaderMap>, info: &StreamInfo) -> Option<SocketAddr> {
        let named = self
            .in_header(request)
            .or_else(|| self.in_metadata(info))
            .or_else(|| restored(info))?;
        Some(match self.settings.port {
            Some(port) => SocketAddr::new(named.ip(), port),
            None => named,
        })
    }

    fn in_header(&self, request: Option<&HeaderMap>) -> Option<SocketAddr> {
        let value = request?.get(self.settings.header.as_ref()?)?;
        self.parsed(std::str::from_utf8(value).ok())
    }

    fn in_metadata(&self, info: &StreamInfo) -> Option<SocketAddr> {
        let place = self.settings.metadata.as_ref()?;
        let (last, before) = place.keys.split_last()?;
        let mut fields = info.dynamic_metadata()?.namespace(&place.namespace)?;
        for key in before {
            match fields.get(key)? {
                Value::Struct(inner) => fields = inner,
                _ => return None,
            }
        }
        match fields.get(last)? {
            Value::String(text) => self.parsed(Some(text)),
            _ => None,
        }
    }

    fn parsed(&self, text: Option<&str>) -> Option<SocketAddr> {
        let address = text.and_then(|text| text.parse().ok());
        if address.is_none() {
            let _one_after_another = self.counting.lock();
            self.stats.original_dst_host_invalid.inc();
        }
        address
    }

    /// The host at this address, made if there is none.
    pub(crate) fn host(&self, cluster: &str, address: SocketAddr) -> Arc<Host> {
        if let Some(known) = self.known(address) {
            return known;
        }
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&address) {
            return Arc::clone(&known.host);
        }
        let name = format!("{cluster}{address}");
        let healthy = HealthFlags::HEALTHY;
        let host = Arc::new(Host::new(address, &name, 1, 0, Arc::default(), healthy));
        let listed = Listed {
            host: Arc::clone(&host),
            used: AtomicBool::new(true),
        };
        hosts.insert(address, listed);
        self.changed.notify_one();
        host
    }

    fn known(&self, address: SocketAddr) -> Option<Arc<Host>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.get(&address)?;
        known.used.store(true, Relaxed);
        Some(Arc::clone(&known.host))
    }

    /// Takes away what nobody uses; whether there was any.
    pub(crate) fn clean_up(&self) -> bool {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let before = hosts.len();
        hosts.retain(|_, listed| {
            listed.used.swap(false, Relaxed) || listed.host.totals().cx_active > 0
        });
        hosts.len() < before
    }

    /// All of them, in the order of their addresses.
    pub(crate) fn all(&self) -> Vec<Arc<Host>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let mut hosts: Vec<_> = hosts.values().map(|it| Arc::clone(&it.host)).collect();
        sorting::sort_by_key(&mut hosts, |host| host.address);
        hosts
    }

    /// Waits until there is a new one.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn cleanup_interval(&self) -> Duration {
        self.settings.cleanup_interval
    }
}

/// The address that a client connected to, where that is not ours.
fn restored(info: &StreamInfo) -> Option<SocketAddr> {
    let connection = &info.connection;
    let ours = connection.direct_local_address.as_ref()?;
    let wanted = connection.local_address.as_ref()?;
    (ours != wanted).then_some(())?;
    Some(SocketAddr::new(wanted.ip()?, wanted.port()?))
}
