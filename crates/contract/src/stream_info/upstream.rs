//! The upstream side of a stream: which cluster and host served it, over which connection.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::metadata::Metadata;
use super::{Address, BytesMeter, CloseType, FilterState, Protocol, TlsInfo, UpstreamTiming};
use crate::alternate_protocols::HostAlternatives;
use crate::gcp_audience::GcpAudience;

/// What is logged of a cluster. A worker best holds an `Arc` of its own, so that no cache line is shared.
#[derive(Clone, Debug, Default)]
pub struct ClusterDescription {
    /// The cluster's name.
    pub name: Box<str>,
    /// `alt_stat_name`, or the name.
    pub observability_name: Box<str>,
    /// The cluster's metadata.
    pub metadata: Metadata,
    /// Which token of GCP its hosts are to be shown, if its typed metadata says it.
    pub audience: Option<Arc<GcpAudience>>,
}

/// What is logged of a host. A worker best holds an `Arc` of its own.
#[derive(Clone, Debug)]
pub struct HostDescription {
    /// Its address.
    pub address: Address,
    /// Its name, possibly with a port; empty if it has none.
    pub hostname: Box<str>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Where it is: region, zone and part of the zone, each of which may be empty.
    pub locality: [Box<str>; 3],
    /// Where its cluster keeps what it says of HTTP/3, if it does.
    pub alternatives: Option<Box<HostAlternatives>>,
}

/// The upstream side of a stream.
#[derive(Debug, Default)]
pub struct UpstreamInfo {
    /// The host that was chosen last.
    pub chosen_host: Option<Rc<HostDescription>>,
    /// The hosts that got the request, in order.
    pub hosts_attempted: Vec<Rc<HostDescription>>,
    /// The number of the connection that the last attempt got, if it got one.
    pub connection_id: Option<u64>,
    /// Our end of the upstream connection.
    pub local_address: Option<Address>,
    /// The other end of the upstream connection.
    pub remote_address: Option<Address>,
    /// The protocol spoken upstream.
    pub protocol: Option<Protocol>,
    /// TLS of the upstream connection.
    pub tls: Option<Arc<TlsInfo>>,
    /// Why the transport failed; empty if it did not.
    pub transport_failure_reason: Cow<'static, str>,
    /// How the connection closed.
    pub detected_close_type: CloseType,
    /// Why this side closed it; empty if it did not.
    pub local_close_reason: Cow<'static, str>,
    /// When bytes came and went.
    pub timing: UpstreamTiming,
    /// Filter state of the upstream connection.
    pub filter_state: Option<Arc<FilterState>>,
    /// Bytes on the upstream wire.
    pub bytes: BytesMeter,
    /// Whether the router got so far that there is an upstream side at all.
    pub is_set: bool,
    /// The host that a filter wants, if any.
    pub wanted_host: Option<Box<WantedHost>>,
}

/// The host that a filter wants a request to go to, whatever the load balancer would say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedHost {
    /// Its address as it is logged.
    pub address: Box<str>,
    /// The status of the answer where there is no such host; none where any other will do.
    pub status_without_it: Option<u16>,
}

impl UpstreamInfo {
    /// The host of the last attempt, whether there was a connection or not.
    pub fn host(&self) -> Option<&Rc<HostDescription>> {
        self.chosen_host.as_ref()
    }

    /// Notes that `host` was chosen.
    pub fn choose_host(&mut self, host: Rc<HostDescription>) {
        self.is_set = true;
        self.chosen_host = Some(host);
    }

    /// Another attempt begins: as in Envoy nothing is known of the one before but its bytes.
    pub fn begin_again(&mut self) {
        let wanted_host = self.wanted_host.take();
        let bytes = self.bytes;
        self.reset();
        self.bytes = bytes;
        self.wanted_host = wanted_host;
        self.is_set = true;
    }

    /// Notes that the host that was chosen gets the request.
    pub fn attempt_chosen_host(&mut self) {
        self.hosts_attempted.extend(self.chosen_host.clone());
    }

    /// Notes an attempt at `host`, which was chosen.
    pub fn add_attempted_host(&mut self, host: Rc<HostDescription>) {
        self.choose_host(Rc::clone(&host));
        self.hosts_attempted.push(host);
    }

    /// Forgets everything, in place; the lists keep their memory.
    pub fn reset(&mut self) {
        // No `..`: a new field has to be reset too.
        let UpstreamInfo {
            chosen_host,
            hosts_attempted,
            connection_id,
            local_address,
            remote_address,
            protocol,
            tls,
            transport_failure_reason,
            detected_close_type,
            local_close_reason,
            timing,
            filter_state,
            bytes,
            is_set,
            wanted_host,
        } = self;
        *chosen_host = None;
        *wanted_host = None;
        hosts_attempted.clear();
        *connection_id = None;
        *local_address = None;
        *remote_address = None;
        *protocol = None;
        *tls = None;
        *transport_failure_reason = Cow::Borrowed("");
        *detected_close_type = CloseType::Normal;
        *local_close_reason = Cow::Borrowed("");
        *timing = UpstreamTiming::default();
        *filter_state = None;
        *bytes = BytesMeter::default();
        *is_set = false;
    }
}
