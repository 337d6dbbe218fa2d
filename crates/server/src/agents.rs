//! What this proxy does for servers that ask it to: it checks hosts ([`hds`](crate::hds)) and tells of load
//! ([`lrs`](crate::lrs)). Both begin once the first clusters are there.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::services::WorkerServices;
use nuncio_net::tasks::spawn_seldom;

use crate::bootstrap::{DynamicSources, Surroundings};
use crate::hds::Delegate;
use crate::lrs::LoadReporter;
use crate::node::NodeStamp;
use crate::running::Running;

/// Those that the configuration wants.
pub(crate) struct Agents {
    delegate: Option<Delegate>,
    reporter: Option<LoadReporter>,
}

impl Agents {
    pub(crate) fn new(
        around: &Surroundings<'_>,
        running: &Running,
        sources: &DynamicSources,
        services: &Rc<dyn WorkerServices>,
    ) -> Self {
        let node = || {
            let (node, _in_json) =
                NodeStamp::new(around.options, around.extensions).encoded(&running.tree());
            node
        };
        let delegate = sources.checks.as_ref().map(Arc::clone);
        let reporter = sources.loads.as_ref().map(Arc::clone);
        Agents {
            delegate: delegate.map(|server| Delegate::new(around, server, node(), services)),
            reporter: reporter.map(|server| LoadReporter::new(around, server, node(), services)),
        }
    }

    /// Has them work on tasks of the calling thread, the main one.
    pub(crate) fn begin(self) {
        if let Some(delegate) = self.delegate {
            spawn_seldom(delegate.run());
        }
        if let Some(reporter) = self.reporter {
            spawn_seldom(reporter.run());
        }
    }
}
