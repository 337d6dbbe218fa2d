//! A service of HTTP: what it is asked, and what its answer means. 200 lets the request pass, 5xx is a failure of the
//! service, and anything else is the answer that the client gets.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::calls::{CallAnswer, CallOptions, CallRetries};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::service_values::text;
use nuncio_contract::stream_info::metadata::Value;

use super::check::{PARTIAL_BODY, ToldBody, ToldHeaders, told_headers};
use super::verdict::{Allowed, Changes, Denied, How, Verdict};

/// Tells which headers a request that passes loses.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

/// A compiled service.
#[derive(Debug)]
pub(super) struct HttpTarget {
    pub(super) cluster: Box<str>,
    pub(super) timeout: Duration,
    pub(super) retries: Option<Arc<CallRetries>>,
    pub(super) path_prefix: Box<str>,
    /// What takes the place of the request's path, if anything.
    pub(super) path_override: Box<str>,
    pub(super) added: HeaderMutations,
    pub(super) to_upstream: Matchers,
    pub(super) to_upstream_joined: Matchers,
    /// None: all but the host.
    pub(super) to_client: Option<Matchers>,
    pub(super) to_client_on_success: Matchers,
    pub(super) to_metadata: Matchers,
}

/// Any of several.
pub(super) type Matchers = Box<[CompiledStringMatcher]>;

fn any(matchers: &[CompiledStringMatcher], name: &[u8]) -> bool {
    matchers.iter().any(|matcher| matcher.matches(name))
}

impl HttpTarget {
    pub(super) fn options(&self) -> CallOptions {
        CallOptions {
            timeout: Some(self.timeout).filter(|timeout| !timeout.is_zero()),
            retries: self.retries.clone(),
            hides_address: true,
            ..CallOptions::default()
        }
    }

    /// The head of the question.
    pub(super) fn head(
        &self,
        context: &FilterContext<'_>,
        told: &ToldHeaders,
        body: Option<&ToldBody>,
        is_raw: bool,
    ) -> HeaderMap {
        let mut head = HeaderMap::request();
        let length = body.map_or(0, |body| body.bytes.len());
        head.set_integer(Known::ContentLength, u64::try_from(length).unwrap_or(0));
        for header in told_headers(context.request_headers, told) {
            match header.name {
                b"content-length" => {}
                b":path" if !self.path_override.is_empty() => {
                    head.append(Known::Path, self.path_override.as_bytes());
                }
                b":path" if !self.path_prefix.is_empty() => {
                    let path = [self.path_prefix.as_bytes(), header.value].concat();
                    head.append(Known::Path, &path);
                }
                // All values of a name are one, as with gRPC.
                name => match HeaderName::parse(&text(name)) {
                    Ok(key) if !is_raw && head.contains(&key) => {
                        let before = head.get(&key).unwrap_or_default();
                        let joined = [before, b",", header.value].concat();
                        head.set(&key, &joined);
                    }
                    _ => head.append_from_wire(name, header.value),
                },
            }
        }
        if let Some(body) = body {
            let partial: &[u8] = if body.is_partial { b"true" } else { b"false" };
            head.append_from_wire(PARTIAL_BODY.as_bytes(), partial);
        }
        let mut formats = FormatContext::new(context.stream_info, context.services);
        formats.request_headers = Some(context.request_headers);
        let added = self.added.evaluate(&head, &formats);
        added.apply(&mut head);
        head
    }

    /// What an answer means.
    pub(super) fn verdict(&self, mut answer: CallAnswer) -> Verdict {
        let status = answer.status();
        if !(200..500).contains(&status) {
            return Verdict::Error(None);
        }
        let mut removed = Vec::new();
        for header in answer.headers.iter() {
            if header.name == TO_REMOVE.as_bytes() {
                let names = text(header.value);
                let names = names.split(',').map(str::trim);
                removed.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
            }
        }
        answer
            .headers
            .remove_if(|header| header.name == TO_REMOVE.as_bytes());
        match status {
            200 => self.allowed(&answer.headers, removed),
            _ => self.denied(answer, status),
        }
    }

    fn allowed(&self, headers: &HeaderMap, removed: Vec<String>) -> Verdict {
        let mut allowed = Allowed {
            removed,
            ..Allowed::default()
        };
        for header in headers.iter() {
            let (name, value) = (text(header.name), header.value);
            if any(&self.to_upstream, header.name) {
                allowed.request.push_to_request(How::Set, &name, value);
            }
            if any(&self.to_upstream_joined, header.name) {
                allowed.request.push_to_request(How::Add, &name, value);
            }
            if any(&self.to_client_on_success, header.name) {
                allowed.response.push_to_response(How::Add, &name, value);
            }
            if any(&self.to_metadata, header.name) {
                let value = Value::String(text(value).into());
                allowed.metadata.insert(name, value);
            }
        }
        Verdict::Ok(Box::new(allowed))
    }

    fn denied(&self, answer: CallAnswer, status: u16) -> Verdict {
        const ALWAYS: [&[u8]; 4] = [
            b":status",
            b"location",
            b"content-length",
            b"www-authenticate",
        ];
        let mut denied = Denied {
            status,
            body: answer.body,
            shows_status: true,
            ..Denied::default()
        };
        let mut headers = Changes::default();
        for header in answer.headers.iter() {
            let tells = match &self.to_client {
                None => header.name != b"host",
                Some(matchers) => ALWAYS.contains(&header.name) || any(matchers, header.name),
            };
            if tells && header.name != b":status" {
                headers.push_to_denial(How::Set, &text(header.name), header.value);
            }
            if any(&self.to_metadata, header.name) {
                let value = Value::String(text(header.value).into());
                denied.metadata.insert(text(header.name), value);
            }
        }
        denied.headers = headers;
        Verdict::Denied(Box::new(denied))
    }
}
