//! The factories of filters that other filters run, one set a worker, made when the first stream needs them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::head_limits::MaxHead;
use nuncio_contract::http_filter::{FilterWorkerContext, HttpFilterConfig, HttpFilterFactory};
use nuncio_contract::stats::Scope;

use super::action::Execute;
use crate::level_stats::Kept;

/// The factories of some filters, in order.
type Made = Rc<[Box<dyn HttpFilterFactory>]>;

/// A worker's factories.
pub(crate) struct Factories {
    scope: Scope,
    root: Scope,
    name: Box<str>,
    service_cluster: Box<str>,
    is_upstream: bool,
    max_request_head: MaxHead,
    by_action: RefCell<Kept<Arc<Execute>, Made>>,
}

impl Factories {
    /// None yet.
    pub(crate) fn new(context: &FilterWorkerContext<'_>) -> Self {
        Factories {
            scope: context.scope.clone(),
            root: context.root.clone(),
            name: context.name.into(),
            service_cluster: context.service_cluster.into(),
            is_upstream: context.is_upstream,
            max_request_head: context.max_request_head,
            by_action: RefCell::default(),
        }
    }

    /// The factories of these filters.
    pub(crate) fn of(&self, filters: &[Arc<dyn HttpFilterConfig>]) -> Made {
        let context = FilterWorkerContext {
            scope: &self.scope,
            root: &self.root,
            name: &self.name,
            service_cluster: &self.service_cluster,
            is_upstream: self.is_upstream,
            max_request_head: self.max_request_head,
        };
        let factories = filters.iter().map(|filter| filter.for_worker(&context));
        factories.collect()
    }

    /// Those of an action, whose filters these are.
    pub(crate) fn of_action(
        &self,
        action: &Arc<Execute>,
        filters: &[Arc<dyn HttpFilterConfig>],
    ) -> Made {
        let mut by_action = self.by_action.borrow_mut();
        Rc::clone(by_action.get(action, || self.of(filters)))
    }
}
