//! What the json_to_metadata filter does to a stream.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute, TrailersStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::config::{self, ChainConfig, CompiledRule, Rules, Way};
use crate::json_rules::{Target, ValueType, json};

const MOST_TEXT_BYTES: usize = 8 * 1024;

stat_group! {
    /// Bodies of requests, at `json_to_metadata.`.
    pub struct RequestStats("rq.") {
        counters {
            success,
            mismatched_content_type,
            no_body,
            invalid_json_body,
        }
    }
}

stat_group! {
    /// Bodies of responses, at `json_to_metadata.`.
    pub struct ResponseStats("resp.") {
        counters {
            success,
            mismatched_content_type,
            no_body,
            invalid_json_body,
        }
    }
}

struct Worker {
    chain: Arc<Rules>,
    request: Arc<RequestStats>,
    response: Arc<ResponseStats>,
    /// Keeps them listed.
    _scope: Option<Scope>,
}

struct Factory(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = config::scope(context.root);
        Box::new(Factory(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            request: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            response: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            _scope: scope,
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(JsonToMetadataFilter {
            worker: Rc::clone(&self.0),
            holds_request: false,
            holds_response: false,
        })
    }
}

struct JsonToMetadataFilter {
    worker: Rc<Worker>,
    holds_request: bool,
    holds_response: bool,
}

impl HttpFilter for JsonToMetadataFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let content_type = context.request_headers.get(Known::ContentType);
        let content_type = content_type.unwrap_or_default().to_vec();
        let worker = Rc::clone(&self.worker);
        let Some(side) = worker.request_side(context.route) else {
            return HeadersStatus::Continue;
        };
        self.holds_request = side.begins(&content_type, end_stream, context);
        hold(self.holds_request)
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let worker = Rc::clone(&self.worker);
        match worker.request_side(context.route) {
            Some(side) => side.data(&mut self.holds_request, context, data, end_stream),
            None => DataStatus::Continue,
        }
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let worker = Rc::clone(&self.worker);
        if let Some(side) = worker.request_side(context.route) {
            side.end(&mut self.holds_request, context, b"");
        }
        TrailersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let worker = Rc::clone(&self.worker);
        let Some(side) = worker.response_side(context.route) else {
            return HeadersStatus::Continue;
        };
        let content_type = response.get(Known::ContentType).unwrap_or_default();
        self.holds_response = side.begins(content_type, end_stream, context);
        hold(self.holds_response)
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let worker = Rc::clone(&self.worker);
        match worker.response_side(context.route) {
            Some(side) => side.data(&mut self.holds_response, context, data, end_stream),
            None => DataStatus::Continue,
        }
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let worker = Rc::clone(&self.worker);
        if let Some(side) = worker.response_side(context.route) {
            side.end(&mut self.holds_response, context, b"");
        }
        TrailersStatus::Continue
    }
}

fn hold(is_held: bool) -> HeadersStatus {
    match is_held {
        true => HeadersStatus::Stop,
        false => HeadersStatus::Continue,
    }
}

impl Worker {
    fn rules<'a>(&'a self, route: PerRoute<'a>) -> &'a Rules {
        route.most_specific::<Rules>().unwrap_or(&self.chain)
    }

    fn request_side<'a>(&'a self, route: PerRoute<'a>) -> Option<Side<'a>> {
        Some(Side {
            way: self.rules(route).request.as_ref()?,
            success: &self.request.success,
            mismatched_content_type: &self.request.mismatched_content_type,
            no_body: &self.request.no_body,
            invalid_json_body: &self.request.invalid_json_body,
            finds_route_again: true,
        })
    }

    fn response_side<'a>(&'a self, route: PerRoute<'a>) -> Option<Side<'a>> {
        Some(Side {
            way: self.rules(route).response.as_ref()?,
            success: &self.response.success,
            mismatched_content_type: &self.response.mismatched_content_type,
            no_body: &self.response.no_body,
            invalid_json_body: &self.response.invalid_json_body,
            finds_route_again: false,
        })
    }
}

/// A direction's rules and counters.
#[derive(Clone, Copy)]
struct Side<'a> {
    way: &'a Way,
    success: &'a Counter,
    mismatched_content_type: &'a Counter,
    no_body: &'a Counter,
    invalid_json_body: &'a Counter,
    finds_route_again: bool,
}

impl Side<'_> {
    /// Whether the body is held back to be looked into.
    fn begins(
        self,
        content_type: &[u8],
        end_stream: bool,
        context: &mut FilterContext<'_>,
    ) -> bool {
        if !self.way.takes(content_type) {
            self.mismatched_content_type.inc();
            self.apply_all(context, |rule| rule.error.as_ref());
            return false;
        }
        if end_stream {
            self.no_body.inc();
            self.apply_all(context, |rule| rule.missing.as_ref());
        }
        !end_stream
    }

    fn data(
        self,
        is_held: &mut bool,
        context: &mut FilterContext<'_>,
        data: &Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !*is_held {
            return DataStatus::Continue;
        }
        let body_bytes = context.held_body.len().saturating_add(data.len());
        let is_too_large =
            u64::try_from(body_bytes).is_ok_and(|bytes| bytes > *context.buffer_limit_bytes);
        if !end_stream || is_too_large {
            return DataStatus::StopAndBuffer;
        }
        self.end(is_held, context, data.readable());
        DataStatus::Continue
    }

    /// Looks into a body that is there whole: what is held back, and the last chunk.
    fn end(self, is_held: &mut bool, context: &mut FilterContext<'_>, last: &[u8]) {
        if !std::mem::take(is_held) {
            return;
        }
        let body = match context.held_body {
            b"" => Cow::Borrowed(last),
            held => Cow::Owned([held, last].concat()),
        };
        if body.is_empty() {
            self.no_body.inc();
            return self.apply_all(context, |rule| rule.missing.as_ref());
        }
        let Ok(read) = json::read(&body) else {
            self.invalid_json_body.inc();
            return self.apply_all(context, |rule| rule.error.as_ref());
        };
        let mut made = Made::default();
        for rule in &self.way.rules {
            rule.apply(&read, &mut made, context.stream_info);
        }
        self.success.inc();
        self.set(made, context);
    }

    /// Applies the same of all rules, whatever the body.
    fn apply_all(
        self,
        context: &mut FilterContext<'_>,
        target: impl Fn(&CompiledRule) -> Option<&Target>,
    ) {
        let mut made = Made::default();
        for target in self.way.rules.iter().filter_map(target) {
            made.add_fixed(target, context.stream_info);
        }
        self.set(made, context);
    }

    fn set(self, made: Made<'_>, context: &mut FilterContext<'_>) {
        if self.finds_route_again && !made.0.is_empty() {
            context.route_is_stale.set(true);
        }
        for (namespace, fields) in made.0 {
            let metadata = context.stream_info.dynamic_metadata_mut();
            metadata.merge(namespace, fields);
        }
    }
}

