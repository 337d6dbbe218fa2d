//! Our answers where a host fails or takes too long, and the ends of responses that break off.

use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::{UpstreamError, UpstreamErrorKind};

use super::Router;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Stop};

impl<D: Downstream> Router<'_, '_, D> {
    /// The status where there is no host.
    fn status_without_host(&self) -> u16 {
        let state = self.exchange.state.borrow();
        let wanted = state.info.upstream.wanted_host.as_ref();
        wanted
            .and_then(|wanted| wanted.status_without_it)
            .unwrap_or(503)
    }

    /// The reply with the count of attempts, where the virtual host wants it in responses.
    pub(super) fn with_attempts(&self, reply: LocalReply) -> LocalReply {
        with_attempts(self.exchange, reply)
    }

    /// Our answer to an upstream that failed before its response began, or the end of one that broke off.
    #[cold]
    pub(super) fn upstream_failed(&self, error: &UpstreamError, is_retry: bool) -> Stop {
        let flags = flags_of(error.kind);
        if self.exchange.response_begun.get() {
            let mut state = self.exchange.state.borrow_mut();
            self.note_broken_grpc();
            state.info.response_flags |= flags;
            state.info.response_code_details =
                Some(details_of(error, "upstream_reset_after_response_started").into());
            return Stop::ResponseBroken;
        }
        if error.kind == UpstreamErrorKind::NoHealthyUpstream {
            let status = self.status_without_host();
            self.with_account(|account| account.charge(status));
            let body = b"no healthy upstream".as_slice();
            let reply = LocalReply::new(status, body, "no_healthy_upstream").with_flags(flags);
            return Stop::Reply(Box::new(self.with_attempts(reply)));
        }
        let status = status_of_failure(error.kind);
        self.forget_host_of(error);
        let mut basic = "upstream_reset_before_response_started";
        self.with_account(|account| {
            account.charge_failure(status);
            if error.kind == UpstreamErrorKind::Overflow {
                account.cluster.shared().dropped().count();
            }
            if account.has_answered() {
                basic = "upstream_reset_after_response_started";
            }
        });
        self.note_broken_grpc();
        if let Some(reason) = &error.transport_failure_reason {
            self.exchange
                .state
                .borrow_mut()
                .info
                .upstream
                .transport_failure_reason = reason.to_string().into();
        }
        let body = text_of_failure(error.kind, is_retry);
        let details = details_of(error, basic);
        let mut reply = LocalReply::new(status, body.into_bytes(), details).with_flags(flags);
        if error.kind == UpstreamErrorKind::Overflow && !self.config.suppress_envoy_headers {
            reply = reply.with_header(HeaderName::from(Known::XEnvoyOverloaded), b"true".to_vec());
        }
        Stop::Reply(Box::new(self.with_attempts(reply)))
    }

    /// Counts a call of gRPC whose response has begun and breaks off.
    fn note_broken_grpc(&self) {
        self.with_account(|account| {
            if account.awaits_grpc_end() {
                account.broke_off();
                let stats = &self.exchange.manager.stats.router;
                stats.rq_reset_after_downstream_response_started.inc();
            }
        });
    }

    /// What a circuit breaker refused before there was a connection is not the host's affair.
    pub(super) fn forget_host_of(&self, error: &UpstreamError) {
        if error.kind == UpstreamErrorKind::Overflow && !error.has_host {
            self.set_host(None);
            self.exchange.state.borrow_mut().info.upstream.chosen_host = None;
        }
    }

    /// Our answer where the stream to the host has lasted too long, or the end of what had begun.
    #[cold]
    pub(super) fn over(&self) -> Stop {
        let flags = ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED;
        let details = "upstream_max_stream_duration_reached";
        if self.exchange.response_begun.get() {
            let mut state = self.exchange.state.borrow_mut();
            state.info.response_flags |= flags;
            state.info.response_code_details = Some(details.into());
            return Stop::ResponseBroken;
        }
        let status = match self.exchange.body.borrow().done {
            true => 504,
            false => 408,
        };
        let body = b"upstream max stream duration reached".as_slice();
        let reply = LocalReply::new(status, body, details).with_flags(flags);
        Stop::Reply(Box::new(self.with_attempts(reply)))
    }

    /// Our answer to what took too long, or the end of what had begun.
    #[cold]
    pub(super) fn too_late(&self, details: &'static str) -> Stop {
        too_late(self.exchange, details)
    }
}

