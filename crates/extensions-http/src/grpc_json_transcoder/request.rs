//! A request on its way to messages in frames.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_transcoding::request::bindings::Binding;
use nuncio_transcoding::request::{Body, Translator};
use nuncio_transcoding::wire::put_bytes;

use super::config::Settings;
use super::methods::{Entry, steps};
use super::reply::When;
use crate::grpc::frame_header;

const UNKNOWN_PARAMETERS: &str =
    "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams";

/// What a query says.
pub(super) struct Query {
    pub(super) bindings: Vec<Binding>,
    unknown: Unknown,
}

/// Parameters that are no fields.
#[derive(Default)]
struct Unknown {
    /// In the order in which they came first, with their values.
    parameters: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// Their places by their names: a query may have very many.
    places: HashMap<Vec<u8>, usize>,
}

/// Reads a query; the words for a parameter that is no field.
pub(super) fn query(settings: &Settings, entry: &Entry, text: &[u8]) -> Result<Query, String> {
    let mut query = Query {
        bindings: Vec::new(),
        unknown: Unknown::default(),
    };
    for parameter in text.split(|byte| *byte == b'&') {
        // As in Envoy, there must be a name.
        let at = parameter.iter().position(|byte| *byte == b'=');
        let Some(at) = at.filter(|at| *at > 0) else {
            continue;
        };
        let (name, value) = parameter.split_at(at);
        let decoded =
            |text| nuncio_transcoding::template::unescape_query(text, settings.plus_is_blank);
        let value = decoded(value.get(1..).unwrap_or_default());
        if settings
            .ignored_parameters
            .iter()
            .any(|ignored| ignored.as_bytes() == name)
        {
            continue;
        }
        // Dots part names before they are decoded; those to ignore are not decoded at all.
        let names = name.split(|byte| *byte == b'.').map(decoded);
        let names: Vec<_> = names
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect();
        match steps(
            &settings.pool,
            entry.input,
            names.iter().map(String::as_str),
        ) {
            Ok(path) => query.bindings.push(Binding { path, value }),
            Err(_) if settings.captures_unknown_parameters => {
                query.unknown.keep(decoded(name), value)
            }
            Err(_) if settings.ignores_unknown_parameters => {}
            Err(words) => return Err(words),
        }
    }
    Ok(query)
}

impl Unknown {
    fn keep(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let place = self.places.get(&name);
        match place.and_then(|place| self.parameters.get_mut(*place)) {
            Some((_, values)) => values.push(value),
            None => {
                self.places.insert(name.clone(), self.parameters.len());
                self.parameters.push((name, vec![value]));
            }
        }
    }

    /// The unknown parameters as an `Any`, for `HttpBody.extensions`.
    fn extension(&self) -> Option<Vec<u8>> {
        if self.parameters.is_empty() {
            return None;
        }
        let mut message = Vec::new();
        for (name, texts) in &self.parameters {
            let mut values = Vec::new();
            for text in texts {
                put_bytes(&mut values, 1, text);
            }
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, name);
            put_bytes(&mut entry, 2, &values);
            put_bytes(&mut message, 1, &entry);
        }
        let mut any = Vec::new();
        put_bytes(&mut any, 1, UNKNOWN_PARAMETERS.as_bytes());
        put_bytes(&mut any, 2, &message);
        Some(any)
    }
}

/// What becomes of a request's body.
pub(super) enum Upload {
    /// Messages are made of JSON.
    Json(Box<Translator>),
    /// The body is a message's as it is.
    Raw(Box<Raw>),
}

/// Bodies that are taken as they are.
pub(super) struct Raw {
    numbers: Vec<u32>,
    is_stream: bool,
    /// What is before the body in the first message: fields of the path and the query.
    prefix: Vec<u8>,
    content_type: Vec<u8>,
    extension: Option<Vec<u8>>,
    is_begun: bool,
    /// The body so far, where it is one message.
    data: Vec<u8>,
}

impl Upload {
    /// Begins with what path, query and head say; the words for what does not fit.
    pub(super) fn new(
        settings: &Settings,
        entry: &Entry,
        mut bindings: Vec<Binding>,
        mut query: Query,
        content_type: &[u8],
    ) -> Result<Self, String> {
        bindings.append(&mut query.bindings);
        let body = Body {
            path: entry.body.names.clone(),
            is_stream: entry.client_streams && !entry.takes_http_body,
            refuses_collisions: settings.refuses_collisions,
            options: settings.reading,
        };
        let pool = Arc::clone(&settings.pool);
        let mut translator = Translator::new(pool, entry.input, body, bindings);
        if !entry.takes_http_body {
            return Ok(Upload::Json(Box::new(translator)));
        }
        Ok(Upload::Raw(Box::new(Raw {
            numbers: entry.body.numbers.clone(),
            is_stream: entry.client_streams,
            prefix: translator.finish()?.concat(),
            content_type: content_type.to_vec(),
            extension: query.unknown.extension(),
            is_begun: false,
            data: Vec::new(),
        })))
    }

    /// The next piece of the body; frames, or the words for what is wrong.
    pub(super) fn feed(&mut self, chunk: &[u8], is_last: bool) -> Result<Vec<u8>, String> {
        let mut frames = Vec::new();
        match self {
            Upload::Json(translator) => {
                let mut messages = translator.feed(chunk)?;
                if is_last {
                    messages.append(&mut translator.finish()?);
                }
                for message in messages {
                    put_frame(&mut frames, &message);
                }
            }
            Upload::Raw(raw) => {
                raw.data.extend_from_slice(chunk);
                let is_due = match raw.is_stream {
                    true => !raw.data.is_empty() || (is_last && !raw.is_begun),
                    false => is_last,
                };
                if is_due {
                    put_frame(&mut frames, &raw.message());
                }
            }
        }
        Ok(frames)
    }

    /// How much is held.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Upload::Json(translator) => translator.held_bytes(),
            Upload::Raw(raw) => raw.data.len(),
        }
    }

    /// Whether there is a limit on what is held and comes.
    pub(super) fn is_limited(&self) -> bool {
        match self {
            Upload::Json(_) => true,
            Upload::Raw(raw) => !raw.is_stream,
        }
    }

    /// Where a failure is told to be: with the head, if that is all there is.
    pub(super) fn when(end_stream: bool) -> When {
        match end_stream {
            true => When::Early,
            false => When::Late,
        }
    }
}

impl Raw {
    fn message(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            if !self.content_type.is_empty() {
                put_bytes(&mut body, 1, &self.content_type);
            }
            if let Some(extension) = &self.extension {
                put_bytes(&mut body, 3, extension);
            }
        }
        put_bytes(&mut body, 2, &std::mem::take(&mut self.data));
        for number in self.numbers.iter().rev() {
            let mut outer = Vec::new();
            put_bytes(&mut outer, *number, &body);
            body = outer;
        }
        let mut message = std::mem::take(&mut self.prefix);
        message.append(&mut body);
        message
    }
}

fn put_frame(frames: &mut Vec<u8>, message: &[u8]) {
    frames.extend_from_slice(&frame_header(message.len()));
    frames.extend_from_slice(message);
}
