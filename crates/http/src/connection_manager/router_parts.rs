//! What a worker holds for a router: the filters between it and hosts, and its own logs. Upgrades with filters of their
//! own have a router of their own.

use std::rc::Rc;

use nuncio_contract::upstream_filters::UpstreamSlot;

use super::StatScopes;
use super::config::Terminal;
use crate::upstream_logs::UpstreamLogs;

/// What belongs to one router.
#[derive(Default)]
pub(crate) struct RouterParts {
    /// The filters between the router and hosts of clusters that say nothing of it, if there are some.
    pub(crate) filters: Option<Rc<[UpstreamSlot]>>,
    /// The router's own access logs, if it has some.
    pub(crate) logs: Option<Rc<UpstreamLogs>>,
}

impl RouterParts {
    /// Makes a worker's.
    pub(super) fn new(terminal: &Terminal, scopes: &StatScopes) -> Self {
        let Terminal::Router(router) = terminal else {
            return RouterParts::default();
        };
        let filters = router.upstream_filters.as_ref();
        let logs = router.upstream_logs.as_ref();
        RouterParts {
            filters: filters.map(|filters| filters.for_worker(&scopes.http, &scopes.root)),
            logs: logs.map(|logs| logs.worker(&scopes.root)),
        }
    }
}
