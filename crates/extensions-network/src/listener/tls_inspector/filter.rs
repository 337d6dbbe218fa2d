//! What the TLS inspector does to a connection.

use std::sync::Arc;

use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::fingerprint::Offer;
use super::hello::{Hello, Read, read};
use super::not_tls::not_tls;

stat_group! {
    /// What was found, at `tls_inspector.`.
    pub struct TlsInspectorStats("tls_inspector.") {
        counters {
            alpn_found,
            alpn_not_found,
            client_hello_too_large,
            sni_found,
            sni_not_found,
            tls_found,
            tls_not_found,
        }
        histograms { bytes_processed: Bytes }
    }
}

/// The compiled config, shared by the workers.
#[derive(Clone, Copy)]
pub(super) struct Config {
    pub(super) most_bytes: usize,
    pub(super) closes_on_errors: bool,
    pub(super) makes_ja3: bool,
    pub(super) makes_ja4: bool,
}

#[derive(Clone)]
struct Shared {
    config: Config,
    stats: Arc<TlsInspectorStats>,
}

impl ListenerFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(Shared {
            config: *self,
            stats: root.worker_group(),
        })
    }
}

impl ListenerFilterFactory for Shared {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(self.clone())
    }

    fn most_bytes(&self) -> usize {
        self.config.most_bytes
    }
}

impl Shared {
    fn found(&self, hello: Hello, context: &mut ListenerContext<'_>) {
        let stats = &self.stats;
        stats.tls_found.inc();
        context.inspected.transport_protocol = "tls";
        self.fingerprint(&hello, context);
        match hello.server_name {
            Some(name) => {
                stats.sni_found.inc();
                context.connection.requested_server_name = name.to_ascii_lowercase().into();
            }
            None => stats.sni_not_found.inc(),
        }
        match hello.protocols.is_empty() {
            true => stats.alpn_not_found.inc(),
            false => {
                stats.alpn_found.inc();
                context.inspected.application_protocols = hello.protocols;
            }
        }
    }

    fn fingerprint(&self, hello: &Hello, context: &mut ListenerContext<'_>) {
        let Config {
            makes_ja3,
            makes_ja4,
            ..
        } = self.config;
        if !makes_ja3 && !makes_ja4 {
            return;
        }
        let Some(offer) = Offer::read(&hello.body) else {
            return;
        };
        if makes_ja3 {
            context.connection.ja3_hash = offer.ja3().into();
        }
        if makes_ja4 {
            context.connection.ja4_hash = offer.ja4().into();
        }
    }

    fn processed(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.stats.bytes_processed.record(bytes);
    }
}

impl ListenerFilter for Shared {
    fn on_accept(&mut self, _context: &mut ListenerContext<'_>) -> ListenerStatus {
        ListenerStatus::More
    }

    fn on_data(&mut self, context: &mut ListenerContext<'_>, data: &[u8]) -> ListenerStatus {
        match read(data) {
            Read::More if data.len() < self.config.most_bytes => return ListenerStatus::More,
            Read::More => {
                self.stats.client_hello_too_large.inc();
                self.processed(data.len());
                return ListenerStatus::Close;
            }
            Read::Hello(hello, bytes) => {
                self.processed(bytes);
                self.found(hello, context);
            }
            Read::Other => {
                self.stats.tls_not_found.inc();
                self.processed(data.len());
                context.connection.transport_failure_reason = not_tls(data).into();
                if self.config.closes_on_errors {
                    return ListenerStatus::Close;
                }
            }
        }
        ListenerStatus::Continue(0)
    }
}
