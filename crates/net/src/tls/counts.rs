//! What handshakes count, on one thread: `ssl.` of a cluster or of a listener.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use nuncio_contract::stats::groups::{TlsSocketFactoryStats, TlsStats};
use nuncio_contract::stats::{Counter, Scope};

use super::failure::TlsCounter;
use crate::transport::TlsInfo;

/// The cells of one thread.
pub struct TlsCounts {
    scope: Scope,
    stats: Arc<TlsStats>,
    /// By version, cipher suite, curve and signature, which are listed with their first handshake.
    agreed: RefCell<Vec<(Box<str>, Arc<Counter>)>>,
    /// What is counted of secrets, once there is something to count.
    secrets: OnceCell<Arc<TlsSocketFactoryStats>>,
}

impl TlsCounts {
    /// Under `scope`: of the cluster or of the listener.
    pub fn new(scope: Scope) -> Self {
        TlsCounts {
            stats: scope.worker_group(),
            scope,
            agreed: RefCell::default(),
            secrets: OnceCell::new(),
        }
    }

    /// Counts one event.
    pub fn count(&self, what: TlsCounter) {
        let stats = &self.stats;
        let counter = match what {
            TlsCounter::ConnectionError => &stats.connection_error,
            TlsCounter::VerifyError => &stats.fail_verify_error,
            TlsCounter::VerifySan => &stats.fail_verify_san,
            TlsCounter::VerifyCertHash => &stats.fail_verify_cert_hash,
            TlsCounter::VerifyNoCertificate => &stats.fail_verify_no_cert,
            TlsCounter::NoCertificate => &stats.no_certificate,
            TlsCounter::SessionReused => &stats.session_reused,
            TlsCounter::OcspRequest => &stats.ocsp_staple_requests,
            TlsCounter::OcspResponse => &stats.ocsp_staple_responses,
            TlsCounter::OcspOmitted => &stats.ocsp_staple_omitted,
            TlsCounter::OcspFailed => &stats.ocsp_staple_failed,
            TlsCounter::DownstreamSecretsNotReady => {
                let stats = self.of_secrets("server_ssl_socket_factory.");
                return stats.downstream_context_secrets_not_ready.inc();
            }
            TlsCounter::UpstreamSecretsNotReady => {
                let stats = self.of_secrets("client_ssl_socket_factory.");
                return stats.upstream_context_secrets_not_ready.inc();
            }
        };
        counter.inc();
    }

    /// Counts a handshake that is done, and what was agreed on.
    pub fn handshake(&self, info: &TlsInfo) {
        self.stats.handshake.inc();
        let agreed = [
            ("versions", info.version),
            ("ciphers", info.cipher),
            ("curves", info.curve),
            ("sigalgs", info.signature),
        ];
        for (what, name) in agreed {
            if let Some(name) = name {
                self.count_agreed(format!("ssl.{what}.{name}").into());
            }
        }
    }

    fn of_secrets(&self, at: &'static str) -> &TlsSocketFactoryStats {
        let make = || self.scope.worker_group_at(at);
        self.secrets.get_or_init(make)
    }

    fn count_agreed(&self, name: Box<str>) {
        let mut agreed = self.agreed.borrow_mut();
        if let Some((_, counter)) = agreed.iter().find(|(known, _)| *known == name) {
            return counter.inc();
        }
        let counter = self.scope.counter(&name);
        counter.inc();
        agreed.push((name, counter));
    }
}
