//! The trace of one stream: what is kept, and what is written of it.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::Address;
use nuncio_contract::tap::{self, Event, Field, File, Format, Message, Status, Value};

use super::config::Settings;

/// A stream that is tapped.
pub(super) struct Trace {
    settings: Arc<Settings>,
    id: u64,
    status: Status,
    pub(super) request: Side,
    pub(super) response: Side,
    has_started: bool,
    file: File,
    /// What a test sees.
    #[cfg(test)]
    pub(super) written: Vec<u8>,
}

/// What is known of a direction.
#[derive(Default)]
pub(super) struct Side {
    /// Whether its head has come.
    pub(super) has_head: bool,
    pub(super) received: Option<SystemTime>,
    body: Option<(Vec<u8>, bool)>,
    trailers: Option<Vec<Message>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

/// The heads of now.
#[derive(Clone, Copy, Default)]
pub(super) struct Heads<'a> {
    pub(super) request: Option<&'a HeaderMap>,
    pub(super) response: Option<&'a HeaderMap>,
}

/// The ends of a connection.
pub(super) type Ends<'a> = [Option<&'a Address>; 2];

impl Trace {
    pub(super) fn new(settings: Arc<Settings>, id: u64) -> Self {
        Self {
            status: settings.condition.begin(),
            settings,
            id,
            request: Side::default(),
            response: Side::default(),
            has_started: false,
            file: File::default(),
            #[cfg(test)]
            written: Vec::new(),
        }
    }

    pub(super) fn matches(&self) -> bool {
        self.status.matches
    }

    pub(super) fn head(&mut self, direction: Direction, head: &HeaderMap, heads: Heads<'_>) {
        let event = match direction {
            Direction::Request => Event::RequestHeaders(head),
            Direction::Response => Event::ResponseHeaders(head),
        };
        self.update(event);
        if self.is_streaming() {
            if direction == Direction::Response {
                self.start(heads, direction);
            }
            self.has_started = true;
            self.submit_head(direction, head);
        }
        self.side(direction).has_head = true;
    }

    pub(super) fn data(&mut self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (event, most) = match direction {
            Direction::Request => (Event::RequestBody(bytes), self.settings.max_received_bytes),
            Direction::Response => (Event::ResponseBody(bytes), self.settings.max_sent_bytes),
        };
        self.update(event);
        if self.has_started {
            let shown = bytes.get(..most).unwrap_or(bytes);
            let is_truncated = shown.len() < bytes.len();
            return self.submit_body(direction, shown, is_truncated);
        }
        // As in Envoy a piece that decides is not kept.
        if self.settings.is_streaming && !self.status.may_change {
            return;
        }
        let (body, is_truncated) = self.side(direction).body.get_or_insert_default();
        let room = most.saturating_sub(body.len());
        body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        *is_truncated = *is_truncated || bytes.len() > room;
    }

    pub(super) fn trailers(
        &mut self,
        direction: Direction,
        trailers: &HeaderMap,
        heads: Heads<'_>,
    ) {
        self.update(match direction {
            Direction::Request => Event::RequestTrailers(trailers),
            Direction::Response => Event::ResponseTrailers(trailers),
        });
        let list = headers(trailers, self.settings.format);
        self.side(direction).trailers = Some(list);
        if self.is_streaming() {
            self.start(heads, direction);
            if direction == Direction::Response {
                self.submit_kept_trailers(direction);
            }
        }
    }

    /// The stream is over.
    pub(super) fn end(&mut self, heads: Heads<'_>, downstream: Ends<'_>, upstream: Ends<'_>) {
        if self.settings.is_streaming || !self.status.matches {
            return;
        }
        let request = self.message(Direction::Request, heads.request);
        let response = self.message(Direction::Response, heads.response);
        let mut trace = Vec::new();
        trace.extend(request.map(|it| Field::new("request", 1, Value::Message(it))));
        trace.extend(response.map(|it| Field::new("response", 2, Value::Message(it))));
        if self.settings.records_downstream {
            trace.push(Field::new("downstream_connection", 3, ends(downstream)));
        }
        if self.settings.records_upstream {
            trace.push(Field::new("upstream_connection", 4, ends(upstream)));
        }
        self.submit(Field::chosen(
            "http_buffered_trace",
            1,
            Value::Message(trace),
        ));
    }

