//! How a connection manager sheds load while the overload manager wants it to.
//!
//! Without an overload manager, and for listeners that bypass it, there is a null pointer here and nothing else.

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::overload::{
    Action, OverloadOnWorker, OverloadWatcher, ScaledTimer, ShedPoint,
};

use super::ConnectionManager;
use crate::config::connection_manager::CodecType;

/// How long a connection of QUIC is idle before it may be closed.
const IDLE_WHEN_SHORT: Duration = Duration::from_secs(60);
/// The same when it is all that can be done.
const IDLE_WHEN_SATURATED: Duration = Duration::from_secs(10);

/// What becomes of a connection on which bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnBytes {
    /// They are understood.
    Go,
    /// They are, and the connection is to take no more requests.
    Drain,
    /// It closes, after the client was told where that can be.
    Close,
}

impl ConnectionManager {
    /// The same connection manager, which sheds load as the overload manager says.
    #[must_use]
    pub fn with_overload(mut self, overload: Option<Rc<OverloadOnWorker>>) -> Self {
        // What is not for its protocol costs it nothing.
        let heeds = |it: &Rc<OverloadOnWorker>| {
            let shared = it.shared();
            let by_protocol = match self.config.codec_type {
                CodecType::Http1 => false,
                CodecType::Auto | CodecType::Http2 => shared.tracked_stream_bits.is_some(),
                CodecType::Http3 => shared.closes_idle,
            };
            it.scales_timers() || by_protocol
        };
        if overload.as_ref().is_some_and(heeds) {
            self.drain.heed_overload();
        }
        self.overload = overload;
        self
    }

    /// Whether a connection closes before anything on it is understood.
    pub(crate) fn sheds_codec(&self) -> bool {
        let overload = self.overload.as_ref();
        let sheds = overload.is_some_and(|it| it.sheds(ShedPoint::CreateCodec));
        if sheds {
            self.stats.http.downstream_rq_overload_close.inc();
        }
        sheds
    }

    /// What becomes of a connection on which bytes came.
    pub(crate) fn on_bytes(&self) -> OnBytes {
        let Some(overload) = &self.overload else {
            return OnBytes::Go;
        };
        on_arrival(overload, ShedPoint::GoAwayAndClose, ShedPoint::GoAway)
    }

    /// What becomes of a connection of HTTP/3 on which packets came.
    pub(crate) fn on_packets(&self) -> OnBytes {
        let Some(overload) = &self.overload else {
            return OnBytes::Go;
        };
        on_arrival(
            overload,
            ShedPoint::Http3GoAwayAndClose,
            ShedPoint::Http3GoAway,
        )
    }

    /// How long a connection of QUIC has to be idle until it closes, while idle ones are to.
    pub(crate) fn idle_limit(&self) -> Option<Duration> {
        let overload = self.overload.as_ref()?;
        let closes = overload.shared().action(Action::CloseIdleConnections);
        match closes.get() {
            share if share <= 0.0 => None,
            _ if closes.is_saturated() => Some(IDLE_WHEN_SATURATED),
            _ => Some(IDLE_WHEN_SHORT),
        }
    }

    /// Whether what came is not understood, but answered at once.
    pub(crate) fn sheds_dispatch(&self) -> bool {
        let overload = self.overload.as_ref();
        let sheds = overload.is_some_and(|it| it.sheds(ShedPoint::Http1Dispatch));
        if sheds {
            self.stats.http.downstream_rq_overload_close.inc();
        }
        sheds
    }

    /// The answer to a request that is not taken on, if it is not.
    #[cold]
    pub(crate) fn shed_request(&self, overload: &OverloadOnWorker) -> Option<LocalReply> {
        let sheds = overload.sheds(ShedPoint::DecodeHeaders)
            || overload.takes(Action::StopAcceptingRequests);
        if !sheds {
            return None;
        }
        self.stats.http.downstream_rq_overload_close.inc();
        let reply = overloaded();
        Some(match self.config.append_local_overload {
            true => {
                let name = HeaderName::from(Known::XEnvoyLocalOverloaded);
                reply.with_header(name, b"true".to_vec())
            }
            false => reply,
        })
    }

    /// Whether a response says that its connection closes, for overload.
    #[cold]
    pub(crate) fn disables_keepalive(&self, overload: &OverloadOnWorker) -> bool {
        let disables = overload.takes(Action::DisableKeepalive);
        if disables {
            let stats = &self.stats.http;
            stats.downstream_cx_overload_disable_keepalive.inc();
        }
        disables
    }

    /// How often it has changed which streams are reset.
    pub(crate) fn resets_round(&self) -> u32 {
        let overload = self.overload.as_ref();
        overload.map_or(0, |it| it.resets_round())
    }

    /// A timeout as it is now.
    pub(crate) fn scaled(&self, timer: ScaledTimer, whole: Duration) -> Duration {
        match &self.overload {
            Some(overload) => overload.scaled(timer, whole),
            None => whole,
        }
    }
}

fn on_arrival(overload: &OverloadOnWorker, close: ShedPoint, away: ShedPoint) -> OnBytes {
    if overload.sheds(close) {
        return OnBytes::Close;
    }
    match overload.sheds(away) {
        true => OnBytes::Drain,
        false => OnBytes::Go,
    }
}

impl OverloadWatcher for ConnectionManager {
    fn overload_changed(&self) {
        if self.drain.needs_care() {
            self.drain.wake();
        }
    }
}

/// The answer to a request that is one too many.
pub(crate) fn overloaded() -> LocalReply {
    LocalReply::new(503, b"envoy overloaded".as_slice(), "overload")
}
