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

stat_group! {
    /// The clients of gRPC that have channels of their own, by the prefix that they say.
    pub struct ChannelStats("") {
        counters {
            google_grpc_client_creation,
            streams_total,
            streams_closed_0,
            streams_closed_1,
            streams_closed_2,
            streams_closed_3,
            streams_closed_4,
            streams_closed_5,
            streams_closed_6,
            streams_closed_7,
            streams_closed_8,
            streams_closed_9,
            streams_closed_10,
            streams_closed_11,
            streams_closed_12,
            streams_closed_13,
            streams_closed_14,
            streams_closed_15,
            streams_closed_16,
        }
    }
}

impl ChannelStats {
    /// Counts the end of a stream by its status.
    pub fn count_end(&self, status: u32) {
        let all = [
            &self.streams_closed_0,
            &self.streams_closed_1,
            &self.streams_closed_2,
            &self.streams_closed_3,
            &self.streams_closed_4,
            &self.streams_closed_5,
            &self.streams_closed_6,
            &self.streams_closed_7,
            &self.streams_closed_8,
            &self.streams_closed_9,
            &self.streams_closed_10,
            &self.streams_closed_11,
            &self.streams_closed_12,
            &self.streams_closed_13,
            &self.streams_closed_14,
            &self.streams_closed_15,
            &self.streams_closed_16,
        ];
        let of = usize::try_from(status).ok().and_then(|at| all.get(at));
        if let Some(of) = of {
            of.inc();
        }
    }
}
