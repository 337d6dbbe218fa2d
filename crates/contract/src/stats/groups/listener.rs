//! `listener.<address>.` and `listener_manager.`.

use crate::stat_group;

stat_group! {
    /// A listener, at `listener.<address or stat_prefix>.`; also `listener.admin.`.
    pub struct ListenerStats("") {
        counters {
            downstream_cx_destroy,
            downstream_cx_overflow,
            downstream_cx_overload_reject,
            downstream_cx_total,
            downstream_cx_transport_socket_connect_timeout,
            downstream_global_cx_overflow,
            downstream_listener_filter_error,
            downstream_listener_filter_remote_close,
            downstream_pre_cx_timeout,
            no_filter_chain_match,
        }
        gauges {
            downstream_cx_active,
            downstream_pre_cx_active,
        }
        histograms {
            connections_accepted_per_socket_event: Unspecified,
            downstream_cx_length_ms: Milliseconds,
        }
    }
}

stat_group! {
    /// Extension configuration that was missing, at `listener.<address>.`; not for the admin's.
    pub struct ListenerConfigStats("") {
        counters {
            extension_config_missing,
            network_extension_config_missing,
        }
    }
}

stat_group! {
    /// A listener's connections by thread, at `listener.<address>.worker_<n>.` (or `main_thread.`).
    pub struct ListenerWorkerStats("") {
        counters {
            downstream_cx_total,
        }
        gauges {
            downstream_cx_active,
        }
    }
}

stat_group! {
    /// The listener manager.
    pub struct ListenerManagerStats("listener_manager.") {
        counters {
            listener_added,
            listener_create_failure,
            listener_create_success,
            listener_in_place_updated,
            listener_modified,
            listener_removed,
            listener_stopped,
        }
        gauges {
            total_filter_chains_draining,
            total_listeners_active,
            total_listeners_draining,
            total_listeners_warming,
            workers_pinned,
            workers_started,
        }
    }
}
