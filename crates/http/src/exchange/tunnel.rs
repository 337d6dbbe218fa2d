//! A stream that is to become a tunnel: what was asked for, and how far it has come.
//!
//! Only an answer that says so opens a tunnel: 101 with its upgrade headers, or 2xx to CONNECT. Until then nothing of
//! what the client sends reaches the host, and after any other answer nothing ever does.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::ResponseFlags;

use super::{Exchange, REQUEST, ROUTE};
use crate::downstream::Downstream;
use crate::route::is_connect;

/// What a stream was allowed to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel {
    pub(crate) kind: TunnelKind,
    /// Whether the host has agreed.
    pub(crate) is_open: bool,
    /// The place in `upgrade_configs` of the filters that it has of its own.
    pub(crate) filters: Option<usize>,
}

/// What was asked for; answers that do not grant it differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TunnelKind {
    WebSocket,
    Upgrade,
    Connect,
}

impl Tunnel {
    pub(crate) fn asked_by(request: &HeaderMap, filters: Option<usize>) -> Self {
        let kind = match request.get(Known::Upgrade) {
            Some(kind) if kind.eq_ignore_ascii_case(b"websocket") => TunnelKind::WebSocket,
            None if is_connect(request) => TunnelKind::Connect,
            _ => TunnelKind::Upgrade,
        };
        Tunnel {
            kind,
            is_open: false,
            filters,
        }
    }
}

impl<D: Downstream> Exchange<'_, D> {
    /// Whether the host has agreed to the tunnel.
    pub(crate) fn is_tunnel_open(&self) -> bool {
        self.tunnel.get().is_some_and(|tunnel| tunnel.is_open)
    }

    /// Whether the stream was to be a tunnel, and has not the connection to its host: what RFC 9113, 8.5 has a code for.
    pub(crate) fn has_lost_host_of_tunnel(&self) -> bool {
        let lost = ResponseFlags::UPSTREAM_CONNECTION_FAILURE
            | ResponseFlags::UPSTREAM_CONNECTION_TERMINATION;
        self.tunnel.get().is_some() && self.state.borrow().info.response_flags.intersects(lost)
    }

    /// The place in `upgrade_configs` of the stream's own filters.
    #[inline]
    pub(crate) fn upgrade_filters(&self) -> Option<usize> {
        self.tunnel.get().and_then(|tunnel| tunnel.filters)
    }

    /// The host has answered. The route's timeout was for the answer alone, and a tunnel is no request that could be
    /// late.
    pub(crate) fn tunnel_answered(&self, opened: bool) {
        self.deadlines.clear(REQUEST);
        if opened {
            self.deadlines.clear(ROUTE);
        }
        if let Some(tunnel) = self.tunnel.get() {
            let is_open = opened;
            self.tunnel.set(Some(Tunnel { is_open, ..tunnel }));
        }
    }

    /// Whether a response with this status is the last of HTTP on the connection, so that its head has nothing to say
    /// about what comes after it.
    pub(super) fn ends_http(&self, status: u16) -> bool {
        self.tunnel.get().is_some_and(|tunnel| match tunnel.kind {
            TunnelKind::Connect => status == 200,
            TunnelKind::WebSocket | TunnelKind::Upgrade => tunnel.is_open && status == 101,
        })
    }
}
