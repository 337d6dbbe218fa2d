//! The messages of the logger of stats.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::access_log::{AccessLogConfig, LogTypeName};
use nuncio_contract::formatter::{AccessLogType, Format};
use nuncio_contract::stats::Unit;

use super::logger::{Amount, Kind, Stat, StatsLog};

message! {
    /// The logger.
    pub(crate) struct Config: "envoy.extensions.access_loggers.stats.v3.Config" {
        stat_prefix: String,
        histograms: Vec<HistogramConfig>,
        counters: Vec<CounterConfig>,
        gauges: Vec<GaugeConfig>,
    }
}

message! {
    /// A stat's name and tags.
    pub(crate) struct StatConfig: "envoy.extensions.access_loggers.stats.v3.Config.Stat" {
        name: String,
        tags: Vec<TagConfig>,
    }
}

message! {
    /// A tag.
    pub(crate) struct TagConfig: "envoy.extensions.access_loggers.stats.v3.Config.Tag" {
        name: String,
        value_format: Spanned<String>,
    }
}

message! {
    /// A histogram.
    pub(crate) struct HistogramConfig: "envoy.extensions.access_loggers.stats.v3.Config.Histogram" {
        stat: StatConfig,
        unit: UnitName,
        value_format: Spanned<String>,
    }
}

message! {
    /// A counter.
    pub(crate) struct CounterConfig: "envoy.extensions.access_loggers.stats.v3.Config.Counter" {
        stat: StatConfig,
        value_format: Spanned<String>,
        value_fixed: Option<u64>,
    }
}

message! {
    /// A gauge.
    pub(crate) struct GaugeConfig: "envoy.extensions.access_loggers.stats.v3.Config.Gauge" {
        stat: StatConfig,
        value_format: Spanned<String>,
        value_fixed: Option<u64>,
        add_subtract: Option<AddSubtractConfig>,
        set: Option<SetConfig>,
    }
}

message! {
    /// When a gauge is added to, and when that is taken off again.
    pub(crate) struct AddSubtractConfig: "envoy.extensions.access_loggers.stats.v3.Config.Gauge.PairedAddSubtract" {
        add_log_type: LogTypeName,
        sub_log_type: LogTypeName,
    }
}

message! {
    /// When a gauge is set.
    pub(crate) struct SetConfig: "envoy.extensions.access_loggers.stats.v3.Config.Gauge.Set" {
        log_type: LogTypeName,
    }
}

enumeration! {
    /// Units by name.
    pub(crate) enum UnitName: "envoy.extensions.access_loggers.stats.v3.Config.Histogram.Unit" {
        Unspecified => Unspecified,
        Bytes => Bytes,
        Microseconds => Microseconds,
        Milliseconds => Milliseconds,
        Percent => Percent,
    }
}

/// Parses the message.
pub(crate) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: Config = any.decode(ctx)?;
    let mut stats = Vec::new();
    // In Envoy's order, in which they are counted.
    stats.extend(message.histograms.iter().map(|it| histogram(it, ctx)));
    stats.extend(message.counters.iter().map(|it| counter(it, ctx)));
    stats.extend(message.gauges.iter().map(|it| gauge(it, ctx)));
    let stats: Result<Box<[Stat]>, Refused> = stats.into_iter().collect();
    Ok(Arc::new(StatsLog {
        prefix: message.stat_prefix,
        stats: stats?.into(),
    }))
}

fn histogram(message: &HistogramConfig, ctx: &mut Ctx) -> Result<Stat, Refused> {
    let unit = match message.unit {
        UnitName::Unspecified => Unit::Unspecified,
        UnitName::Bytes => Unit::Bytes,
        UnitName::Microseconds => Unit::Microseconds,
        UnitName::Milliseconds => Unit::Milliseconds,
        UnitName::Percent => Unit::Percent,
    };
    let amount = formatted(&message.value_format, ctx)?;
    stat(&message.stat, Kind::Histogram(unit), amount, ctx)
}

fn counter(message: &CounterConfig, ctx: &mut Ctx) -> Result<Stat, Refused> {
    let fixed = message.value_fixed;
    let amount = amount(&message.value_format, fixed, "counter", message.span(), ctx)?;
    stat(&message.stat, Kind::Counter, amount, ctx)
}

fn gauge(message: &GaugeConfig, ctx: &mut Ctx) -> Result<Stat, Refused> {
    let kind = gauge_kind(message).map_err(|(span, text)| {
        ctx.error(span, text);
        Refused
    })?;
    let fixed = message.value_fixed;
    let amount = amount(&message.value_format, fixed, "gauge", message.span(), ctx)?;
    stat(&message.stat, kind, amount, ctx)
}

fn gauge_kind(message: &GaugeConfig) -> Result<Kind, (Span, String)> {
    let is_unset = |moment| moment == AccessLogType::NotSet;
    let (span, text) = match (&message.add_subtract, &message.set) {
        (None, Some(set)) => {
            let moment = set.log_type.log_type();
            if !is_unset(moment) {
                return Ok(Kind::GaugeSet(moment));
            }
            let text = "Stats logger gauge set operation must have a valid log type.";
            (set.span(), text)
        }
        (Some(pair), None) => {
            let (add, subtract) = (pair.add_log_type.log_type(), pair.sub_log_type.log_type());
            if is_unset(add) || is_unset(subtract) {
                let text = "Stats logger gauge add/subtract operation must have a valid log type.";
                (pair.span(), text)
            } else if add == subtract {
                let number = add as i32;
                let text = format!("Duplicate access log type '{number}' in gauge operations.");
                return Err((pair.span(), text));
            } else {
                return Ok(Kind::GaugeHeld { add, subtract });
            }
        }
        (Some(_), Some(_)) => {
            let text = "Stats logger gauge cannot have both SET and PAIRED_ADD/PAIRED_SUBTRACT operations.";
            (message.span(), text)
        }
        (None, None) => {
            let text = "Stats logger gauge must have at least one operation configured.";
            (message.span(), text)
        }
    };
    Err((span, text.to_owned()))
}

fn stat(message: &StatConfig, kind: Kind, amount: Amount, ctx: &mut Ctx) -> Result<Stat, Refused> {
    let tags = message.tags.iter().map(|tag| {
        let format = Format::parse_omitting(&tag.value_format, ctx)?;
        Ok((tag.name.as_str().into(), format))
    });
    Ok(Stat {
        name: message.name.clone(),
        tags: tags.collect::<Result<_, Refused>>()?,
        kind,
        amount,
    })
}

fn amount(
    format: &Spanned<String>,
    fixed: Option<u64>,
    kind: &str,
    span: Span,
    ctx: &mut Ctx,
) -> Result<Amount, Refused> {
    let text = match (format.value.is_empty(), fixed) {
        (false, None) => return formatted(format, ctx),
        (true, Some(value)) => return Ok(Amount::Fixed(value)),
        (false, Some(_)) => {
            "Stats logger cannot have both `value_format` and `value_fixed` configured.".to_owned()
        }
        (true, None) => {
            format!("Stats logger {kind} must have either `value_format` or `value_fixed`.")
        }
    };
    ctx.error(span, text);
    Err(Refused)
}

fn formatted(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Amount, Refused> {
    let format = Format::parse(&text.value, text.span, ctx)?;
    if !format.is_one_command() {
        let words = "Stats logger `value_format` string must contain exactly one substitution";
        ctx.error(text.span, words);
        return Err(Refused);
    }
    Ok(Amount::Formatted(format))
}
