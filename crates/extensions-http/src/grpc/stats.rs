//! What is counted of calls: `cluster.<name>.grpc.[<service>.<method>.]` and a status, `success`, `failure`, `total`
//! and so on. The names are known when a call comes, so a worker keeps its cells by name.
//!
//! Limit: clients choose the names where all methods are counted, so a worker keeps [`MAX_NAMES`] for a cluster and
//! counts nothing under further ones; Envoy keeps all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stats::{Counter, Histogram, Scope, Unit};
use nuncio_contract::stream_info::ClusterDescription;

use super::service_and_method;
use crate::level_stats::Kept;

/// How many names a worker keeps for a cluster.
const MAX_NAMES: usize = 16_384;

/// How calls came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    /// As gRPC's own.
    Grpc,
    /// As those of gRPC-Web.
    GrpcWeb,
}

/// A worker's cells for all clusters.
pub(crate) struct WorkerStats {
    root: Scope,
    clusters: RefCell<Kept<Rc<ClusterDescription>, Option<Rc<OfCluster>>>>,
}

struct OfCluster {
    scope: Scope,
    counters: RefCell<HashMap<Box<str>, Arc<Counter>>>,
    times: RefCell<HashMap<Box<str>, Arc<Histogram>>>,
}

impl WorkerStats {
    /// None yet; clusters lie under the scope of all stats.
    pub(crate) fn new(root: &Scope) -> Rc<Self> {
        Rc::new(WorkerStats {
            root: root.clone(),
            clusters: RefCell::default(),
        })
    }

    /// What is counted of calls at a cluster, under these names or without names.
    pub(crate) fn calls(
        &self,
        cluster: &Rc<ClusterDescription>,
        protocol: Protocol,
        names: Option<(&str, &str)>,
    ) -> Option<CallStats> {
        let make = || {
            let name = format!("cluster.{}", cluster.observability_name);
            Some(Rc::new(OfCluster {
                scope: self.root.scope(&name)?,
                counters: RefCell::default(),
                times: RefCell::default(),
            }))
        };
        let cluster = self.clusters.borrow_mut().get(cluster, make).clone()?;
        let protocol = match protocol {
            Protocol::Grpc => "grpc",
            Protocol::GrpcWeb => "grpc-web",
        };
        let prefix = match names {
            Some((service, method)) => format!("{protocol}.{service}.{method}."),
            None => format!("{protocol}."),
        };
        Some(CallStats { cluster, prefix })
    }

    /// The same under the names in a path; none where there are no such names.
    pub(crate) fn calls_by_path(
        &self,
        cluster: &Rc<ClusterDescription>,
        protocol: Protocol,
        path: &[u8],
        replaces_dots: bool,
    ) -> Option<CallStats> {
        let (service, method) = service_and_method(path)?;
        let mut service = String::from_utf8_lossy(service).into_owned();
        if replaces_dots {
            service = service.replace('.', "_");
        }
        let method = String::from_utf8_lossy(method);
        self.calls(cluster, protocol, Some((&service, &method)))
    }
}

/// What is counted of one call.
pub(crate) struct CallStats {
    cluster: Rc<OfCluster>,
    prefix: String,
}

impl CallStats {
    /// Adds to the counter of this name.
    pub(crate) fn count(&self, name: &str, amount: u64) {
        let name = [&self.prefix, name].concat();
        let mut counters = self.cluster.counters.borrow_mut();
        if let Some(counter) = counters.get(&*name) {
            counter.add(amount);
        } else if counters.len() < MAX_NAMES {
            let counter = self.cluster.scope.counter(&name);
            counter.add(amount);
            counters.insert(name.into(), counter);
        }
    }

    /// Counts how a call ended.
    pub(crate) fn count_end(&self, is_success: bool) {
        self.count(if is_success { "success" } else { "failure" }, 1);
        self.count("total", 1);
    }

    /// Counts the status in a head or in trailers, if there is one.
    pub(crate) fn count_status(&self, headers: &HeaderMap) {
        if let Some(status) = headers.get(Known::GrpcStatus) {
            self.count(&String::from_utf8_lossy(status), 1);
            self.count_end(status == b"0");
        }
    }

    /// Records how long the host took.
    pub(crate) fn record_time(&self, took: Duration) {
        let name = [&self.prefix, "upstream_rq_time"].concat();
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut times = self.cluster.times.borrow_mut();
        if let Some(histogram) = times.get(&*name) {
            histogram.record(millis);
        } else if times.len() < MAX_NAMES {
            let histogram = self.cluster.scope.histogram(&name, Unit::Milliseconds);
            histogram.record(millis);
            times.insert(name.into(), histogram);
        }
    }
}