/// The route's timeout has passed.
pub(crate) fn timed_out<D: Downstream>(exchange: &Exchange<'_, D>) -> Stop {
    if let Some(account) = &*exchange.account.borrow() {
        account.timed_out();
        if !exchange.response_begun.get() {
            account.charge_timeout();
            // Without a connection the host has no share in it.
            let state = exchange.state.borrow();
            if state.info.upstream.remote_address.is_some() {
                account.report_timeout();
            }
        }
    }
    let stop = too_late(exchange, "response_timeout");
    exchange.account.borrow_mut().take();
    stop
}

fn too_late<D: Downstream>(exchange: &Exchange<'_, D>, details: &'static str) -> Stop {
    let flags = ResponseFlags::UPSTREAM_REQUEST_TIMEOUT;
    let account = exchange.account.borrow();
    if let Some(account) = account.as_ref().filter(|it| it.budget.is_some()) {
        let end = exchange.state.borrow().info.downstream_timing.last_rx_byte;
        let now = exchange.manager.worker.now();
        account.used(end.map_or(Duration::ZERO, |end| now.saturating_duration_since(end)));
    }
    drop(account);
    if exchange.response_begun.get() {
        let mut state = exchange.state.borrow_mut();
        state.info.response_flags |= flags;
        state.info.response_code_details = Some(details.into());
        return Stop::ResponseOverdue;
    }
    let account = exchange.account.borrow();
    let status = account.as_ref().map_or(504, |it| it.timeout_status());
    let body = match status {
        504 => b"upstream request timeout".as_slice(),
        _ => b"",
    };
    let reply = LocalReply::new(status, body, details).with_flags(flags);
    Stop::Reply(Box::new(with_attempts(exchange, reply)))
}

fn with_attempts<D: Downstream>(exchange: &Exchange<'_, D>, reply: LocalReply) -> LocalReply {
    let state = exchange.state.borrow();
    let host = (state.route.index).and_then(|index| state.route.table.virtual_host(index));
    let is_told = host.is_some_and(|host| host.include_attempt_count_in_response);
    match state.info.attempt_count {
        Some(count) if is_told => {
            let name = HeaderName::from(Known::XEnvoyAttemptCount);
            reply.with_header(name, count.to_string().into_bytes())
        }
        _ => reply,
    }
}

/// The status of our answer.
pub(crate) fn status_of_failure(kind: UpstreamErrorKind) -> u16 {
    match kind {
        UpstreamErrorKind::ProtocolError => 502,
        _ => 503,
    }
}

/// Why there was no answer, in Envoy's words.
pub(super) fn reset_reason(kind: UpstreamErrorKind) -> &'static str {
    kind.reset_reason()
}

/// Its text.
pub(crate) fn text_of_failure(kind: UpstreamErrorKind, is_retry: bool) -> String {
    if kind == UpstreamErrorKind::NoHealthyUpstream {
        return "no healthy upstream".to_owned();
    }
    let reason = kind.reset_reason();
    let retried = match is_retry {
        true => "retried and the latest ",
        false => "",
    };
    format!(
        "upstream connect error or disconnect/reset before headers. {retried}reset reason: {reason}"
    )
}

/// Why a call has no answer of a host, as details of response codes say it.
pub(crate) fn details_of_failure(error: &UpstreamError) -> String {
    match error.kind {
        UpstreamErrorKind::NoHealthyUpstream => "no_healthy_upstream".to_owned(),
        _ => details_of(error, "upstream_reset_before_response_started"),
    }
}

pub(crate) fn flags_of(kind: UpstreamErrorKind) -> ResponseFlags {
    match kind {
        UpstreamErrorKind::NoHealthyUpstream | UpstreamErrorKind::HostUnresolved => {
            ResponseFlags::NO_HEALTHY_UPSTREAM
        }
        UpstreamErrorKind::LocalConnectionFailure
        | UpstreamErrorKind::RemoteConnectionFailure
        | UpstreamErrorKind::ConnectionTimeout => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
        UpstreamErrorKind::ConnectionTermination => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
        UpstreamErrorKind::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
        UpstreamErrorKind::RemoteReset
        | UpstreamErrorKind::RemoteRefusedStream
        | UpstreamErrorKind::ConnectError => ResponseFlags::UPSTREAM_REMOTE_RESET,
        UpstreamErrorKind::LocalReset => ResponseFlags::LOCAL_RESET,
        UpstreamErrorKind::ProtocolError => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
    }
}

/// `basic{reset_reason|transport_reason}`, its spaces as underscores.
fn details_of(error: &UpstreamError, basic: &str) -> String {
    let reason = error.kind.reset_reason();
    let transport = error
        .transport_failure_reason
        .as_deref()
        .or(error.reset_details.as_deref())
        .map(|reason| format!("|{reason}"));
    format!("{basic}{{{reason}{}}}", transport.unwrap_or_default())
        .replace(|c: char| c.is_ascii_whitespace(), "_")
}
