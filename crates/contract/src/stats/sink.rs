//! Where stats are told to on their own: sinks, a room each.
//!
//! A room parses its message once into a [`StatSinkConfig`]. The server opens it on a thread of its own, so that
//! neither traffic nor the admin waits for a sink, and tells it at each flush what there is: counters as what
//! came since the flush before, gauges as they stand, of both those alone that were ever written. Values of
//! histograms are told one by one, soon after they were recorded.
//!
//! Follows `envoy.config.metrics.v3.StatsSink`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned, SupportTable};

use super::samples::Sample;
use super::tags::TagExtractor;

/// Parses a sink's message; errors go to the context.
pub type ParseStatSink = fn(&Any, &mut Ctx) -> Result<Arc<dyn StatSinkConfig>, Refused>;

/// A kind of sink.
pub struct StatSinkRoom {
    /// Envoy's name, such as `envoy.stat_sinks.statsd`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseStatSink,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// The rooms that a sink may be of, family by family.
pub type StatSinkRooms = &'static [&'static [&'static StatSinkRoom]];

/// A parsed sink.
pub trait StatSinkConfig: Send + Sync {
    /// The cluster that it sends to, which must exist, and where it is named.
    fn cluster(&self) -> Option<(&str, Span)> {
        None
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String>;
}

/// What a sink takes from the process.
pub struct SinkServices<'a> {
    /// How tags are taken out of names.
    pub tags: &'a TagExtractor,
    /// Makes a way to send bytes to some host of a cluster.
    pub bytes_to: &'a dyn Fn(&str) -> Box<dyn ByteSink>,
}

/// Takes bytes, of which each call's stay together, and sends them when it can; what cannot be sent is lost.
pub trait ByteSink: Send {
    /// Sends.
    fn send(&mut self, bytes: Vec<u8>);
}

/// An open sink. Never waits and never fails: what cannot be sent is lost.
pub trait StatSink: Send {
    /// A number of a flush.
    fn tell(&mut self, name: &str, number: Number);
    /// All numbers of a flush were told.
    fn end_flush(&mut self);
    /// A value that a histogram recorded.
    fn tell_sample(&mut self, sample: &Sample);
}

/// A number of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// What came to a counter since the flush before.
    Counter(u64),
    /// What a gauge shows.
    Gauge(u64),
}

message! {
    /// A sink.
    pub struct StatsSink: "envoy.config.metrics.v3.StatsSink" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Option<Any>,
    }
}

/// Finds the room of a sink by the type of its message, as Envoy does, and lets it parse.
pub fn compile(
    sink: &StatsSink,
    rooms: StatSinkRooms,
    ctx: &mut Ctx,
) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let Some(any) = &sink.typed_config else {
        let what = format!("stats sink `{}` without `typed_config`", sink.name.value);
        return Err(ctx.unsupported_here(sink.name.span, what));
    };
    let mut rooms = rooms.iter().flat_map(|family| family.iter());
    match rooms.find(|room| room.message == any.type_name()) {
        Some(room) => (room.parse)(any, ctx),
        None => {
            let what = format!("stats sink `{}`", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}
