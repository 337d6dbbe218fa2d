//! The trace of one connection: what is told, when, and what is kept until then.
//!
//! Buffered traces end with the first event of a direction that does not fit as a whole. Segments that wait are bounded
//! by what they wait for and one read or write more. Numbers of events count all bytes, kept or not.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_contract::tap::{self, Field, File, Message, Value};

use super::{Ends, TapSettings, TapStats, now};

/// A connection that is tapped.
pub struct Trace {
    settings: Arc<TapSettings>,
    stats: Arc<TapStats>,
    id: u64,
    ends: Ends,
    /// What has not been written, and its bytes.
    events: Vec<Message>,
    waiting_bytes: usize,
    received: Kept,
    sent: Kept,
    /// The number of the next event of a streamed trace.
    number: u64,
    pub(super) output: Output,
}

/// What is kept of a direction.
#[derive(Clone, Copy, Default)]
struct Kept {
    bytes: usize,
    is_truncated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// Where it is written.
pub(super) enum Output {
    File(File),
    /// What a test sees.
    #[cfg(test)]
    Memory(std::rc::Rc<std::cell::RefCell<Vec<u8>>>),
}

impl Trace {
    /// Begins with a connection, which is told at once where it is streamed.
    pub(super) fn begin(
        settings: Arc<TapSettings>,
        stats: Arc<TapStats>,
        id: u64,
        ends: Ends,
    ) -> Self {
        let mut trace = Self::new(settings, stats, id, ends);
        trace.tell_connection();
        trace
    }

    pub(super) fn new(
        settings: Arc<TapSettings>,
        stats: Arc<TapStats>,
        id: u64,
        ends: Ends,
    ) -> Self {
        Self {
            settings,
            stats,
            id,
            ends,
            events: Vec::new(),
            waiting_bytes: 0,
            received: Kept::default(),
            sent: Kept::default(),
            number: 1,
            output: Output::File(File::default()),
        }
    }

    pub(super) fn tell_connection(&mut self) {
        if self.settings.is_streaming {
            // Who connects does not know yet from where.
            let is_upstream = self.ends.is_upstream;
            let local = self.ends.local.take_if(|_| is_upstream);
            let connection = Field::chosen("connection", 2, self.connection());
            if is_upstream {
                self.ends.local = local;
            }
            self.submit_segment(connection);
        }
    }

    /// These came.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.passed(Direction::Read, bytes, now());
    }

    /// These went.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        self.passed(Direction::Write, bytes, now());
    }

    /// The connection ends.
    pub(crate) fn end(&mut self) {
        self.closed(now());
    }

    pub(super) fn passed(&mut self, direction: Direction, bytes: &[u8], at: SystemTime) {
        if bytes.is_empty() {
            return;
        }
        let settings = &self.settings;
        let (kept, most) = match direction {
            Direction::Read => (&mut self.received, settings.max_received_bytes),
            Direction::Write => (&mut self.sent, settings.max_sent_bytes),
        };
        let room = match (settings.is_streaming, settings.least_streamed_bytes) {
            (true, None) => most,
            (true, Some(_)) => usize::MAX,
            (false, _) if kept.is_truncated => return,
            (false, _) => most.saturating_sub(kept.bytes),
        };
        let shown = bytes.get(..room).unwrap_or(bytes);
        let is_truncated = shown.len() < bytes.len();
        if !settings.is_streaming {
            kept.bytes += shown.len();
            kept.is_truncated = is_truncated;
        }
        let body = Field::new(
            "data",
            1,
            Value::Message(tap::body(shown, is_truncated, settings.format)),
        );
        let selected = match direction {
            Direction::Read => Field::chosen("read", 2, Value::Message(vec![body])),
            Direction::Write => {
                let end = Field::new("end_stream", 2, Value::Flag(false));
                Field::chosen("write", 3, Value::Message(vec![body, end]))
            }
        };
        let event = self.event(selected, at);
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.number = self.number.saturating_add(count);
        self.waiting_bytes += bytes.len();
        match (
            self.settings.is_streaming,
            self.settings.least_streamed_bytes,
        ) {
            (false, _) => self.events.push(event),
            (true, None) => self.submit_segment(Field::chosen("event", 3, Value::Message(event))),
            (true, Some(least)) => {
                self.events.push(event);
                if self.waiting_bytes >= least {
                    self.submit_waiting();
                }
            }
        }
    }

    pub(super) fn closed(&mut self, at: SystemTime) {
        self.number = self.number.saturating_add(1);
        if !self.settings.is_streaming {
            return self.submit_all();
        }
        let closed = Field::chosen("closed", 4, Value::Message(Vec::new()));
        let event = self.event(closed, at);
        if self.settings.least_streamed_bytes.is_some() {
            self.events.push(event);
            self.submit_waiting();
        } else {
            self.submit_segment(Field::chosen("event", 3, Value::Message(event)));
        }
    }

    fn event(&self, selected: Field, at: SystemTime) -> Message {
        let mut event = vec![Field::new("timestamp", 1, Value::Time(at)), selected];
        let number = match self.settings.is_streaming {
            true => self.number,
            false => 0,
        };
        if self.settings.is_streaming && self.settings.tells_ends_each_time {
            event.push(Field::new("connection", 5, self.connection()));
        }
        event.push(Field::new("seq_num", 6, Value::Large(number)));
        event
    }

    fn connection(&self) -> Value {
        let ends = [
            ("local_address", 1, &self.ends.local),
            ("remote_address", 2, &self.ends.remote),
        ];
        let known = ends.into_iter().filter_map(|(name, number, address)| {
            let address = tap::address(address.as_ref()?);
            Some(Field::new(name, number, Value::Message(vec![address])))
        });
        Value::Message(known.collect())
    }

    fn submit_waiting(&mut self) {
        self.waiting_bytes = 0;
        let events = std::mem::take(&mut self.events);
        let events = vec![Field::new("events", 1, Value::List(events))];
        self.submit_segment(Field::chosen("events", 4, Value::Message(events)));
    }

    fn submit_segment(&mut self, piece: Field) {
        let segment = vec![Field::new("trace_id", 1, Value::Large(self.id)), piece];
        let segment = Value::Message(segment);
        self.stats.streamed_submit.inc();
        self.submit(Field::chosen("socket_streamed_trace_segment", 4, segment));
    }

    fn submit_all(&mut self) {
        let events = std::mem::take(&mut self.events);
        let flag =
            |name, number, kept: Kept| Field::new(name, number, Value::Flag(kept.is_truncated));
        let trace = vec![
            Field::new("trace_id", 1, Value::Large(self.id)),
            Field::new("connection", 2, self.connection()),
            Field::new("events", 3, Value::List(events)),
            flag("read_truncated", 4, self.received),
            flag("write_truncated", 5, self.sent),
        ];
        self.stats.buffered_submit.inc();
        self.submit(Field::chosen(
            "socket_buffered_trace",
            3,
            Value::Message(trace),
        ));
    }

    fn submit(&mut self, trace: Field) {
        let mut wrapper = vec![trace];
        if let Some(sampling) = &self.settings.sampling {
            let rate = tap::sampling(sampling.configured());
            wrapper.push(Field::new(
                "configured_sample_rate",
                5,
                Value::Message(rate),
            ));
        }
        let TapSettings {
            format,
            path_prefix,
            ..
        } = &*self.settings;
        let bytes = tap::encode(&wrapper, *format);
        match &mut self.output {
            Output::File(file) => file.write(&bytes, path_prefix, self.id, *format),
            #[cfg(test)]
            Output::Memory(memory) => memory.borrow_mut().extend(bytes),
        }
    }
}
