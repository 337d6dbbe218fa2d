//! Where stats are told to on their own: sinks, a room each.
//!
//! A room parses its message once into a [`StatSinkConfig`]. The server opens it on a thread of its own, so that
//! neither traffic nor the admin waits for a sink, and tells it at each flush what there is: counters, gauges and, to
//! those who want them, histograms, of all those alone that were ever written. Values of histograms are told one by
//! one to those who want that, soon after they were recorded. Calls are the main thread's: a sink makes its reports,
//! and what it leaves there (a [`Reporter`]) sends them.
//!
//! Follows `envoy.config.metrics.v3.StatsSink`.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::message;
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned, SupportTable};

use crate::calls::Calls;
use crate::local_node::LocalNode;
use crate::stats::tags::{Extracted, Tag, TagExtractor};
use crate::stats::{HistogramBuckets, MergedHistogram, OwnTags, Sample, Unit};

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
    /// The cluster that it sends to, which must exist.
    fn cluster(&self) -> Option<SinkCluster<'_>> {
        None
    }

    /// Whether it wants values of histograms one by one.
    fn wants_samples(&self) -> bool {
        false
    }

    /// Whether it wants histograms at each flush.
    fn wants_histograms(&self) -> bool {
        false
    }

    /// Opens it, on the main thread.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String>;
}

/// The cluster of a sink.
#[derive(Clone, Debug)]
pub struct SinkCluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is named.
    pub span: Span,
    /// What Envoy says if there is none.
    pub error: String,
}

/// What a sink takes from the process.
pub struct SinkServices<'a> {
    /// How tags are taken out of names.
    pub tags: &'a TagExtractor,
    /// The buckets of histograms.
    pub buckets: &'a HistogramBuckets,
    /// Who reports.
    pub local_node: Arc<LocalNode>,
    /// Makes a way to send bytes to some host of a cluster.
    pub bytes_to: &'a dyn Fn(&str) -> Box<dyn ByteSink>,
    /// Leaves a reporter on the main thread, and makes a way to it.
    pub reports_to: &'a dyn Fn(Reporter) -> Box<dyn ByteSink>,
}

/// Sends reports, one a call, on the main thread.
pub type Reporter = Box<dyn FnMut(Vec<u8>, &Calls)>;

/// Takes bytes, of which each call's stay together, and sends them when it can; what cannot be sent is lost.
pub trait ByteSink: Send {
    /// Sends.
    fn send(&mut self, bytes: Vec<u8>);
}

/// An open sink. Never waits and never fails: what cannot be sent is lost.
pub trait StatSink: Send {
    /// A flush begins.
    fn begin_flush(&mut self, _at: SystemTime) {}
    /// A stat of a flush.
    fn tell(&mut self, told: &Told<'_>);
    /// All stats of a flush were told.
    fn end_flush(&mut self);
    /// A value that a histogram recorded.
    fn tell_sample(&mut self, _sample: &Sample) {}
}

/// A stat of a flush.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its full name.
    pub name: &'a str,
    /// What it shows.
    pub reading: &'a Reading,
    /// The length of its scope's prefix, and what is told with that.
    pub own_tags: Option<(usize, &'a OwnTags)>,
}

impl Told<'_> {
    /// A stat without tags of its own.
    pub fn plain<'a>(name: &'a str, reading: &'a Reading) -> Told<'a> {
        Told {
            name,
            reading,
            own_tags: None,
        }
    }

    /// Its tags and its name without them.
    pub fn extract(&self, tags: &TagExtractor) -> Extracted {
        let Some((prefix_bytes, own)) = self.own_tags else {
            return tags.extract(self.name);
        };
        let kept = prefix_bytes.saturating_sub(own.removed_bytes);
        let parts = (self.name.get(..kept), self.name.get(prefix_bytes..));
        let (Some(before), Some(after)) = parts else {
            return tags.extract(self.name);
        };
        let name = [before, after].concat();
        let mut extracted = match own.is_stat {
            true => Extracted {
                name,
                tags: Vec::new(),
            },
            false => tags.extract(&name),
        };
        extracted
            .tags
            .extend(own.tags.iter().map(|(name, value)| Tag {
                rank: usize::MAX,
                name: name.to_string(),
                value: value.clone(),
                removed: 0..0,
            }));
        extracted
    }
}

/// What a stat shows at a flush.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A counter.
    Counter {
        /// What came since the flush before.
        more: u64,
        /// What came since the start.
        total: u64,
    },
    /// A gauge, as it stands.
    Gauge(u64),
    /// A histogram.
    Histogram {
        /// All values, and those since the flush before.
        merged: MergedHistogram,
        /// What it measures.
        unit: Unit,
    },
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
