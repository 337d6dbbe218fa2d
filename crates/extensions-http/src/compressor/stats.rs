//! The counters of the compressor filter, at `http.<stat_prefix>.compressor.<library name>.<library>.`.

use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::config::Chain;

stat_group! {
    /// Bodies of a direction, at `request.`, `response.`, or for responses without a configuration of their own at
    /// none of both.
    pub struct CompressorStats("") {
        counters {
            compressed,
            not_compressed,
            total_uncompressed_bytes,
            total_compressed_bytes,
            content_length_too_small,
        }
    }
}

stat_group! {
    /// What clients accept, and responses that stay as they are for it.
    pub struct ResponseCompressorStats("") {
        counters {
            no_accept_header,
            header_identity,
            header_compressor_used,
            header_compressor_overshadowed,
            header_wildcard,
            header_not_valid,
            not_compressed_etag,
        }
    }
}

/// A worker's cells.
pub(super) struct Stats {
    pub(super) request: Arc<CompressorStats>,
    pub(super) response: Arc<CompressorStats>,
    pub(super) accepted: Arc<ResponseCompressorStats>,
    /// Keeps them listed.
    _scope: Option<Scope>,
}

impl Stats {
    pub(super) fn of(chain: &Chain, manager: &Scope) -> Self {
        let library = chain.library.stat_name();
        let scope = manager.scope(&format!("compressor.{}.{library}", chain.name));
        let own = match chain.response.has_own_scope {
            true => "response.",
            false => "",
        };
        let cells = |sub| {
            scope.as_ref().map_or_else(Arc::default, |scope| {
                scope.register_at::<CompressorStats>(sub);
                scope.worker_group_at(sub)
            })
        };
        Stats {
            request: cells("request."),
            response: cells(own),
            accepted: scope.as_ref().map_or_else(Arc::default, |scope| {
                scope.register::<ResponseCompressorStats>();
                scope.worker_group()
            }),
            _scope: scope,
        }
    }
}
