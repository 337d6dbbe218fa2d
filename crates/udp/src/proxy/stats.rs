//! What the UDP proxy counts.

use nuncio_contract::stat_group;

stat_group! {
    /// Sessions of a UDP proxy, at `udp.<stat_prefix>.`.
    pub struct UdpProxyStats("") {
        counters {
            downstream_sess_no_route,
            downstream_sess_rx_bytes,
            downstream_sess_rx_datagrams,
            downstream_sess_rx_errors,
            downstream_sess_total,
            downstream_sess_tx_bytes,
            downstream_sess_tx_datagrams,
            downstream_sess_tx_errors,
            idle_timeout,
            session_filter_config_missing,
        }
        gauges { downstream_sess_active }
    }
}

stat_group! {
    /// Datagrams of a cluster, at `cluster.<name>.`.
    pub struct UdpClusterStats("udp.") {
        counters {
            sess_rx_datagrams,
            sess_rx_datagrams_dropped,
            sess_rx_errors,
            sess_tunnel_buffer_overflow,
            sess_tunnel_failure,
            sess_tunnel_success,
            sess_tx_datagrams,
            sess_tx_errors,
        }
    }
}
