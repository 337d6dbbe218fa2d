//! What runtime overrides of a fault, for all requests and for those of one downstream cluster.
//!
//! A request that names its cluster (`x-envoy-downstream-service-cluster`) is asked for under
//! `fault.http.<cluster>.`: its share of faults and its status there alone, its delay in both places, as in Envoy. Which clusters have values is looked up
//! once a change of the runtime.

use std::cell::{Ref, RefCell};
use std::collections::HashMap;

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};
use nuncio_contract::headers::{HeaderMap, Known};

use super::config::HttpFault;

const PREFIX: &str = "fault.http.";
const DELAY_PERCENT: &str = "delay.fixed_delay_percent";
const ABORT_PERCENT: &str = "abort.abort_percent";
const DELAY_DURATION: &str = "delay.fixed_duration_ms";
const ABORT_HTTP_STATUS: &str = "abort.http_status";

/// The keys of one configuration.
pub(super) struct Runtime {
    pub(super) delay_percent: RuntimeKey,
    pub(super) abort_percent: RuntimeKey,
    pub(super) delay_duration: RuntimeKey,
    pub(super) abort_http_status: RuntimeKey,
    pub(super) abort_grpc_status: RuntimeKey,
    pub(super) max_active: RuntimeKey,
    pub(super) rate_percent: RuntimeKey,
    /// All keys, for those of downstream clusters.
    pub(super) keys: RuntimeKeys,
}

impl Runtime {
    pub(super) fn compile(message: &HttpFault, keys: &RuntimeKeys) -> Self {
        let key = |given: &str, default: &str| match given {
            "" => keys.key(&format!("{PREFIX}{default}")),
            given => keys.key(given),
        };
        Runtime {
            delay_percent: key(&message.delay_percent_runtime, DELAY_PERCENT),
            abort_percent: key(&message.abort_percent_runtime, ABORT_PERCENT),
            delay_duration: key(&message.delay_duration_runtime, DELAY_DURATION),
            abort_http_status: key(&message.abort_http_status_runtime, ABORT_HTTP_STATUS),
            abort_grpc_status: key(&message.abort_grpc_status_runtime, "abort.grpc_status"),
            max_active: key(&message.max_active_faults_runtime, "max_active_faults"),
            rate_percent: key(
                &message.response_rate_limit_percent_runtime,
                "rate_limit.response_percent",
            ),
            keys: keys.clone(),
        }
    }
}

/// The keys of one downstream cluster.
#[derive(Clone, Default)]
pub(super) struct ClusterKeys {
    pub(super) delay_percent: RuntimeKey,
    pub(super) abort_percent: RuntimeKey,
    pub(super) delay_duration: RuntimeKey,
    pub(super) abort_http_status: RuntimeKey,
}

/// One worker's knowledge of which downstream clusters have values.
#[derive(Default)]
pub(super) struct DownstreamClusters(RefCell<KnownClusters>);

#[derive(Default)]
struct KnownClusters {
    generation: u64,
    by_name: HashMap<Box<[u8]>, ClusterKeys>,
    /// Of clusters without a value.
    none: ClusterKeys,
}

impl DownstreamClusters {
    /// The keys of the cluster that a request comes from; none if it does not say.
    pub(super) fn keys_of(
        &self,
        request: &HeaderMap,
        keys: &RuntimeKeys,
    ) -> Option<Ref<'_, ClusterKeys>> {
        let cluster = request.get(Known::XEnvoyDownstreamServiceCluster)?;
        if cluster.is_empty() {
            return None;
        }
        if self.0.borrow().generation != keys.generation() {
            self.0.replace(KnownClusters::of(keys));
        }
        Some(Ref::map(self.0.borrow(), |known| {
            known.by_name.get(cluster).unwrap_or(&known.none)
        }))
    }
}

impl KnownClusters {
    fn of(keys: &RuntimeKeys) -> Self {
        let mut known = KnownClusters {
            generation: keys.generation(),
            ..KnownClusters::default()
        };
        for name in keys.names_behind(PREFIX) {
            for suffix in [
                DELAY_PERCENT,
                ABORT_PERCENT,
                DELAY_DURATION,
                ABORT_HTTP_STATUS,
            ] {
                let cluster = name.strip_suffix(suffix);
                let Some(cluster) = cluster.and_then(|rest| rest.strip_suffix('.')) else {
                    continue;
                };
                let of = known.by_name.entry(cluster.as_bytes().into()).or_default();
                let key = keys.key(&format!("{PREFIX}{name}"));
                match suffix {
                    DELAY_PERCENT => of.delay_percent = key,
                    ABORT_PERCENT => of.abort_percent = key,
                    DELAY_DURATION => of.delay_duration = key,
                    _ => of.abort_http_status = key,
                }
            }
        }
        known
    }
}
