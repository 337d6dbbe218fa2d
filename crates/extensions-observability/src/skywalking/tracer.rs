//! The tracer of a worker, which all connection managers of one configuration share.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::headers::Known;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Span, SpanStart, Tracer};

use super::config::Settings;
use super::context;
use super::sender::Sender;
use super::span::Segment;
use crate::of_thread::OfThread;

/// Who tells where neither the configuration nor the node says it.
const NOBODY: &str = "EnvoyProxy";

thread_local! {
    /// The tracers of this thread, by what they are written as.
    static TRACERS: OfThread<Vec<u8>, SkyWalkingTracer> = OfThread::default();
}

/// The tracer.
pub(super) struct SkyWalkingTracer {
    pub(super) settings: Arc<Settings>,
    pub(super) sender: Rc<Sender>,
    me: Weak<SkyWalkingTracer>,
}

impl SkyWalkingTracer {
    pub(super) fn of_thread(settings: &Arc<Settings>, scope: &Scope) -> Rc<Self> {
        TRACERS.with(|tracers| {
            tracers.get_or_make(settings.written.clone(), |me| {
                let root = scope.root();
                let stats = root.map(|root| root.worker_group()).unwrap_or_default();
                SkyWalkingTracer {
                    settings: Arc::clone(settings),
                    sender: Sender::new(settings, stats),
                    me,
                }
            })
        })
    }

    /// Service and instance.
    fn names(&self, services: &dyn WorkerServices) -> (String, String) {
        let node = services.local_node().unwrap_or_default();
        let first = |names: [&str; 2]| {
            let name = names.into_iter().find(|name| !name.is_empty());
            name.unwrap_or(NOBODY).to_owned()
        };
        (
            first([&self.settings.service, &node.cluster]),
            first([&self.settings.instance, &node.id]),
        )
    }
}

/// A random id.
fn id(services: &dyn WorkerServices) -> String {
    let (high, low) = (services.random_u64(), services.random_u64());
    let version = high & !0xf000 | 0x4000;
    let variant = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        version >> 32,
        version >> 16 & 0xffff,
        version & 0xffff,
        variant >> 48,
        variant & 0xffff_ffff_ffff,
    )
}

impl Tracer for SkyWalkingTracer {
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>> {
        if let Some(calls) = start.services.calls() {
            self.sender.begin(&calls);
        }
        let said = start.request.get(&self.settings.header);
        let parent = said.and_then(|said| context::read(std::str::from_utf8(said).ok()?));
        // A trace that others have begun goes on whether this request is sampled or not.
        if parent.is_none() && !start.is_sampled {
            return None;
        }
        let trace_id = match &parent {
            Some(parent) => parent.trace_id.clone(),
            None => id(start.services),
        };
        let path = start.request.get_str(Known::Path).unwrap_or_default();
        let segment = Segment::new(
            self.me.upgrade()?,
            (trace_id, id(start.services)),
            self.names(start.services),
            path.to_owned(),
        );
        Some(Box::new(segment.entry(start.begin, parent)))
    }
}
