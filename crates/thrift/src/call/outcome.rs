//! What clients are told of calls, and what is counted of that.

use nuncio_codec::thrift::{AppException, DecodeError, ExceptionKind, MessageKind, ReplyKind};
use nuncio_upstream::UpstreamErrorKind;

use super::{Call, Done};
use crate::cluster_stats::ClusterStats;
use crate::exchange::{Answer, Failure, Payload};
use crate::reply;

impl Call<'_> {
    /// Counts a call that has come whole.
    pub(super) fn count_request(&mut self) {
        self.is_counted = true;
        let stats = &self.proxy.stats;
        stats.request.inc();
        match self.told.as_ref().map(|told| told.head.kind) {
            Some(MessageKind::Call) => stats.request_call.inc(),
            Some(MessageKind::Oneway) => stats.request_oneway.inc(),
            _ => stats.request_invalid_type.inc(),
        }
    }

    pub(super) fn answered(&mut self, answer: Option<Answer>) -> Done {
        let stats = &self.proxy.stats;
        let (Some(answer), Some(told)) = (answer, &mut self.told) else {
            return Done::default();
        };
        stats.response.inc();
        match answer.head.kind {
            MessageKind::Reply => stats.response_reply.inc(),
            MessageKind::Exception => stats.response_exception.inc(),
            MessageKind::Call | MessageKind::Oneway => stats.response_invalid_type.inc(),
        }
        match answer.reply {
            Some(ReplyKind::Success) => stats.response_success.inc(),
            Some(ReplyKind::Error) => stats.response_error.inc(),
            None => {}
        }
        if matches!(answer.payload, Payload::Unread(_)) {
            stats.request_passthrough.inc();
            stats.response_passthrough.inc();
        }
        let drains = (self.proxy.drains)();
        if drains {
            stats.downstream_response_drain_close.inc();
        }
        let sequence_id = told.head.sequence_id;
        match reply::answer(told.speaks, sequence_id, &answer, drains) {
            Ok(bytes) => {
                told.response = Some((answer.head.kind, answer.reply, told.speaks));
                Done {
                    bytes,
                    ..Done::default()
                }
            }
            Err(error) => self.failed(Failure::Answer(error), None),
        }
    }

    /// What the client is told of a call without an answer; `broken` says what is wrong with its payload, if something
    /// is.
    pub(super) fn failed(&mut self, failure: Failure, broken: Option<DecodeError>) -> Done {
        let closes = self.proxy.config.chain.closes_on_errors;
        let is_connected = self.progress.is_connected.get();
        let cluster = self.told.as_ref().and_then(|told| told.choice.as_ref());
        let cluster = cluster
            .and_then(|choice| self.cluster(choice))
            .map(|cluster| ClusterStats::of(&cluster));
        let lost = |kind| {
            if let Some(cluster) = &cluster {
                cluster.failed(Some(kind));
            }
        };
        let local = UpstreamErrorKind::LocalConnectionFailure;
        let protocol = |error: DecodeError| AppException::new(error.kind, error.text);
        match failure {
            Failure::Nowhere(exception) => self.refused(&exception, closes, broken),
            Failure::Refused(exception) => {
                // It counts as none that has come whole, as in Envoy.
                self.is_counted = true;
                self.refused(&exception, false, broken)
            }
            Failure::Unread(error) => self.reply(&protocol(error), true, true, true),
            Failure::Connection { kind, is_started } => {
                lost(kind);
                if is_started && let Some(cluster) = &cluster {
                    cluster.downstream_cx_partial_response_close();
                }
                let (exception, closes) = self.connection_failure(kind, is_started, closes);
                if !is_connected {
                    return self.refused(&exception, closes, broken);
                }
                let kind = self.told.as_ref().map(|told| told.head.kind);
                let is_odd = !matches!(kind, Some(MessageKind::Call | MessageKind::Oneway));
                self.reply(&exception, closes, closes && !is_odd, !is_odd)
            }
            Failure::Call(error) => {
                lost(local);
                if broken.is_none() {
                    self.proxy.stats.request_decoding_error.inc();
                }
                // The connection's end is told as well, though nobody hears it.
                self.count_unheard(closes);
                self.reply(&protocol(error), true, closes, true)
            }
            Failure::Answer(error) => {
                lost(local);
                if let Some(cluster) = &cluster {
                    cluster.downstream_cx_partial_response_close();
                }
                self.count_unheard(closes);
                self.proxy.stats.response_decoding_error.inc();
                self.reply(&protocol(error), true, closes, true)
            }
        }
    }

    fn connection_failure(
        &self,
        kind: UpstreamErrorKind,
        is_started: bool,
        closes: bool,
    ) -> (AppException, bool) {
        let exception = |text: String| AppException::new(ExceptionKind::InternalError, text);
        let why = match kind {
            UpstreamErrorKind::Overflow => {
                let text = "thrift upstream request: too many connections";
                return (exception(text.to_owned()), false);
            }
            UpstreamErrorKind::LocalConnectionFailure => "local connection failure",
            UpstreamErrorKind::ConnectionTimeout => "timeout",
            _ => "remote connection failure",
        };
        let till = if is_started { "complete" } else { "start" };
        let address = self.progress.address.borrow();
        let text = format!("connection failure before response {till}: {why} '{address}'");
        (exception(text), closes)
    }

    /// Tells of a call that did not go to a host; what is wrong with its payload is told behind that.
    fn refused(
        &mut self,
        exception: &AppException,
        closes: bool,
        broken: Option<DecodeError>,
    ) -> Done {
        let mut done = self.reply(exception, closes, closes, true);
        if closes {
            return done;
        }
        let Some(error) = broken else {
            if !self.is_counted {
                self.count_request();
            }
            return done;
        };
        let second = self.reply(&AppException::new(error.kind, error.text), true, true, true);
        done.bytes.extend_from_slice(&second.bytes);
        Done {
            bytes: done.bytes,
            ..second
        }
    }

    /// The client has gone before its answer came: as in Envoy it is told of the end of its host's connection, though
    /// nobody hears it.
    pub(super) fn count_given_up(&self) {
        let told = self.told.as_ref();
        let choice = told.and_then(|told| told.choice.as_ref());
        if let Some(cluster) = choice.and_then(|choice| self.cluster(choice)) {
            ClusterStats::of(&cluster).failed(Some(UpstreamErrorKind::LocalConnectionFailure));
        }
        if self.proxy.config.chain.closes_on_errors {
            self.proxy.stats.downstream_response_drain_close.inc();
        }
    }

    fn count_unheard(&self, closes: bool) {
        let stats = &self.proxy.stats;
        stats.response_exception.inc();
        if closes {
            stats.downstream_response_drain_close.inc();
        }
    }

    fn reply(
        &mut self,
        exception: &AppException,
        closes: bool,
        is_cut_short: bool,
        is_shown: bool,
    ) -> Done {
        self.count_unheard(closes);
        let mut done = Done {
            bytes: Vec::new(),
            closes,
            is_cut_short,
        };
        let Some(told) = &mut self.told else {
            return done;
        };
        if is_shown {
            told.response = Some((MessageKind::Exception, None, told.speaks));
        }
        if told.head.kind != MessageKind::Oneway
            && let Ok(bytes) = reply::exception(told.speaks, &told.head, exception, closes)
        {
            done.bytes = bytes;
        }
        done
    }
}
