//! The tracer of a worker: a socket to the daemon, and what all segments say.

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::tracing::{Span, SpanStart, Tracer};

use super::config::Settings;
use super::context;
use super::manifest::{Request, Throw};
use super::span::{Told, XRaySpan};
use crate::statsd::udp::{Collector, Datagram};

/// The tracer.
pub(super) struct XRayTracer {
    pub(super) settings: Arc<Settings>,
    /// That of segments of requests.
    name: Rc<str>,
    pub(super) header: Option<HeaderName>,
    /// Opened with the first segment; as long as that fails, with the next.
    socket: OnceCell<Datagram>,
    me: Weak<XRayTracer>,
}

impl XRayTracer {
    pub(super) fn new(settings: &Arc<Settings>) -> Rc<Self> {
        Rc::new_cyclic(|me| XRayTracer {
            settings: Arc::clone(settings),
            name: Rc::from(&*settings.name),
            header: HeaderName::parse("x-amzn-trace-id").ok(),
            socket: OnceCell::new(),
            me: Weak::clone(me),
        })
    }

    /// Sends the daemon a datagram with a segment.
    pub(super) fn send(&self, datagram: &[u8]) {
        let to = Collector::Ip(self.settings.daemon);
        if self.socket.get().is_none()
            && let Ok(socket) = Datagram::open(&to)
        {
            let _first = self.socket.set(socket);
        }
        if let Some(socket) = self.socket.get() {
            socket.send(datagram);
        }
    }

    fn is_sampled(&self, start: &SpanStart<'_>) -> bool {
        let bytes = |name| start.request.get(name).unwrap_or_default();
        let request = Request {
            host: bytes(Known::Authority),
            method: bytes(Known::Method),
            path: bytes(Known::Path),
        };
        let throw = Throw {
            now: start.services.now(),
            random: start.services.random_u64(),
        };
        self.settings.manifest.sample(&request, &throw)
    }
}

/// The id of a span.
pub(super) fn span_id(services: &dyn WorkerServices) -> String {
    format!("{:016x}", services.random_u64())
}

/// The id of a trace that begins now.
fn trace_id(services: &dyn WorkerServices) -> String {
    let since = services.wall().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    let low = services.random_u64() >> 32;
    format!("1-{seconds:08x}-{:016x}{low:08x}", services.random_u64())
}

impl Tracer for XRayTracer {
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>> {
        let header = self.header.as_ref();
        // Of several lines the first counts.
        let said = header.and_then(|name| start.request.get(name));
        let said = said.map(context::read);
        let decided = said.as_ref().and_then(|said| said.is_sampled);
        let is_sampled = decided.unwrap_or_else(|| self.is_sampled(start));
        let (trace_id, parent_id) = match said {
            Some(said) => (said.trace_id, said.parent_id),
            None => (trace_id(start.services).into_bytes(), Vec::new()),
        };
        let mut told = Told::default();
        let client = start.request.get(Known::XForwardedFor);
        if let Some(client) = client.filter(|_| is_sampled) {
            told.set_client(&context::text(client), true);
        }
        Some(Box::new(XRaySpan {
            tracer: self.me.upgrade()?,
            name: Rc::clone(&self.name),
            id: span_id(start.services),
            trace_id: trace_id.into(),
            parent_id: parent_id.into(),
            begin: start.begin,
            is_sampled,
            is_outbound: start.is_outbound,
            is_child: false,
            told,
        }))
    }
}
