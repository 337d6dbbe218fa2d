//! A call: what a request has become, and what comes of its response.

use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stats::Gauge;
use nuncio_transcoding::descriptor::MessageId;

use super::config::Settings;
use super::methods::{Entry, Place};
use super::reply::{When, bad_request, failure};
use super::request::{Upload, query};
use super::response::Download;

/// What a call needs to know of its method.
pub(super) struct Kind {
    pub(super) output: MessageId,
    pub(super) client_streams: bool,
    pub(super) server_streams: bool,
    pub(super) http_body: Option<Place>,
}

/// A call.
pub(super) struct Call {
    pub(super) settings: Arc<Settings>,
    pub(super) kind: Kind,
    pub(super) upload: Upload,
    pub(super) download: Download,
    pub(super) held_request: Held,
    pub(super) held_response: Held,
}

/// What is held, as a gauge shows it.
pub(super) struct Held {
    gauge: Arc<Gauge>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(gauge: &Arc<Gauge>) -> Self {
        Held {
            gauge: Arc::clone(gauge),
            bytes: 0,
        }
    }

    pub(super) fn set(&mut self, bytes: usize) {
        let count = |bytes: usize| u64::try_from(bytes).unwrap_or(0);
        match bytes >= self.bytes {
            true => self.gauge.add(count(bytes - self.bytes)),
            false => self.gauge.sub(count(self.bytes - bytes)),
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What a request is.
pub(super) enum Opening {
    /// None that is transcoded.
    Other,
    /// Refused.
    Refused(Box<LocalReply>),
    /// A call of the method at this path.
    Call(Box<str>, Kind, Upload),
}

/// Finds the method of a request, and reads its path and query.
pub(super) fn open(settings: &Settings, request: &HeaderMap) -> Opening {
    let target = request.get(Known::Path).unwrap_or_default();
    let query_at = target.iter().position(|byte| *byte == b'?');
    let (path, text) = target.split_at(query_at.unwrap_or(target.len()));
    let method = request.get_str(Known::Method).unwrap_or_default();
    let Some((entry, values)) = settings.methods.find(method, path) else {
        if !settings.refuses_unknown_methods {
            return Opening::Other;
        }
        let path = String::from_utf8_lossy(path);
        let words = format!("Could not resolve {path} to a method.");
        return Opening::Refused(failure(404, words, When::Early, "NOT_FOUND"));
    };
    let text = text.get(1..).unwrap_or_default();
    let bound = entry.bind(&settings.pool, values);
    let read = bound.and_then(|bindings| Ok((bindings, query(settings, entry, text)?)));
    let (bindings, query) = match read {
        Ok(read) => read,
        Err(words) if settings.refuses_unknown_parameters => {
            return Opening::Refused(bad_request(words, When::Early));
        }
        Err(_) => return Opening::Other,
    };
    let content_type = request.get(Known::ContentType).unwrap_or_default();
    match Upload::new(settings, entry, bindings, query, content_type) {
        Ok(upload) => Opening::Call(entry.path.clone(), kind_of(entry), upload),
        Err(words) => Opening::Refused(bad_request(words, When::Early)),
    }
}

fn kind_of(entry: &Entry) -> Kind {
    Kind {
        output: entry.output,
        client_streams: entry.client_streams,
        server_streams: entry.server_streams,
        http_body: entry.http_body.clone(),
    }
}
