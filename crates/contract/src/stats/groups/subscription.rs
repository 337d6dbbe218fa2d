//! What subscriptions to resources list, wherever they stand (`listener_manager.lds.`, `http.<prefix>.rds.<name>.`, ...);
//! written by the main thread. `version` and `version_text` stand beside.

use crate::stat_group;

stat_group! {
    /// A subscription.
    pub struct SubscriptionStats("") {
        counters {
            init_fetch_timeout,
            update_attempt,
            update_failure,
            update_rejected,
            update_success,
        }
        gauges {
            update_time,
        }
        histograms {
            update_duration: Milliseconds,
        }
    }
}

stat_group! {
    /// What came of the updates of clusters, and of a route configuration.
    pub struct ConfigReloadStats("") {
        counters {
            config_reload,
        }
        gauges {
            config_reload_time_ms,
        }
    }
}

stat_group! {
    /// A filter's configuration.
    pub struct ExtensionConfigStats("") {
        counters {
            config_conflict,
            config_fail,
            config_reload,
        }
    }
}

stat_group! {
    /// A secret.
    pub struct SecretStats("") {
        counters {
            key_rotation_failed,
        }
    }
}

stat_group! {
    /// Updates of a route configuration or a secret that had nothing in them.
    pub struct EmptyUpdateStats("") {
        counters {
            update_empty,
        }
    }
}

stat_group! {
    /// A server of resources; `identifier` stands beside.
    pub struct ControlPlaneStats("control_plane.") {
        counters {
            rate_limit_enforced,
        }
        gauges {
            connected_state,
            pending_requests,
        }
    }
}
