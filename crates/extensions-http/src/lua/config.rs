//! The Lua filter's config, compiled: scripts are read and tried once, so that a worker loads what is known to load.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use nuncio_config::span::Span;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::{Gauge, Scope};
use nuncio_contract::stream_info::metadata::Struct;

use super::live::Slot;
use super::messages::{Lua, LuaPerRoute, Override};
use super::script_stats::ScriptStats;
use super::vm::Script;

/// The longest script that is read, in bytes.
pub(super) const MAX_SCRIPT_BYTES: usize = 16 << 20;

/// Where states of Lua are counted: those of workers, and those that scripts were tried with.
pub(super) const STATES_SCOPE: &str = "lua";
pub(super) const STATES: &str = "lua_vm_count";

/// A script that loads.
pub(super) struct Code(pub(super) Vec<u8>);

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) default: Option<Arc<Code>>,
    pub(super) named: HashMap<Box<str>, Arc<Code>>,
    pub(super) stat_prefix: Box<str>,
    /// Whether a change of the request's headers has the route looked for again.
    pub(super) clears_route: bool,
    /// What scripts see where a level has none.
    pub(super) context: Option<Arc<Struct>>,
    /// Whether the state that scripts were tried with is counted.
    pub(super) counts_main: AtomicBool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// Which script runs on a level.
pub(super) enum Choice {
    /// The chain's own.
    Default,
    /// None.
    Disabled,
    /// One of the chain's by its name.
    Named(Box<str>),
    /// The level's own.
    Own(Arc<Code>),
}

/// A level's part.
pub(super) struct Level {
    pub(super) choice: Choice,
    pub(super) context: Option<Arc<Struct>>,
    /// Counts the state that the level's own script was tried with.
    states: OnceLock<Arc<Gauge>>,
}

impl LevelConfig for Level {
    fn register(&self, root: &Scope) -> Option<Scope> {
        if !matches!(self.choice, Choice::Own(_)) {
            return None;
        }
        let scope = root.scope(STATES_SCOPE)?;
        self.states.get_or_init(|| {
            let states = scope.gauge(STATES);
            states.inc();
            states
        });
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: Lua = any.decode(ctx)?;
    let default = default_code(&message, ctx);
    let named: Vec<_> = message
        .source_codes
        .iter()
        .map(|(name, source)| Ok((name.as_str().into(), code(source, ctx)?)))
        .collect();
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        default: default?,
        named: named.into_iter().collect::<Result<_, Refused>>()?,
        stat_prefix: message.stat_prefix.as_str().into(),
        clears_route: message.clear_route_cache != Some(false),
        context: context_of(message.filter_context.as_deref()),
        counts_main: AtomicBool::new(false),
    }))))
}

fn default_code(message: &Lua, ctx: &mut Ctx) -> Result<Option<Arc<Code>>, Refused> {
    let inline = &message.inline_code;
    match (&message.default_source_code, inline.value.is_empty()) {
        (Some(_), false) => {
            let text = "Error: Only one of `inline_code` or `default_source_code` can be set for the Lua filter.";
            ctx.error(inline.span, text);
            Err(Refused)
        }
        (Some(source), true) => code(source, ctx).map(Some),
        (None, false) => tried(inline.value.clone().into_bytes(), inline.span, ctx).map(Some),
        (None, true) => Ok(None),
    }
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: LuaPerRoute = any.decode(ctx)?;
    let choice = match &message.r#override {
        None | Some(Override::Disabled(false)) => Choice::Default,
        Some(Override::Disabled(true)) => Choice::Disabled,
        Some(Override::Name(name)) => Choice::Named(name.as_str().into()),
        Some(Override::Source(source)) => Choice::Own(code(source, ctx)?),
    };
    Ok(Arc::new(Level {
        choice,
        context: context_of(message.filter_context.as_deref()),
        states: OnceLock::new(),
    }))
}

fn context_of(fields: Option<&Json>) -> Option<Arc<Struct>> {
    fields.map(|fields| Arc::new(struct_of(fields)))
}

fn code(source: &DataSource, ctx: &mut Ctx) -> Result<Arc<Code>, Refused> {
    let bytes = source.read(MAX_SCRIPT_BYTES, ctx)?;
    tried(bytes, source.span(), ctx)
}

/// A script, once it has been loaded.
fn tried(bytes: Vec<u8>, span: Span, ctx: &mut Ctx) -> Result<Arc<Code>, Refused> {
    match Script::load(&bytes, bare_slot()) {
        Ok(_) => Ok(Arc::new(Code(bytes))),
        Err(why) => {
            ctx.error(span, format!("script load error: {why}"));
            Err(Refused)
        }
    }
}

/// Nobody's stream, for scripts that are tried or see none.
pub(super) fn bare_slot() -> Slot {
    Slot::new(Rc::from(""), Rc::new(ScriptStats::new(None)))
}