    fn message(&mut self, direction: Direction, head: Option<&HeaderMap>) -> Option<Message> {
        let format = self.settings.format;
        let side = self.side(direction);
        let head = head.filter(|_| side.has_head);
        if head.is_none() && side.body.is_none() && side.trailers.is_none() {
            return None;
        }
        let list = head.map(|head| headers(head, format)).unwrap_or_default();
        let mut message = vec![Field::new("headers", 1, Value::List(list))];
        if let Some((body, is_truncated)) = side.body.take() {
            let body = tap::body(&body, is_truncated, format);
            message.push(Field::new("body", 2, Value::Message(body)));
        }
        let trailers = side.trailers.take().unwrap_or_default();
        message.push(Field::new("trailers", 3, Value::List(trailers)));
        if let Some(received) = side.received {
            let received = Value::Time(received);
            message.push(Field::new("headers_received_time", 4, received));
        }
        Some(message)
    }

    fn update(&mut self, event: Event<'_>) {
        self.settings.condition.update(&mut self.status, event);
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    fn is_streaming(&self) -> bool {
        self.settings.is_streaming && self.status.matches
    }

    /// Tells what has come before, if nothing has been told; of the request its trailers as well.
    fn start(&mut self, heads: Heads<'_>, until: Direction) {
        let is_first = !std::mem::replace(&mut self.has_started, true);
        if is_first {
            if let Some(head) = heads.request.filter(|_| self.request.has_head) {
                self.submit_head(Direction::Request, head);
            }
            self.submit_kept_body(Direction::Request);
        }
        if is_first || until == Direction::Request {
            self.submit_kept_trailers(Direction::Request);
        }
        if is_first && until == Direction::Response && self.response.has_head {
            if let Some(head) = heads.response {
                self.submit_head(Direction::Response, head);
            }
            self.submit_kept_body(Direction::Response);
        }
    }

    fn submit_head(&mut self, direction: Direction, head: &HeaderMap) {
        let list = headers(head, self.settings.format);
        let (name, number) = match direction {
            Direction::Request => ("request_headers", 2),
            Direction::Response => ("response_headers", 5),
        };
        self.submit_headers(name, number, list);
    }

    fn submit_kept_trailers(&mut self, direction: Direction) {
        let (name, number) = match direction {
            Direction::Request => ("request_trailers", 4),
            Direction::Response => ("response_trailers", 7),
        };
        if let Some(list) = self.side(direction).trailers.take() {
            self.submit_headers(name, number, list);
        }
    }

    fn submit_headers(&mut self, name: &'static str, number: u32, list: Vec<Message>) {
        let map = vec![Field::new("headers", 1, Value::List(list))];
        self.submit_segment(Field::chosen(name, number, Value::Message(map)));
    }

    fn submit_kept_body(&mut self, direction: Direction) {
        if let Some((body, is_truncated)) = self.side(direction).body.take() {
            self.submit_body(direction, &body, is_truncated);
        }
    }

    fn submit_body(&mut self, direction: Direction, bytes: &[u8], is_truncated: bool) {
        let (name, number) = match direction {
            Direction::Request => ("request_body_chunk", 3),
            Direction::Response => ("response_body_chunk", 6),
        };
        let body = tap::body(bytes, is_truncated, self.settings.format);
        self.submit_segment(Field::chosen(name, number, Value::Message(body)));
    }

    fn submit_segment(&mut self, piece: Field) {
        let segment = vec![Field::new("trace_id", 1, Value::Large(self.id)), piece];
        self.submit(Field::chosen(
            "http_streamed_trace_segment",
            2,
            Value::Message(segment),
        ));
    }

    fn submit(&mut self, trace: Field) {
        let mut wrapper = vec![trace];
        if let Some(sampling) = &self.settings.sampling {
            let share = Value::Message(tap::sampling(sampling.configured()));
            wrapper.push(Field::new("configured_sample_rate", 5, share));
        }
        let format = self.settings.format;
        let bytes = tap::encode(&wrapper, format);
        #[cfg(test)]
        self.written.extend_from_slice(&bytes);
        self.file
            .write(&bytes, &self.settings.path_prefix, self.id, format);
    }
}

fn headers(map: &HeaderMap, format: Format) -> Vec<Message> {
    let value = |bytes: &[u8]| match format {
        Format::JsonBytes | Format::JsonString => Value::Text(tap::readable(bytes)),
        Format::Binary | Format::Delimited | Format::Text => Value::Bytes(bytes.to_vec()),
    };
    let header = |name: &[u8], text: &[u8]| {
        vec![
            Field::new("key", 1, value(name)),
            Field::new("value", 2, value(text)),
            Field::new("raw_value", 3, Value::Bytes(Vec::new())),
        ]
    };
    map.iter().map(|it| header(it.name, it.value)).collect()
}

fn ends([local, remote]: Ends<'_>) -> Value {
    let known = [("local_address", 1, local), ("remote_address", 2, remote)];
    let known = known.into_iter().filter_map(|(name, number, address)| {
        let address = vec![tap::address(address?)];
        Some(Field::new(name, number, Value::Message(address)))
    });
    Value::Message(known.collect())
}
