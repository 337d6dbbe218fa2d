//! TLS, at `cluster.<name>.` or `listener.<address>.` of a transport socket that speaks it.
//!
//! Ciphers, curves, signature algorithms and versions (`ssl.ciphers.<name>` and so on) appear with their
//! first handshake: [`Scope::counter`](crate::stats::Scope::counter).

use crate::stat_group;

stat_group! {
    /// Handshakes and verification.
    pub struct TlsStats("ssl.") {
        counters {
            connection_error,
            fail_verify_cert_hash,
            fail_verify_error,
            fail_verify_no_cert,
            fail_verify_san,
            handshake,
            no_certificate,
            ocsp_staple_failed,
            ocsp_staple_omitted,
            ocsp_staple_requests,
            ocsp_staple_responses,
            session_reused,
        }
    }
}

stat_group! {
    /// Secrets of a transport socket: under `client_ssl_socket_factory.` upstream and
    /// `server_ssl_socket_factory.` downstream.
    pub struct TlsSocketFactoryStats("") {
        counters {
            downstream_context_secrets_not_ready,
            ssl_context_update_by_sds,
            upstream_context_secrets_not_ready,
        }
    }
}

stat_group! {
    /// Contexts of QUIC, at `listener.<address>.`.
    pub struct QuicSocketFactoryStats("quic_server_transport_socket_factory.") {
        counters {
            context_config_update_by_sds,
            downstream_context_secrets_not_ready,
            upstream_context_secrets_not_ready,
        }
    }
}

stat_group! {
    /// QUIC of a listener, at `listener.<address>.`.
    pub struct QuicListenerStats("quic.") {
        counters {
            num_packets_rx_on_preferred_address = "connection.num_packets_rx_on_preferred_address",
            num_server_migration_detected = "connection.num_server_migration_detected",
            stateless_reset_packets_sent = "dispatcher.stateless_reset_packets_sent",
        }
    }
}
