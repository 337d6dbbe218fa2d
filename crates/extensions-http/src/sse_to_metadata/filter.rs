//! What the filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Value;

use super::config::{ChainConfig, Settings};
use super::events;
use crate::json_rules::{Target, json};

const EVENTS: &[u8] = b"text/event-stream";

stat_group! {
    /// What was made of events, at `sse_to_metadata.`; all filters of the kind have it in common.
    pub struct SseToMetadataStats("resp.json.") {
        counters {
            event_too_large,
            metadata_added,
            metadata_from_fallback,
            mismatched_content_type,
            no_data_field,
            parse_error,
            preserved_existing_metadata,
        }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Option<Arc<SseToMetadataStats>>,
}

struct Factory(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = context.root.scope("sse_to_metadata");
        let stats = scope.map(|scope| {
            scope.register::<SseToMetadataStats>();
            scope.worker_group()
        });
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats,
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(SseToMetadataFilter {
            worker: Rc::clone(&self.0),
            reading: None,
        })
    }
}

struct SseToMetadataFilter {
    worker: Rc<Worker>,
    /// What is known of the events so far; none where they are not looked at, or no longer.
    reading: Option<Box<Reading>>,
}

#[derive(Default)]
struct Reading {
    /// An event that is not complete.
    buffer: Vec<u8>,
    /// How much of it has been looked through.
    scanned: usize,
    /// By rule.
    seen: Vec<Seen>,
    had_error: bool,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    has_matched: bool,
    was_missing: bool,
}

impl HttpFilter for SseToMetadataFilter {
    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let content_type = response.get(Known::ContentType).unwrap_or_default();
        let kind = content_type.split(|byte| *byte == b';').next();
        let kind = kind.unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(EVENTS) {
            let seen = vec![Seen::default(); self.worker.settings.rules.len()];
            self.reading = Some(Box::new(Reading {
                seen,
                ..Reading::default()
            }));
        } else {
            self.worker
                .count(|stats| stats.mismatched_content_type.inc());
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(reading) = &mut self.reading else {
            return DataStatus::Continue;
        };
        reading.buffer.extend_from_slice(data.readable());
        // As in Envoy an end by itself completes no event.
        let is_over =
            !data.is_empty() && reading.read(&self.worker, context.stream_info, end_stream);
        if is_over || end_stream {
            self.conclude(context.stream_info);
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.conclude(context.stream_info);
        TrailersStatus::Continue
    }
}

impl SseToMetadataFilter {
    /// No more events are looked at: rules that have found nothing say so.
    fn conclude(&mut self, info: &mut StreamInfo) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        let rules = self.worker.settings.rules.iter();
        for (rule, seen) in rules.zip(&reading.seen) {
            let target = match (&rule.error, &rule.missing) {
                _ if seen.has_matched => None,
                (Some(error), _) if reading.had_error => Some(error),
                (_, missing) if seen.was_missing => missing.as_ref(),
                _ => None,
            };
            if let Some(target) = target
                && self.worker.put(target, target.fixed.clone(), info)
            {
                self.worker
                    .count(|stats| stats.metadata_from_fallback.inc());
            }
        }
    }
}

impl Reading {
    /// Looks at the events that are complete; whether no more have to be.
    fn read(&mut self, worker: &Worker, info: &mut StreamInfo, is_last: bool) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &*buffer;
        while let Some((event, taken)) = events::first(rest, &mut self.scanned, is_last) {
            if self.take_event(event, worker, info) {
                return true;
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        if rest.len() > worker.settings.max_event_bytes {
            worker.count(|stats| stats.event_too_large.inc());
            self.scanned = 0;
        } else {
            self.buffer = rest.to_vec();
        }
        false
    }

    fn take_event(&mut self, event: &[u8], worker: &Worker, info: &mut StreamInfo) -> bool {
        let Some(data) = events::data(event).filter(|data| !data.is_empty()) else {
            worker.count(|stats| stats.no_data_field.inc());
            return false;
        };
        let Ok(body) = json::read(&data) else {
            self.had_error = true;
            worker.count(|stats| stats.parse_error.inc());
            return false;
        };
        let rules = &worker.settings.rules;
        for (rule, seen) in rules.iter().zip(&mut self.seen) {
            if rule.counts_once && seen.has_matched {
                continue;
            }
            let Some(found) = rule.find(&body) else {
                seen.was_missing = true;
                continue;
            };
            seen.has_matched = true;
            if let Some(target) = &rule.present {
                worker.put(target, found.for_target(target), info);
            }
        }
        let mut all = rules.iter().zip(&self.seen);
        all.all(|(rule, seen)| rule.counts_once && seen.has_matched)
    }
}

impl Worker {
    /// Sets metadata; false if what is there stays, or there is no value.
    fn put(&self, target: &Target, value: Option<Value>, info: &mut StreamInfo) -> bool {
        let namespace = &*target.namespace;
        let existing = || {
            let metadata = info.dynamic_metadata()?;
            metadata.namespace(namespace)?.get(&target.key)
        };
        if target.keeps_existing && existing().is_some() {
            self.count(|stats| stats.preserved_existing_metadata.inc());
            return false;
        }
        let Some(value) = value else {
            return false;
        };
        let fields = [(&*target.key, value)].into_iter().collect();
        info.dynamic_metadata_mut().merge(namespace, fields);
        self.count(|stats| stats.metadata_added.inc());
        true
    }

    fn count(&self, count: impl FnOnce(&SseToMetadataStats)) {
        if let Some(stats) = &self.stats {
            count(stats);
        }
    }
}
