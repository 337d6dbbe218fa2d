//! One machine, whichever way its server is spoken to.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_config::resources::UnknownFields;
use nuncio_config::wire::discovery::DiscoveryResponse;
use nuncio_contract::clock::Clock;
use nuncio_contract::config_source::ServerSource;

use super::delta::Delta;
use super::news::{Told, Watch, WatchId};
use super::outbox::Outbox;
use super::sotw::Sotw;

/// A machine.
pub(super) enum Mux {
    /// All there is, each time.
    Sotw(Sotw),
    /// What changes.
    Delta(Delta),
}

/// Does the same with either.
macro_rules! either {
    ($mux:expr, $one:ident => $act:expr) => {
        match $mux {
            Mux::Sotw($one) => $act,
            Mux::Delta($one) => $act,
        }
    };
}

impl Mux {
    pub(super) fn new(
        server: &ServerSource,
        (node, unknown): (&Arc<[u8]>, UnknownFields),
        clock: Rc<dyn Clock>,
    ) -> Self {
        let outbox = Outbox::new(server, node, clock);
        match server.is_delta {
            true => Mux::Delta(Delta::new(outbox, unknown)),
            false => Mux::Sotw(Sotw::new(outbox, unknown)),
        }
    }

    pub(super) fn watch(&mut self, type_url: &str, watch: Watch) {
        either!(self, one => one.watch(type_url, watch));
    }

    pub(super) fn also(&mut self, id: WatchId, name: &str) {
        if let Mux::Delta(delta) = self {
            delta.also(id, name);
        }
    }

    pub(super) fn no_more(&mut self, id: WatchId, name: &str) {
        if let Mux::Delta(delta) = self {
            delta.no_more(id, name);
        }
    }

    pub(super) fn unwatch(&mut self, id: WatchId) -> Told {
        either!(self, one => one.unwatch(id))
    }

    pub(super) fn pause(&mut self, type_url: &str) {
        either!(self, one => one.pause(type_url));
    }

    pub(super) fn resume(&mut self, type_url: &str) {
        either!(self, one => one.resume(type_url));
    }

    pub(super) fn connected(&mut self) {
        either!(self, one => one.connected());
    }

    pub(super) fn disconnected(&mut self) -> Told {
        either!(self, one => one.disconnected())
    }

    /// Whether a response is being answered, so that the next one has to wait.
    pub(super) fn is_busy(&self) -> bool {
        either!(self, one => one.is_busy())
    }

    /// Reads a response; `None` if the bytes are none.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<DiscoveryResponse> {
        match self {
            Mux::Sotw(_) => DiscoveryResponse::decode(bytes),
            Mux::Delta(_) => DiscoveryResponse::decode_delta(bytes),
        }
    }

    /// Takes a response. The second is what its server calls itself.
    pub(super) fn received(&mut self, message: DiscoveryResponse) -> (Told, Option<String>) {
        let control_plane = message.control_plane.clone();
        let told = match self {
            Mux::Sotw(sotw) => sotw.received(&message),
            Mux::Delta(delta) => delta.received(message),
        };
        (told, control_plane)
    }

    /// Notes what a watcher made of its share.
    pub(super) fn answered(&mut self, watch: WatchId, error: Option<&str>) -> Told {
        either!(self, one => one.answered(watch, error))
    }

    /// What is to be sent next.
    pub(super) fn next_request(&mut self) -> Option<Vec<u8>> {
        either!(self, one => one.outbox.pop())
    }

    /// How many requests wait for the limit, and how often it held one back since this was asked last.
    pub(super) fn held_back(&mut self) -> (usize, u64) {
        either!(self, one => (one.pending(), one.outbox.take_refused()))
    }

    /// When there is something to do though nothing comes.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        let (token, end) = either!(self, one => (one.outbox.next_token(), one.next_end()));
        token.into_iter().chain(end).min()
    }

    /// Does what is to be done by now.
    pub(super) fn moment(&mut self, now: Instant) -> Told {
        either!(self, one => {
            one.drain();
            one.expire(now)
        })
    }
}
