//! What becomes of a request once the service has spoken.

use std::rc::Rc;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::filter::{Question, Worker};
use super::query;
use super::told::{LoggingInfo, ShadowDecision};
use super::verdict::{Allowed, Changes, Denied, How, REQUEST_ORDER, Verdict};
use crate::unusable::{invalid_value, unusable};

/// The namespace of what the service says of the stream.
const NAMESPACE: &str = "envoy.filters.http.ext_authz";
const FAILURE_MODE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";

/// Does what the verdict says; an answer if the request may not pass.
pub(super) fn conclude(
    worker: &Rc<Worker>,
    question: &Question,
    verdict: Verdict,
    context: &mut FilterContext<'_>,
) -> Option<Box<LocalReply>> {
    worker.end_info(question, context);
    match verdict {
        Verdict::Ok(allowed) => worker.pass(question, *allowed, context),
        Verdict::Denied(denied) => worker.deny(question, *denied, context),
        Verdict::Error(answer) => worker.fail(question, answer, context),
    }
}

impl Worker {
    fn pass(
        &self,
        question: &Question,
        mut allowed: Allowed,
        context: &mut FilterContext<'_>,
    ) -> Option<Box<LocalReply>> {
        if !allowed.metadata.is_empty() {
            let took = context
                .services
                .now()
                .saturating_duration_since(question.asked_at);
            let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
            let took_ms = Value::Number(f64::from(took_ms));
            allowed.metadata.insert("ext_authz_duration", took_ms);
        }
        self.take_metadata(std::mem::take(&mut allowed.metadata), context);
        if allowed.query_set.iter().any(query::breaks_line) {
            allowed.request.refuse(invalid_value(":path"));
        }
        let is_invalid = allowed.request.invalid.is_some() || allowed.response.invalid.is_some();
        if is_invalid && self.settings.refuses_invalid || self.keep_to_rules(&mut allowed).is_err()
        {
            return Some(self.refuse_invalid(question));
        }
        let clears_route = self.clears_route(&allowed);
        let changes_query = !allowed.query_set.is_empty() || !allowed.query_removed.is_empty();
        let changes_head =
            changes_query || !allowed.request.list.is_empty() || !allowed.removed.is_empty();
        let request = &mut *context.request_headers;
        allowed.request.apply(request, &REQUEST_ORDER, usize::MAX);
        for name in &allowed.removed {
            if let Some(name) = removable(name) {
                request.remove(&name);
            }
        }
        // A CONNECT has no path that could be changed.
        if changes_query && let Some(path) = request.get_str(Known::Path) {
            let path = query::changed(path, &allowed.query_set, &allowed.query_removed);
            request.set(Known::Path, path.as_bytes());
        }
        // What the manager has added by itself is not the service's fault.
        let is_too_much = changes_head && !self.max_request_head.holds(request);
        if clears_route {
            context.route_is_stale.set(true);
        }
        if is_too_much {
            self.stats.own.request_header_limits_reached.inc();
            return Some(self.refuse_invalid(question));
        }
        *question.response.borrow_mut() = allowed.response;
        if self.settings.is_shadow {
            self.tell_shadow(ShadowDecision::ok(), context);
        }
        self.stats.count(question.cluster.as_ref(), "ok");
        self.stats.own.ok.inc();
        // Without the header a client could have its own in its place.
        allowed.request.invalid.map(unusable)
    }

    /// Whether the route is looked for again. Headers that are only added do not count, as in Envoy.
    fn clears_route(&self, allowed: &Allowed) -> bool {
        if !self.settings.clears_route {
            return false;
        }
        let list = &self.settings.clearing_headers;
        let counts = |name: &HeaderName| list.is_empty() || list.contains(name);
        let mut changed = allowed.request.list.iter();
        let mut removed = allowed.removed.iter();
        !allowed.query_set.is_empty()
            || !allowed.query_removed.is_empty()
            || changed.any(|change| change.how != How::Add && counts(&change.name))
            || removed.any(|name| match HeaderName::parse(name) {
                Ok(name) => counts(&name),
                Err(_) => list.is_empty(),
            })
    }

    /// Leaves out what the rules do not let it change.
    fn keep_to_rules(&self, allowed: &mut Allowed) -> Result<(), ()> {
        let Some(rules) = &self.settings.rules else {
            return Ok(());
        };
        let before = (allowed.request.list.len(), allowed.removed.len());
        allowed
            .request
            .list
            .retain(|change| rules.allow(&change.name));
        allowed
            .removed
            .retain(|name| removable(name).is_some_and(|name| rules.allow(&name)));
        let after = (allowed.request.list.len(), allowed.removed.len());
        match rules.is_error && before != after {
            true => Err(()),
            false => Ok(()),
        }
    }

