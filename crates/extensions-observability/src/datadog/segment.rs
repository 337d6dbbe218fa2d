//! What we have of a trace: its spans, which are told together once all have ended, and what is decided of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;

use super::context::{Context, SOURCE_TAG, Tags, set};
use super::sampling::Decision;
use super::tracer::DatadogTracer;
use super::w3c::State;
use crate::hex;
use crate::msgpack;
use crate::opentelemetry_tracer::context::{self as w3c, put};

/// The size of the header of trace tags at the most.
const MAX_TAGS_BYTES: usize = 512;
const MAKER_TAG: &str = "_dd.p.dm";
const RATE_TAG: &str = "_dd.p.ksr";

/// A span.
#[derive(Debug, Default)]
pub(super) struct SpanData {
    pub(super) resource: String,
    pub(super) span_id: u64,
    pub(super) parent_id: u64,
    pub(super) begin_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) is_error: bool,
    pub(super) tags: Tags,
}

/// The trace.
pub(super) struct Segment {
    pub(super) tracer: Rc<DatadogTracer>,
    pub(super) trace_id: (u64, u64),
    pub(super) state: RefCell<Shared>,
}

/// What changes of it.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) spans: Vec<SpanData>,
    pub(super) ended: usize,
    pub(super) decision: Option<Decision>,
    pub(super) context: Context,
}

impl Shared {
    /// Takes the decision, and says in the tags of the trace who has made it.
    pub(super) fn decide(&mut self, decision: Decision) {
        self.decision = Some(decision);
        let tags = &mut self.context.trace_tags;
        match decision.mechanism {
            Some(mechanism) if decision.priority > 0 => {
                set(tags, MAKER_TAG, format!("-{}", mechanism.number()));
            }
            _ => tags.retain(|(name, _)| name != MAKER_TAG),
        }
    }
}

pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

impl Segment {
    /// What is decided, now if not before.
    fn decided(&self, state: &mut Shared) -> Decision {
        if let Some(decision) = state.decision {
            return decision;
        }
        let decision = self.tracer.decide(self.trace_id.1);
        state.decide(decision);
        if let (Some(rate), Some(mechanism)) = (decision.rate, decision.mechanism)
            && mechanism != super::sampling::Mechanism::Default
        {
            let rate = format!("{rate:.6}");
            let rate = rate.trim_end_matches('0').trim_end_matches('.');
            let tags = &mut state.context.trace_tags;
            tags.push((RATE_TAG.to_owned(), rate.to_owned()));
        }
        decision
    }

    /// Tells the next of a span.
    pub(super) fn inject(&self, span_id: u64, request: &mut HeaderMap) {
        let state = &mut *self.state.borrow_mut();
        let priority = self.decided(state).priority;
        let Some(names) = self.tracer.names() else {
            return;
        };
        let mut text = |name, text: &str| {
            request.remove(name);
            request.set(name, text.as_bytes());
        };
        text(&names.trace_id, &self.trace_id.1.to_string());
        text(&names.parent_id, &span_id.to_string());
        text(&names.priority, &priority.to_string());
        let context = &state.context;
        if let Some(origin) = &context.origin {
            text(&names.origin, origin);
        }
        let mut tags = context.trace_tags.clone();
        let first = state.spans.first_mut();
        let source = first.as_ref().and_then(|span| {
            let mut tags = span.tags.iter();
            tags.find(|(name, _)| name == SOURCE_TAG)
        });
        tags.extend(source.cloned());
        let joined: Vec<_> = tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let joined = joined.join(",");
        if joined.len() > MAX_TAGS_BYTES {
            if let Some(first) = first {
                let what = "inject_max_size".to_owned();
                set(&mut first.tags, super::context::ERROR_TAG, what);
            }
        } else if !joined.is_empty() {
            text(&names.tags, &joined);
        }
        let (high, low) = self.trace_id;
        let id = u128::from(high) << 64 | u128::from(low);
        let parent = w3c::parent(&id.to_be_bytes(), &span_id.to_be_bytes(), priority > 0);
        put(request, Known::Traceparent, parent.as_bytes());
        let next = State {
            span_id,
            priority,
            origin: context.origin.as_deref(),
            trace_tags: &tags,
            more_of_ours: context.more_of_ours.as_deref(),
            more_state: context.more_state.as_deref(),
        };
        put(request, Known::Tracestate, next.text().as_bytes());
    }

    /// A span has ended; with the last one the trace is told.
    pub(super) fn end(&self, at: usize, end: SystemTime, services: &dyn WorkerServices) {
        let state = &mut *self.state.borrow_mut();
        if let Some(span) = state.spans.get_mut(at) {
            span.duration_ns = nanoseconds(end).saturating_sub(span.begin_ns);
        }
        state.ended += 1;
        if state.ended == state.spans.len() {
            let decision = self.decided(state);
            let text = self.written(state, decision);
            self.tracer.take(&text, services);
        }
    }

    fn written(&self, state: &Shared, decision: Decision) -> Vec<u8> {
        let mut out = Vec::new();
        msgpack::array(&mut out, state.spans.len());
        for (place, span) in state.spans.iter().enumerate() {
            let is_first = place == 0;
            msgpack::map(&mut out, 12);
            for (name, value) in [
                ("service", self.tracer.service()),
                ("name", "envoy.proxy"),
                ("resource", &span.resource),
            ] {
                msgpack::text(&mut out, name);
                msgpack::text(&mut out, value);
            }
            for (name, value) in [
                ("trace_id", self.trace_id.1),
                ("span_id", span.span_id),
                ("parent_id", span.parent_id),
                ("start", span.begin_ns),
                ("duration", span.duration_ns),
            ] {
                msgpack::text(&mut out, name);
                msgpack::unsigned(&mut out, value);
            }
            msgpack::text(&mut out, "error");
            msgpack::signed(&mut out, i64::from(span.is_error));
            self.append_meta(state, span, is_first, &mut out);
            append_metrics(decision, is_first, &mut out);
            msgpack::text(&mut out, "type");
            msgpack::text(&mut out, "web");
        }
        out
    }

    fn append_meta(&self, state: &Shared, span: &SpanData, is_first: bool, out: &mut Vec<u8>) {
        let mut tags = span.tags.clone();
        let of_trace = state.context.trace_tags.iter().filter(|_| is_first);
        for (name, value) in of_trace {
            if !tags.iter().any(|(known, _)| known == name) {
                tags.push((name.clone(), value.clone()));
            }
        }
        if let Some(origin) = &state.context.origin {
            set(&mut tags, "_dd.origin", origin.clone());
        }
        set(&mut tags, "language", "cpp".to_owned());
        set(&mut tags, "runtime-id", self.tracer.runtime_id().to_owned());
        msgpack::text(out, "meta");
        msgpack::map(out, tags.len());
        for (name, value) in &tags {
            msgpack::text(out, name);
            msgpack::text(out, value);
        }
    }
}

fn append_metrics(decision: Decision, is_first: bool, out: &mut Vec<u8>) {
    let mut metrics = vec![("process_id", f64::from(std::process::id()))];
    if is_first {
        metrics.push(("_sampling_priority_v1", f64::from(decision.priority)));
        metrics.extend(decision.rate.map(|rate| ("_dd.agent_psr", rate)));
    }
    msgpack::text(out, "metrics");
    msgpack::map(out, metrics.len());
    for (name, value) in metrics {
        msgpack::text(out, name);
        msgpack::double(out, value);
    }
}

/// A random id as UUIDs are written.
pub(super) fn uuid(high: u64, low: u64) -> String {
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let digits = hex::text(&bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}
