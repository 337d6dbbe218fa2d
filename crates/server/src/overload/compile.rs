//! The message of the overload manager, compiled: nothing looks at a resource yet.
//!
//! Names that do not exist or exist twice are found by `semantics/overload.rs`.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::overload::{Action, Least, Overload, ScaledTimer, ShedPoint, TimerMinimums};

use super::config::{
    Adjust, LoadShedPoint, MonitorConfig as MonitorMessage, OverloadAction, OverloadManager,
    ResourceMonitor, ScaleTimers, ShrinkHeap, TimerType,
};
use super::monitor::MonitorConfig;
use super::trigger::Trigger;

const DEFAULT_REFRESH: Duration = Duration::from_secs(1);
/// What is asked for more often is looked at so often.
const SHORTEST_REFRESH: Duration = Duration::from_millis(1);
const DEFAULT_SHRINK_INTERVAL: Duration = Duration::from_secs(10);

/// An overload manager, compiled.
pub(crate) struct OverloadConfig {
    pub(super) refresh: Duration,
    pub(super) monitors: Vec<(String, MonitorConfig)>,
    pub(super) actions: Vec<Triggered<Action>>,
    /// Points that nobody asks for have no number.
    pub(super) points: Vec<Triggered<Option<ShedPoint>>>,
    /// How often memory is given back while it is to be.
    pub(super) shrink_interval: Duration,
    pub(super) shared: Arc<Overload>,
}

/// Something that triggers bring about.
pub(super) struct Triggered<T> {
    pub(super) what: T,
    pub(super) name: String,
    pub(super) triggers: Vec<Trigger>,
}

impl OverloadConfig {
    /// Compiles the message; what is wrong goes to the context.
    pub(crate) fn compile(message: &OverloadManager, ctx: &mut Ctx) -> Result<Self, Refused> {
        let monitors: Vec<_> = message
            .resource_monitors
            .iter()
            .map(|one| monitor(one, ctx))
            .collect();
        let mut timers = Ok(TimerMinimums::default());
        let mut shrink_interval = Ok(DEFAULT_SHRINK_INTERVAL);
        let mut actions = Vec::new();
        for message in &message.actions {
            let Some(action) = Action::named(&message.name.value) else {
                continue;
            };
            match action {
                Action::ReduceTimeouts => timers = timer_minimums(message, ctx),
                Action::ShrinkHeap => shrink_interval = interval(message, ctx),
                _ => {}
            }
            actions.push(triggered(action, &message.name.value, &message.triggers));
        }
        let points: Vec<_> = message
            .loadshed_points
            .iter()
            .map(|one| point(one, ctx))
            .collect();
        let monitors = monitors.into_iter().collect::<Result<Vec<_>, _>>()?;
        let known: Vec<_> = points.iter().filter_map(|point| point.what).collect();
        let mut shared = Overload::new(&known);
        shared.timers = timers?;
        shared.max_connections = monitors.iter().find_map(|(_, monitor)| match monitor {
            MonitorConfig::Connections { most } => Some(*most),
            _ => None,
        });
        let tracked = message.buffer_factory_config.as_ref();
        shared.tracked_stream_bits = tracked
            .map(|it| it.minimum_account_to_track_power_of_two)
            .filter(|_| actions.iter().any(|it| it.what == Action::ResetStreams));
        let closes_idle = |it: &Triggered<Action>| it.what == Action::CloseIdleConnections;
        shared.closes_idle = actions.iter().any(closes_idle);
        let refresh = message.refresh_interval.unwrap_or(DEFAULT_REFRESH);
        Ok(OverloadConfig {
            refresh: refresh.max(SHORTEST_REFRESH),
            monitors,
            actions,
            points,
            shrink_interval: shrink_interval?,
            shared: Arc::new(shared),
        })
    }
}

fn monitor(message: &ResourceMonitor, ctx: &mut Ctx) -> Result<(String, MonitorConfig), Refused> {
    let name = &message.name;
    let Some(MonitorMessage::Typed(any)) = &message.config_type else {
        let text = format!(
            "Didn't find a registered implementation for '{}' with type URL: ''",
            name.value
        );
        ctx.error(name.span, text);
        return Err(Refused);
    };
    let config = MonitorConfig::compile(&name.value, any, ctx)?;
    Ok((name.value.clone(), config))
}

fn triggered<T>(what: T, name: &str, triggers: &[super::config::Trigger]) -> Triggered<T> {
    Triggered {
        what,
        name: name.to_string(),
        triggers: triggers.iter().map(Trigger::new).collect(),
    }
}

fn point(message: &LoadShedPoint, ctx: &mut Ctx) -> Triggered<Option<ShedPoint>> {
    let name = &message.name;
    let point = ShedPoint::named(&name.value);
    if point.is_none() {
        let text = format!("nothing asks for the load shed point `{}`", name.value);
        ctx.warning(name.span, text);
    }
    triggered(point, &name.value, &message.triggers)
}

fn interval(action: &OverloadAction, ctx: &mut Ctx) -> Result<Duration, Refused> {
    let Some(any) = &action.typed_config else {
        return Ok(DEFAULT_SHRINK_INTERVAL);
    };
    let message: ShrinkHeap = any.decode(ctx)?;
    Ok(message.timer_interval.unwrap_or(DEFAULT_SHRINK_INTERVAL))
}

fn timer_minimums(action: &OverloadAction, ctx: &mut Ctx) -> Result<TimerMinimums, Refused> {
    let mut minimums = TimerMinimums::default();
    let Some(any) = &action.typed_config else {
        // Said already.
        return Ok(minimums);
    };
    let message: ScaleTimers = any.decode(ctx)?;
    for one in &message.timer_scale_factors {
        let (timer, name) = match one.timer {
            TimerType::ConnectionIdle => (
                ScaledTimer::ConnectionIdle,
                "HTTP_DOWNSTREAM_CONNECTION_IDLE",
            ),
            TimerType::StreamIdle => (ScaledTimer::StreamIdle, "HTTP_DOWNSTREAM_STREAM_IDLE"),
            TimerType::TransportConnect => {
                (ScaledTimer::TransportConnect, "TRANSPORT_SOCKET_CONNECT")
            }
            TimerType::ConnectionMax => {
                (ScaledTimer::ConnectionMax, "HTTP_DOWNSTREAM_CONNECTION_MAX")
            }
            TimerType::StreamFlush => (ScaledTimer::StreamFlush, "HTTP_DOWNSTREAM_STREAM_FLUSH"),
        };
        let least = match &one.overload_adjust {
            Adjust::Timeout(time) => Least::Time(*time),
            Adjust::Scale(percent) => Least::Share(percent.value / 100.0),
        };
        if !minimums.set(timer, least) {
            let text = format!("Found duplicate entry for timer type {name}");
            ctx.error(one.span(), text);
            return Err(Refused);
        }
    }
    Ok(minimums)
}
