//! The defaults that clusters are given here, as configurations would write them; `tests.rs` holds them to the code.

use nuncio_config::expand::{FieldDefault, When};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const THRESHOLDS: &str = "envoy.config.cluster.v3.CircuitBreakers.Thresholds";
const LB_ENDPOINT: &str = "envoy.config.endpoint.v3.LbEndpoint";
const LEAST_REQUEST: &str = "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig";
const RING_HASH: &str = "envoy.config.cluster.v3.Cluster.RingHashLbConfig";
const MAGLEV: &str = "envoy.config.cluster.v3.Cluster.MaglevLbConfig";
const ZONE_AWARE: &str = "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig";
const POLICY: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy";

/// The defaults.
pub const DEFAULTS: &[FieldDefault] = &[
    FieldDefault::new(CLUSTER, &["type"], "STATIC"),
    FieldDefault::new(CLUSTER, &["connect_timeout"], "5s"),
    FieldDefault::new(CLUSTER, &["per_connection_buffer_limit_bytes"], "1048576"),
    FieldDefault::new(
        CLUSTER,
        &["circuit_breakers", "thresholds"],
        "[{priority: DEFAULT}, {priority: HIGH}]",
    ),
    FieldDefault::new(CLUSTER, &["dns_refresh_rate"], "5s")
        .when(When::With("type", &["STRICT_DNS", "LOGICAL_DNS"])),
    FieldDefault::new(CLUSTER, &["wait_for_warm_on_init"], "true"),
    FieldDefault::new(
        CLUSTER,
        &["common_lb_config", "healthy_panic_threshold", "value"],
        "50",
    ),
    FieldDefault::new(THRESHOLDS, &["max_connections"], "1024"),
    FieldDefault::new(THRESHOLDS, &["max_pending_requests"], "1024"),
    FieldDefault::new(THRESHOLDS, &["max_requests"], "1024"),
    FieldDefault::new(THRESHOLDS, &["max_retries"], "3"),
    FieldDefault::new(LB_ENDPOINT, &["load_balancing_weight"], "1"),
    FieldDefault::new(LEAST_REQUEST, &["choice_count"], "2"),
    FieldDefault::new(RING_HASH, &["minimum_ring_size"], "1024"),
    FieldDefault::new(RING_HASH, &["maximum_ring_size"], "8388608"),
    FieldDefault::new(MAGLEV, &["table_size"], "65537"),
    FieldDefault::new(ZONE_AWARE, &["min_cluster_size"], "6"),
    FieldDefault::new(POLICY, &["overprovisioning_factor"], "140"),
];