/// Metadata by namespace that is not set yet, so that of one name the last one counts.
#[derive(Default)]
struct Made<'a>(Vec<(&'a str, Struct)>);

impl<'a> Made<'a> {
    fn add_fixed(&mut self, target: &'a Target, info: &StreamInfo) {
        if let Some(fixed) = &target.fixed {
            self.add(target, fixed.clone(), info);
        }
    }

    fn add(&mut self, target: &'a Target, value: Value, info: &StreamInfo) {
        let namespace = &*target.namespace;
        let existing = || {
            let metadata = info.dynamic_metadata()?;
            metadata.namespace(namespace)?.get(&target.key)
        };
        if target.keeps_existing && existing().is_some() {
            return;
        }
        let made = self.0.iter_mut().find(|(name, _)| *name == namespace);
        match made {
            Some((_, fields)) => fields.insert(&*target.key, value),
            None => {
                let fields = [(&*target.key, value)].into_iter().collect();
                self.0.push((namespace, fields));
            }
        }
    }
}

impl CompiledRule {
    fn apply<'a>(&'a self, body: &json::Value, made: &mut Made<'a>, info: &StreamInfo) {
        let mut object = body.as_object();
        for key in &self.path {
            let next = object.and_then(|object| object.get(&**key));
            object = next.and_then(json::Value::as_object);
        }
        let found = match (object, &self.present) {
            (None, _) => Err(Unusable),
            (Some(_), None) => Ok(None),
            (Some(_), Some(present)) if present.fixed.is_some() => {
                return made.add_fixed(present, info);
            }
            (Some(object), Some(present)) => match object.get(&*self.last_key) {
                Some(value) => value_for(present, value),
                None => Err(Unusable),
            },
        };
        match (found, &self.present, &self.missing) {
            (Ok(Some(value)), Some(present), _) => made.add(present, value, info),
            (Err(Unusable), _, Some(missing)) => made.add_fixed(missing, info),
            _ => {}
        }
    }
}

/// A value of which nothing can be made, which is as good as none.
struct Unusable;

/// A value that has no parts.
enum Scalar<'a> {
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    fn of(value: &'a json::Value) -> Result<Self, Unusable> {
        match value {
            json::Value::Null | json::Value::Array(_) | json::Value::Object(_) => Err(Unusable),
            json::Value::Bool(is_true) => Ok(Scalar::Bool(*is_true)),
            json::Value::String(text) => Ok(Scalar::Text(text)),
            json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Ok(Scalar::Whole(whole)),
                // `-0` is whole for Envoy, and a number with a sign for the reader.
                (None, Some(0.0)) => Ok(Scalar::Whole(0)),
                (None, Some(number)) => Ok(Scalar::Number(number)),
                (None, None) => Err(Unusable),
            },
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Scalar::Bool(is_true) => u8::from(is_true).to_string().into(),
            Scalar::Whole(number) => number.to_string().into(),
            Scalar::Number(number) => format!("{number:.6}").into(),
            Scalar::Text(text) => text.into(),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "all numbers of metadata are doubles"
    )]
    fn number(self) -> Result<f64, Unusable> {
        match self {
            Scalar::Bool(is_true) => Ok(f64::from(u8::from(is_true))),
            Scalar::Whole(number) => Ok(number as f64),
            Scalar::Number(number) => Ok(number),
            Scalar::Text(text) => text.trim_ascii().parse().map_err(|_| Unusable),
        }
    }
}

/// What is made of a value; none of an empty text that is to be one.
fn value_for(target: &Target, found: &json::Value) -> Result<Option<Value>, Unusable> {
    let scalar = Scalar::of(found)?;
    let value = match (target.value_type, scalar) {
        (ValueType::ProtobufValue, Scalar::Bool(is_true)) => Value::Bool(is_true),
        (ValueType::ProtobufValue, Scalar::Text(text)) => Value::String(short(text)?.into()),
        (ValueType::ProtobufValue | ValueType::Number, scalar) => Value::Number(scalar.number()?),
        (ValueType::String, scalar) => match short(&scalar.text())? {
            "" => return Ok(None),
            text => Value::String(text.into()),
        },
    };
    Ok(Some(value))
}

fn short(text: &str) -> Result<&str, Unusable> {
    if text.len() > MOST_TEXT_BYTES {
        return Err(Unusable);
    }
    Ok(text)
}
