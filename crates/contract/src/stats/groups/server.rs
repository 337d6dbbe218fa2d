//! The process itself: `server.`, `cluster_manager.`, `runtime.`, `filesystem.` and the like.

use crate::stat_group;

stat_group! {
    /// The process, at the root.
    pub struct ServerStats("server.") {
        counters {
            debug_assertion_failures,
            dropped_stat_flushes,
            dynamic_unknown_fields,
            envoy_bug_failures,
            envoy_notifications,
            static_unknown_fields,
            wip_protos,
        }
        gauges {
            fips_mode = "compilation_settings.fips_mode",
            concurrency,
            days_until_first_cert_expiring,
            hot_restart_epoch,
            live,
            memory_allocated,
            memory_heap_size,
            memory_physical_size,
            parent_connections,
            seconds_until_first_ocsp_response_expiring,
            state,
            stats_recent_lookups,
            total_connections,
            uptime,
            version,
        }
        histograms {
            initialization_time_ms: Milliseconds,
        }
    }
}

stat_group! {
    /// Hot restarts, at the root; listed unless `--disable-hot-restart` is given.
    pub struct HotRestartStats("server.") {
        gauges {
            hot_restart_generation,
        }
    }
}

stat_group! {
    /// Reloads of the configuration file and of certificates; Nuncio's own, listed from the first event on.
    pub struct ReloadStats("server.reload.") {
        counters {
            certificates_failed,
            certificates_renewed,
            failure,
            success,
        }
    }
}

stat_group! {
    /// The cluster manager.
    pub struct ClusterManagerStats("cluster_manager.") {
        counters {
            cluster_added,
            cluster_modified,
            cluster_removed,
            cluster_updated,
            cluster_updated_via_merge,
            update_merge_cancelled,
            update_out_of_merge_window,
        }
        gauges {
            active_clusters,
            warming_clusters,
        }
    }
}

stat_group! {
    /// The runtime.
    pub struct RuntimeStats("runtime.") {
        counters {
            deprecated_feature_use,
            load_error,
            load_success,
            override_dir_exists,
            override_dir_not_exists,
        }
        gauges {
            admin_overrides_active,
            deprecated_feature_seen_since_process_start,
            num_keys,
            num_layers,
        }
    }
}

stat_group! {
    /// Files written by access logs.
    pub struct FilesystemStats("filesystem.") {
        counters {
            flushed_by_timer,
            reopen_failed,
            write_buffered,
            write_completed,
            write_failed,
        }
        gauges {
            write_total_buffered,
        }
    }
}

stat_group! {
    /// The DNS resolver; named after Envoy's c-ares, so that dashboards keep working.
    pub struct DnsResolverStats("dns.cares.") {
        counters {
            get_addr_failure,
            not_found,
            reinits,
            resolve_total,
            timeouts,
        }
        gauges {
            pending_resolutions,
        }
    }
}

stat_group! {
    /// A watchdog: register it under `main_thread.`, `workers.`, `server.main_thread.` and
    /// `server.worker_<n>.` (those in scopes of their own).
    pub struct WatchdogStats("") {
        counters {
            watchdog_mega_miss,
            watchdog_miss,
        }
    }
}

stat_group! {
    /// Clusters that a thread holds, at `thread_local_cluster_manager.worker_<n>.` (or `main_thread.`).
    pub struct ThreadLocalClusterManagerStats("") {
        gauges {
            clusters_inflated,
        }
    }
}

stat_group! {
    /// The overload manager's refresh.
    pub struct OverloadStats("overload.") {
        histograms {
            refresh_interval_delay: Milliseconds,
        }
    }
}

stat_group! {
    /// The overload manager's actions.
    pub struct OverloadActionStats("envoy.overload_actions.") {
        counters {
            reset_high_memory_stream_count = "reset_high_memory_stream.count",
        }
    }
}
