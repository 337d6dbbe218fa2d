//! The messages of the Mongo proxy.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::matching::FractionalPercent;
use nuncio_contract::network_filter::NetworkFilterConfig;

pub(super) const DEFAULT_MAX_DEPTH: u32 = 100;
const DEFAULT_COMMANDS: &[&str] = &["delete", "insert", "update"];

message! {
    /// The filter's config.
    pub(super) struct MongoProxy: "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy" {
        stat_prefix: String,
        delay: Option<FaultDelay>,
        emit_dynamic_metadata: bool,
        commands: Vec<String>,
        max_bson_depth: Option<u32>,
    }
}

message! {
    /// How long some messages are held back.
    struct FaultDelay: "envoy.extensions.filters.common.fault.v3.FaultDelay" {
        fixed_delay: Option<Duration>,
        percentage: Option<FractionalPercent>,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    pub(super) delay: Option<Delay>,
    pub(super) tells_metadata: bool,
    /// Those that are counted by name.
    pub(super) commands: Box<[String]>,
    pub(super) max_depth: usize,
    /// The percentage of reads that are looked at.
    pub(super) enabled: RuntimeKey,
}

/// How long what share of messages is held back, unless the runtime says otherwise.
pub(super) struct Delay {
    pub(super) share: Fraction,
    pub(super) share_key: RuntimeKey,
    pub(super) milliseconds: u64,
    pub(super) milliseconds_key: RuntimeKey,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: MongoProxy = any.decode(ctx)?;
    let delay = message.delay.as_ref().map(|delay| delay.compile(ctx));
    let depth = message.max_bson_depth.unwrap_or(DEFAULT_MAX_DEPTH);
    let commands = match message.commands.as_slice() {
        [] => DEFAULT_COMMANDS.iter().map(|name| (*name).into()).collect(),
        commands => commands.into(),
    };
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        delay,
        tells_metadata: message.emit_dynamic_metadata,
        commands,
        max_depth: usize::try_from(depth).unwrap_or(usize::MAX),
        enabled: ctx.runtime.key("mongo.proxy_enabled"),
    }))))
}

impl FaultDelay {
    fn compile(&self, ctx: &mut Ctx) -> Delay {
        let none = Fraction {
            numerator: 0,
            divisor: 100,
        };
        let fixed = self.fixed_delay.unwrap_or_default();
        Delay {
            share: self.percentage.as_ref().map_or(none, |it| it.share()),
            share_key: ctx.runtime.key("mongo.fault.fixed_delay.percent"),
            milliseconds: u64::try_from(fixed.as_millis()).unwrap_or(u64::MAX),
            milliseconds_key: ctx.runtime.key("mongo.fault.fixed_delay.duration_ms"),
        }
    }
}

impl Delay {
    /// How long a message is held back that draws this number; none if it is not.
    pub(super) fn draw(&self, random: u64) -> Option<Duration> {
        if !self.share_key.fraction(self.share).chooses(random) {
            return None;
        }
        let milliseconds = self.milliseconds_key.integer(self.milliseconds);
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }
}
