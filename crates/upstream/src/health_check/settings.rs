//! What a cluster's configuration says of its health checks, compiled, and the mailbox of the one who does them.
//!
//! A cluster without checks has none of this.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use nuncio_codec::thrift::{Protocol, Transport};
use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::Spanned;
use nuncio_contract::access_log::LineLog;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::stream_info::metadata::Struct;
use tokio::sync::mpsc::UnboundedSender;

use super::payload::Segments;
use super::session::{AlwaysLog, Thresholds};
use super::timing::Timing;
use crate::host::{HealthFlags, Host};
use crate::proxy_protocol::ProxyVersion;

/// A cluster's active health checks.
#[derive(Debug)]
pub struct ActiveChecks {
    /// The checks, one at least; a host must pass all of them.
    pub all: Box<[Arc<Check>]>,
    /// Whether new hosts do not count until they were checked.
    pub excludes_new_hosts: bool,
    /// Whether hosts go as soon as discovery does not know them any more, however healthy they are.
    pub ignores_health_on_removal: bool,
    pub(crate) mailbox: OnceLock<UnboundedSender<Told>>,
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// What its stats are called; empty for one without a name.
    pub name: Box<str>,
    /// When.
    pub timing: Timing,
    /// How many results it takes.
    pub thresholds: Thresholds,
    /// What is told though it changes nothing.
    pub always_log: AlwaysLog,
    /// Whether a connection serves one check after another (true).
    pub reuses_connection: bool,
    /// What is offered by ALPN in place of what the cluster's transport socket offers; empty for that.
    pub alpn: Box<[Vec<u8>]>,
    /// The metadata by which the transport socket of checks is chosen, in place of the host's.
    pub socket_criteria: Option<Struct>,
    /// What is asked.
    pub probe: Probe,
    /// Files that are told of events.
    pub event_log_paths: Vec<Spanned<String>>,
    pub(crate) event_logs: OnceLock<Vec<Arc<dyn LineLog>>>,
}

/// What is asked of a host.
#[derive(Debug)]
pub enum Probe {
    /// A request and its response.
    Http(Box<HttpProbe>),
    /// A connection, and maybe bytes.
    Tcp(TcpProbe),
    /// A call of `grpc.health.v1.Health`.
    Grpc(Box<GrpcProbe>),
    /// A command of Redis.
    Redis(RedisProbe),
    /// A call of Thrift.
    Thrift(ThriftProbe),
}

/// A request that a healthy host answers.
#[derive(Debug)]
pub struct HttpProbe {
    /// Its method (`GET`).
    pub method: &'static str,
    /// Its host; empty for the cluster's name.
    pub host: Box<str>,
    /// Its path.
    pub path: Box<str>,
    /// Its body; empty for none.
    pub payload: Box<[u8]>,
    /// What its headers become.
    pub headers: HeaderMutations,
    /// Whether it is sent by HTTP/2.
    pub is_http2: bool,
    /// What the response's body must have.
    pub receive: Segments,
    /// How much of the body is looked at (1024).
    pub response_buffer_bytes: usize,
    /// Statuses of a healthy host (200).
    pub expected: Vec<Range<u16>>,
    /// Statuses that count up to the threshold.
    pub retriable: Vec<Range<u16>>,
    /// What `x-envoy-upstream-healthchecked-cluster` must be.
    pub service_name: Option<CompiledStringMatcher>,
    /// `health_check.verify_cluster`: how often that is looked at (always), in per cent.
    pub verify_cluster: RuntimeKey,
}

/// Bytes that a healthy host answers.
#[derive(Debug)]
pub struct TcpProbe {
    /// What is sent; empty for nothing.
    pub send: Box<[u8]>,
    /// What must come; empty if it is enough that the connection opens.
    pub receive: Segments,
    /// The header of the PROXY protocol that goes before what is sent.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// A command that a healthy host of Redis answers.
#[derive(Debug)]
pub struct RedisProbe {
    /// The key that must not be there; without one it is a PING.
    pub key: Option<Box<[u8]>>,
}

/// A call that a healthy host of Thrift answers.
#[derive(Debug)]
pub struct ThriftProbe {
    /// Its method.
    pub method: Box<[u8]>,
    /// What is spoken.
    pub transport: Transport,
    /// The same.
    pub protocol: Protocol,
}

/// A call that a healthy host answers.
#[derive(Debug)]
pub struct GrpcProbe {
    /// The service that is asked for; empty for the host as a whole.
    pub service: Box<str>,
    /// The request's host; empty for the cluster's name.
    pub authority: Box<str>,
    /// What its headers become.
    pub headers: HeaderMutations,
}

/// What the one who does the checks is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// The cluster has other hosts.
    HostsChanged,
    /// A response to traffic says that the host is to be left out at once.
    Failed(Arc<Host>),
}

impl Check {
    /// A check without options.
    pub(crate) fn new(
        timing: Timing,
        thresholds: Thresholds,
        probe: Probe,
        event_log_paths: Vec<Spanned<String>>,
    ) -> Self {
        Self {
            name: Box::default(),
            timing,
            thresholds,
            always_log: AlwaysLog::default(),
            reuses_connection: true,
            alpn: Box::default(),
            socket_criteria: None,
            probe,
            event_log_paths,
            event_logs: OnceLock::new(),
        }
    }
}

impl ActiveChecks {
    /// Checks that nobody does yet.
    pub(crate) fn new(all: Box<[Arc<Check>]>) -> Self {
        Self {
            all,
            excludes_new_hosts: false,
            ignores_health_on_removal: false,
            mailbox: OnceLock::new(),
        }
    }

    /// Has `mailbox` told from now on.
    pub(crate) fn tell(&self, mailbox: UnboundedSender<Told>) {
        let _one_who_checks_is_enough = self.mailbox.set(mailbox);
    }

    pub(crate) fn hosts_changed(&self) {
        self.say(Told::HostsChanged);
    }

    /// A response to traffic, which may say that its host is to be left out at once. May be called on any thread.
    #[inline]
    pub(crate) fn note_response(&self, host: &Arc<Host>, headers: &HeaderMap) {
        if headers.contains(Known::XEnvoyImmediateHealthCheckFail) {
            self.host_leaves_at_once(host);
        }
    }

    #[cold]
    fn host_leaves_at_once(&self, host: &Arc<Host>) {
        let excluded = HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL;
        let _published_with_the_failure = host.change_health(excluded, HealthFlags::HEALTHY);
        self.say(Told::Failed(Arc::clone(host)));
    }

    fn say(&self, told: Told) {
        if let Some(mailbox) = self.mailbox.get() {
            let _checks_have_ended_with_their_cluster = mailbox.send(told);
        }
    }
}
