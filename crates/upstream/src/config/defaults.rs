//! The defaults that clusters are given here, as configurations would write them; `tests.rs` holds them to the code.

use nuncio_config::expand::{FieldDefault, When};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const THRESHOLDS: &str = "envoy.config.cluster.v3.CircuitBreakers.Thresholds";
const LB_ENDPOINT: &str = "envoy.config.endpoint.v3.LbEndpoint";

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
];