    fn refuse_invalid(&self, question: &Question) -> Box<LocalReply> {
        self.stats.count(question.cluster.as_ref(), "invalid");
        self.stats.own.invalid.inc();
        invalid()
    }

    fn deny(
        &self,
        question: &Question,
        mut denied: Denied,
        context: &mut FilterContext<'_>,
    ) -> Option<Box<LocalReply>> {
        let is_shadow = self.settings.is_shadow;
        self.take_metadata(std::mem::take(&mut denied.metadata), context);
        if denied.headers.invalid.is_some() && self.settings.refuses_invalid && !is_shadow {
            return Some(self.refuse_invalid(question));
        }
        self.stats.own.denied.inc();
        let cluster = question.cluster.as_ref();
        self.stats.count(cluster, "denied");
        if self.settings.charges_cluster {
            self.stats.charge(cluster, denied.status);
        }
        if is_shadow {
            self.stats.own.shadow_denied.inc();
            self.tell_shadow(ShadowDecision::denied(&denied), context);
            return None;
        }
        Some(self.answer(denied, "ext_authz_denied"))
    }

    fn answer(&self, mut denied: Denied, details: &'static str) -> Box<LocalReply> {
        if let Some(max) = self.settings.max_denied_body_bytes {
            denied.body.truncate(max);
        }
        let mut reply = LocalReply::new(denied.status, denied.body, details)
            .with_flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE);
        add_headers(&mut reply, denied.headers);
        Box::new(reply)
    }

    fn fail(
        &self,
        question: &Question,
        answer: Option<Box<Denied>>,
        context: &mut FilterContext<'_>,
    ) -> Option<Box<LocalReply>> {
        let cluster = question.cluster.as_ref();
        self.stats.count(cluster, "error");
        self.stats.own.error.inc();
        if self.settings.is_shadow {
            self.stats.own.shadow_error.inc();
            let status = answer.map_or(self.settings.status_on_error, |answer| answer.status);
            self.tell_shadow(ShadowDecision::error(status), context);
            return None;
        }
        if self.settings.passes_on_error {
            self.stats.count(cluster, "failure_mode_allowed");
            self.stats.own.failure_mode_allowed.inc();
            if self.settings.tells_of_passing
                && let Ok(name) = HeaderName::parse(FAILURE_MODE_ALLOWED)
            {
                context.request_headers.append(&name, b"true");
            }
            return None;
        }
        let details = "ext_authz_error";
        Some(match answer {
            Some(answer) => self.answer(*answer, details),
            None => self.error(),
        })
    }

    /// The answer where nobody could say.
    pub(super) fn error(&self) -> Box<LocalReply> {
        let status = self.settings.status_on_error;
        let reply = LocalReply::new(status, b"".as_slice(), "ext_authz_error");
        Box::new(reply.with_flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE))
    }

    fn tell_shadow(&self, decision: ShadowDecision, context: &mut FilterContext<'_>) {
        decision.leave(&self.name, context.stream_info.filter_state_mut());
    }

    /// The service is asked.
    pub(super) fn begin_info(&self, context: &mut FilterContext<'_>) {
        let tells = self.settings.tells_stats;
        if tells && !LoggingInfo::leave(&self.name, context.stream_info.filter_state_mut()) {
            self.stats.own.filter_state_name_collision.inc();
        }
    }

    /// The service has answered.
    fn end_info(&self, question: &Question, context: &mut FilterContext<'_>) {
        if self.settings.tells_stats {
            let now = context.services.now();
            let took = now.saturating_duration_since(question.asked_at);
            let state = context.stream_info.filter_state_mut();
            LoggingInfo::answered(&self.name, state, took);
        }
    }

    fn take_metadata(&self, metadata: Struct, context: &mut FilterContext<'_>) {
        if metadata.is_empty() {
            return;
        }
        if !self.settings.takes_metadata {
            return self.stats.own.ignored_dynamic_metadata.inc();
        }
        let all = context.stream_info.dynamic_metadata_mut();
        all.merge(NAMESPACE, metadata);
    }
}

fn add_headers(reply: &mut LocalReply, headers: Changes) {
    let headers = headers.list.into_iter();
    reply.repeats_names = true;
    reply.headers = headers.map(|change| (change.name, change.value)).collect();
}

/// The answer where the service said what cannot be done.
pub(super) fn invalid() -> Box<LocalReply> {
    let reply = LocalReply::new(500, b"".as_slice(), "ext_authz_invalid");
    Box::new(reply.with_flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE))
}

/// A name that a request may lose.
fn removable(name: &str) -> Option<HeaderName> {
    let name = HeaderName::parse(name).ok()?;
    (name.known() != Some(Known::Host)).then_some(name)
}
