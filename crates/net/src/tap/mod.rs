//! Taps: what connections carry, written to files (`envoy.transport_sockets.tap`).
//!
//! Each connection has a file of its own, `<path_prefix>_<connection id>` with the ending of its format; one that cannot
//! be written is given up in silence, as in Envoy. Buffered traces keep up to `max_buffered_rx_bytes` and
//! `max_buffered_tx_bytes` (1 KiB each) and are written as the connection ends; streamed ones are written as they come,
//! or once there are `min_streamed_sent_bytes`. Files are written by the worker itself: it is a tool for finding faults.
//!
//! Of `match` only what needs no request can ever match, as in Envoy. Not supported: taps that the admin configures. What
//! taps of all kinds have in common is the contract's (`nuncio_contract::tap`).
//!
//! Other than in Envoy a connection whose handshake fails leaves no trace, `end_stream` is not told, and the first
//! segment of a streamed trace with `JSON_BODY_AS_STRING` has its addresses.

mod trace;

use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::Address;

pub use nuncio_contract::tap::{CommonExtensionConfig, SocketTapConfig};
use nuncio_contract::tap::{ConfigType, Format, TapConfig, TapEnabled};
pub use trace::Trace;

/// The least that segments wait for, where they wait.
const LEAST_WAITED_FOR: u32 = 9;

stat_group! {
    /// What was tapped.
    pub struct TapStats("") {
        counters {
            buffered_submit,
            cx_sampled_out,
            streamed_submit,
        }
    }
}

/// A tap, compiled.
#[derive(Debug)]
pub struct TapSettings {
    matches: bool,
    format: Format,
    path_prefix: Box<str>,
    max_received_bytes: usize,
    max_sent_bytes: usize,
    is_streaming: bool,
    /// For how many bytes segments wait.
    least_streamed_bytes: Option<usize>,
    tells_ends_each_time: bool,
    sampling: Option<TapEnabled>,
    stats_prefix: Box<str>,
    /// Where it counts, as long as there is the tap.
    scope: OnceLock<Scope>,
}

/// The ends of a connection.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// Ours.
    pub local: Option<Address>,
    /// The peer's.
    pub remote: Option<Address>,
    /// Whether it is we who have connected.
    pub is_upstream: bool,
}

/// A tap on one thread.
#[derive(Clone)]
pub struct Tapping {
    settings: Arc<TapSettings>,
    stats: Arc<TapStats>,
}

impl TapSettings {
    /// Compiles; what is wrong is reported at its place.
    ///
    /// # Errors
    /// Something is wrong, or is not supported.
    pub fn compile(
        common: &CommonExtensionConfig,
        socket: Option<&SocketTapConfig>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let ConfigType::Static(config) = &common.config_type else {
            let text = "a connection's tap that the admin configures";
            return Err(ctx.unsupported_here(common.span(), text));
        };
        let TapConfig { output_config, .. } = config;
        let (file, format) = config.files(ctx)?;
        let least = output_config.min_streamed_sent_bytes;
        Ok(Self {
            // There is no request: what asks for one never matches, and the rest is known beforehand.
            matches: config.condition(ctx)?.begin().matches,
            format,
            path_prefix: file.path_prefix.as_str().into(),
            max_received_bytes: output_config.received_bytes(),
            max_sent_bytes: output_config.sent_bytes(),
            is_streaming: output_config.streaming,
            least_streamed_bytes: least.map(|least| wide(least.max(LEAST_WAITED_FOR))),
            tells_ends_each_time: socket.is_some_and(|it| it.set_connection_per_event),
            sampling: config.tap_enabled.clone(),
            stats_prefix: socket.map_or("", |it| it.stats_prefix.as_str()).into(),
            scope: OnceLock::new(),
        })
    }

    fn scope(&self, scope: &Scope) -> Option<&Scope> {
        if self.scope.get().is_none() {
            let _another_was_first = self.scope.set(self.find_scope(scope)?);
        }
        self.scope.get()
    }

    fn find_scope(&self, scope: &Scope) -> Option<Scope> {
        let tap = scope.root()?.scope("transport.tap")?;
        match &*self.stats_prefix {
            "" => Some(tap),
            prefix => tap.scope(prefix),
        }
    }

    /// Lists what it counts, in the store of `scope`.
    pub fn register(&self, scope: &Scope) {
        if let Some(scope) = self.scope(scope) {
            scope.register::<TapStats>();
        }
    }

    /// The same on this thread.
    pub fn on_thread(self: &Arc<Self>, scope: &Scope) -> Tapping {
        let scope = self.scope(scope);
        Tapping {
            settings: Arc::clone(self),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        }
    }
}

impl Tapping {
    /// The trace of the connection `id`, which begins now; none if it is not among those that are tapped.
    #[must_use]
    pub fn trace(&self, id: u64, ends: Ends) -> Option<Trace> {
        let settings = &self.settings;
        if let Some(sampling) = &settings.sampling {
            let random = std::hash::RandomState::new().hash_one(id);
            if !sampling.share().chooses(random) {
                self.stats.cx_sampled_out.inc();
                return None;
            }
        }
        if !settings.matches {
            return None;
        }
        let (settings, stats) = (Arc::clone(settings), Arc::clone(&self.stats));
        Some(Trace::begin(settings, stats, id, ends))
    }
}

fn wide(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The time of now, which traces show.
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
