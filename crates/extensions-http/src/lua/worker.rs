//! A worker's scripts and cells.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HttpFilter, HttpFilterConfig, HttpFilterFactory, Interest,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Gauge, Scope};
use nuncio_contract::stream_info::metadata::Struct;

use super::config::{ChainConfig, Choice, Code, Level, STATES, STATES_SCOPE, Settings};
use super::filter::LuaFilter;
use super::live::Slot;
use super::script_stats::ScriptStats;
use super::vm::Script;
use crate::cluster_verdicts::prefix;
use crate::level_stats::Kept;

stat_group! {
    /// What is counted of scripts, at `http.<stat_prefix>.lua.[<stat_prefix>.]`.
    pub struct LuaStats("") {
        counters {
            errors,
            executions,
        }
    }
}

/// A worker's part of the filter.
pub(super) struct Worker {
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Arc<LuaStats>,
    default: Option<Rc<Script>>,
    named: HashMap<Box<str>, Option<Rc<Script>>>,
    own: RefCell<Kept<Arc<Code>, Option<Rc<Script>>>>,
    name: Rc<str>,
    script_stats: Rc<ScriptStats>,
    states: Option<Arc<Gauge>>,
    _scopes: [Option<Scope>; 2],
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Worker::new(&self.0, context))))
    }
}

struct Factory(Rc<Worker>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(LuaFilter::new(&self.0))
    }
}

impl Worker {
    fn new(settings: &Arc<Settings>, context: &FilterWorkerContext<'_>) -> Self {
        let scope = context.scope.scope(&prefix("lua", &settings.stat_prefix));
        if let Some(scope) = &scope {
            scope.register::<LuaStats>();
        }
        let root = context.root.root();
        let root = root.and_then(|root| root.scope(STATES_SCOPE));
        let mut worker = Worker {
            settings: Arc::clone(settings),
            stats: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            default: None,
            named: HashMap::new(),
            own: RefCell::default(),
            name: context.name.into(),
            script_stats: Rc::new(ScriptStats::new(scope.clone())),
            states: root.as_ref().map(|root| root.gauge(STATES)),
            _scopes: [scope, root],
        };
        worker.default = settings.default.as_ref().and_then(|code| worker.load(code));
        let named = settings.named.iter();
        worker.named = named
            .map(|(name, code)| (name.clone(), worker.load(code)))
            .collect();
        // The scripts were loaded once by whoever compiled the config.
        let all = worker.named.len() + usize::from(settings.default.is_some());
        if let Some(states) = &worker.states
            && !settings.counts_main.swap(true, Ordering::Relaxed)
        {
            states.add(u64::try_from(all).unwrap_or_default());
        }
        worker
    }

    /// Loads a script, which has been tried before.
    fn load(&self, code: &Code) -> Option<Rc<Script>> {
        let slot = Slot::new(Rc::clone(&self.name), Rc::clone(&self.script_stats));
        let script = Script::load(&code.0, slot).ok()?;
        if let Some(states) = &self.states {
            states.inc();
        }
        Some(Rc::new(script))
    }

    /// The script for a stream that goes where it goes now.
    pub(super) fn script(&self, context: &FilterContext<'_>) -> Option<Rc<Script>> {
        let level = context.route.most_specific::<Level>();
        match level.map(|level| &level.choice) {
            None | Some(Choice::Default) => self.default.clone(),
            Some(Choice::Disabled) => None,
            Some(Choice::Named(name)) => self.named.get(name).cloned().flatten(),
            Some(Choice::Own(code)) => {
                let mut own = self.own.borrow_mut();
                own.get(code, || self.load(code)).clone()
            }
        }
    }

    /// The filter's context where the stream goes.
    pub(super) fn filter_context(&self, context: &FilterContext<'_>) -> Option<Arc<Struct>> {
        let level = context.route.most_specific::<Level>();
        let own = level.and_then(|level| level.context.as_ref());
        own.or(self.settings.context.as_ref()).cloned()
    }
}
