//! What is counted of the calls to a cluster, at `cluster.<name>.thrift.` and `cluster.<name>.ratelimit.`; each stat is
//! listed once it counts.
//!
//! A worker looks each stat up once in the life of the cluster, which keeps what was found.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::thrift::{MessageKind, ReplyKind};
use nuncio_contract::stats::{Counter, Histogram, Unit};
use nuncio_upstream::cluster::ClusterShared;
use nuncio_upstream::{UpstreamErrorKind, WorkerCluster};

/// A stat that is looked up when it first counts.
struct Late<T>(OnceCell<Arc<T>>);

impl<T> Default for Late<T> {
    fn default() -> Self {
        Late(OnceCell::new())
    }
}

macro_rules! counters {
    ($($name:ident at $full_name:literal,)*) => {
        /// The counters of a cluster.
        #[derive(Default)]
        struct Counters {
            $($name: Late<Counter>,)*
        }

        impl ClusterStats {
            $(
                #[doc = concat!("Counts `", $full_name, "`.")]
                pub(crate) fn $name(&self) {
                    let counter = self.counters.$name.0.get_or_init(|| {
                        self.cluster.scope().counter($full_name)
                    });
                    counter.inc();
                }
            )*
        }
    };
}

counters! {
    rate_limit_error at "ratelimit.error",
    rate_limit_failure_mode_allowed at "ratelimit.failure_mode_allowed",
    rate_limit_ok at "ratelimit.ok",
    rate_limit_over_limit at "ratelimit.over_limit",
    downstream_cx_partial_response_close at "thrift.downstream_cx_partial_response_close",
    upstream_cx_drain_close at "thrift.upstream_cx_drain_close",
    upstream_resp_decoding_error at "thrift.upstream_resp_decoding_error",
    upstream_resp_error at "thrift.upstream_resp_error",
    upstream_resp_exception at "thrift.upstream_resp_exception",
    upstream_resp_exception_local at "thrift.upstream_resp_exception_local",
    local_connection_failure at "thrift.upstream_resp_exception_local.local_connection_failure",
    overflow at "thrift.upstream_resp_exception_local.overflow",
    remote_connection_failure at "thrift.upstream_resp_exception_local.remote_connection_failure",
    timeout at "thrift.upstream_resp_exception_local.timeout",
    upstream_resp_exception_remote at "thrift.upstream_resp_exception_remote",
    upstream_resp_invalid_type at "thrift.upstream_resp_invalid_type",
    upstream_resp_reply at "thrift.upstream_resp_reply",
    upstream_resp_success at "thrift.upstream_resp_success",
    upstream_rq_call at "thrift.upstream_rq_call",
    upstream_rq_invalid_type at "thrift.upstream_rq_invalid_type",
    upstream_rq_oneway at "thrift.upstream_rq_oneway",
}

/// The stats of a cluster's calls on a worker.
pub(crate) struct ClusterStats {
    cluster: Arc<ClusterShared>,
    counters: Counters,
    upstream_resp_size: Late<Histogram>,
    upstream_rq_size: Late<Histogram>,
    upstream_rq_time: Late<Histogram>,
}

impl ClusterStats {
    /// Those of this cluster on this worker.
    pub(crate) fn of(cluster: &WorkerCluster) -> Rc<Self> {
        cluster.kept(|| ClusterStats {
            cluster: Arc::clone(cluster.shared()),
            counters: Counters::default(),
            upstream_resp_size: Late::default(),
            upstream_rq_size: Late::default(),
            upstream_rq_time: Late::default(),
        })
    }

    fn record(&self, histogram: &Late<Histogram>, name: &str, unit: Unit, value: u64) {
        let scope = self.cluster.scope();
        let histogram = histogram.0.get_or_init(|| scope.histogram(name, unit));
        histogram.record(value);
    }

    /// A call goes there.
    pub(crate) fn called(&self, kind: MessageKind) {
        match kind {
            MessageKind::Call => self.upstream_rq_call(),
            MessageKind::Oneway => self.upstream_rq_oneway(),
            MessageKind::Reply | MessageKind::Exception => self.upstream_rq_invalid_type(),
        }
    }

    /// So many bytes of a call were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        let name = "thrift.upstream_rq_size";
        self.record(&self.upstream_rq_size, name, Unit::Bytes, bytes);
    }

    /// A call that was sent is over.
    pub(crate) fn over(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let name = "thrift.upstream_rq_time";
        self.record(&self.upstream_rq_time, name, Unit::Milliseconds, millis);
    }

    /// An answer came, of so many bytes.
    pub(crate) fn answered(&self, kind: MessageKind, reply: Option<ReplyKind>, bytes: u64) {
        match kind {
            MessageKind::Reply => {
                self.upstream_resp_reply();
                match reply {
                    Some(ReplyKind::Success) => self.upstream_resp_success(),
                    Some(ReplyKind::Error) => self.upstream_resp_error(),
                    None => {}
                }
            }
            MessageKind::Exception => {
                self.upstream_resp_exception();
                self.upstream_resp_exception_remote();
            }
            MessageKind::Call | MessageKind::Oneway => self.upstream_resp_invalid_type(),
        }
        let name = "thrift.upstream_resp_size";
        self.record(&self.upstream_resp_size, name, Unit::Bytes, bytes);
    }

    /// The client gets an exception of ours; why, if a connection is to blame.
    pub(crate) fn failed(&self, why: Option<UpstreamErrorKind>) {
        self.upstream_resp_exception();
        self.upstream_resp_exception_local();
        match why {
            None => {}
            Some(UpstreamErrorKind::Overflow) => self.overflow(),
            Some(UpstreamErrorKind::LocalConnectionFailure) => self.local_connection_failure(),
            Some(UpstreamErrorKind::ConnectionTimeout) => self.timeout(),
            Some(_) => self.remote_connection_failure(),
        }
    }
}
