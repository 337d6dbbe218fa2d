//! What is counted of the calls to a cluster, at `cluster.<name>.thrift.`; each stat is listed once it counts.

use std::rc::Rc;
use std::time::Duration;

use nuncio_codec::thrift::{MessageKind, ReplyKind};
use nuncio_contract::stats::Unit;
use nuncio_upstream::{UpstreamErrorKind, WorkerCluster};

/// The stats of a cluster's calls.
#[derive(Clone)]
pub(crate) struct ClusterStats(pub(crate) Rc<WorkerCluster>);

impl ClusterStats {
    pub(crate) fn count(&self, name: &str) {
        let scope = self.0.shared().scope();
        scope.counter(&format!("thrift.{name}")).inc();
    }

    fn record(&self, name: &str, unit: Unit, value: u64) {
        let scope = self.0.shared().scope();
        scope
            .histogram(&format!("thrift.{name}"), unit)
            .record(value);
    }

    /// A call goes there.
    pub(crate) fn called(&self, kind: MessageKind) {
        self.count(match kind {
            MessageKind::Call => "upstream_rq_call",
            MessageKind::Oneway => "upstream_rq_oneway",
            MessageKind::Reply | MessageKind::Exception => "upstream_rq_invalid_type",
        });
    }

    /// So many bytes of a call were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.record("upstream_rq_size", Unit::Bytes, bytes);
    }

    /// A call that was sent is over.
    pub(crate) fn over(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.record("upstream_rq_time", Unit::Milliseconds, millis);
    }

    /// An answer came, of so many bytes.
    pub(crate) fn answered(&self, kind: MessageKind, reply: Option<ReplyKind>, bytes: u64) {
        match kind {
            MessageKind::Reply => {
                self.count("upstream_resp_reply");
                match reply {
                    Some(ReplyKind::Success) => self.count("upstream_resp_success"),
                    Some(ReplyKind::Error) => self.count("upstream_resp_error"),
                    None => {}
                }
            }
            MessageKind::Exception => {
                self.count("upstream_resp_exception");
                self.count("upstream_resp_exception_remote");
            }
            MessageKind::Call | MessageKind::Oneway => self.count("upstream_resp_invalid_type"),
        }
        self.record("upstream_resp_size", Unit::Bytes, bytes);
    }

    /// The client gets an exception of ours; why, if a connection is to blame.
    pub(crate) fn failed(&self, why: Option<UpstreamErrorKind>) {
        self.count("upstream_resp_exception");
        self.count("upstream_resp_exception_local");
        if let Some(why) = why {
            let why = match why {
                UpstreamErrorKind::Overflow => "overflow",
                UpstreamErrorKind::LocalConnectionFailure => "local_connection_failure",
                UpstreamErrorKind::ConnectionTimeout => "timeout",
                _ => "remote_connection_failure",
            };
            self.count(&format!("upstream_resp_exception_local.{why}"));
        }
    }
}
