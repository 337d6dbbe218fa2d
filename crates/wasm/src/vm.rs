//! A VM: a module that runs on one thread, with all contexts of its plugins. Whoever calls into it moves a stream's parts
//! into it first; nothing runs in it while something else does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use nuncio_contract::calls::Calls;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::stats::Scope;
use wasmi::{AsContextMut, Extern, ExternType, Instance, Memory, Ref, Store, Table, Val};

use crate::base::Base;
use crate::engine::engine;
use crate::export::{Export, Exports};
use crate::host::general::complain;
use crate::host::link::linker;
use crate::host::metrics::Metrics;
use crate::host::{Contextual, Host};
use crate::key::Key;
use crate::lifecycle::Lifecycle;
use crate::live::{Delivery, Live, Outside};
use crate::plugin::Plugin;

/// A VM.
pub(crate) struct Vm {
    store: RefCell<Store<Host>>,
    instance: Instance,
    exports: Exports,
    base: Arc<Base>,
    has_failed: Cell<bool>,
    roots: RefCell<HashMap<Key, u32>>,
    _counted: Option<Lifecycle>,
}

/// What came of a call into a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// The plugin has no such function.
    Missing,
    /// The VM has failed, now or before.
    Failed,
    /// What it returned, and whether the stream stops whatever that is.
    Returned(u32, bool),
}

/// Runs a plugin once with its configuration, where nothing comes of what it does.
///
/// # Errors
/// What it failed at.
pub(crate) fn try_out(plugin: &Arc<Plugin>) -> Result<(), &'static str> {
    let lock = || {
        let tried = plugin.base.tried.lock();
        tried.unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let known = lock().get(&plugin.key).copied();
    let failed = "Failed to configure base Wasm plugin";
    if let Some(is_well) = known {
        return if is_well { Ok(()) } else { Err(failed) };
    }
    let vm = Vm::new(&plugin.base, None, None)?;
    let started = vm.start(plugin);
    lock().insert(plugin.key, started.is_ok());
    started.map(|_| ())
}

impl Vm {
    /// Instantiates and starts the module; without a scope and calls it is only tried.
    ///
    /// # Errors
    /// What it failed at.
    pub(crate) fn new(
        base: &Arc<Base>,
        root: Option<&Scope>,
        calls: Option<Calls>,
    ) -> Result<Rc<Self>, &'static str> {
        let host = host_of(base, root, calls);
        let mut store = Store::new(engine(), host);
        store.limiter(|host| &mut host.limits);
        let fuel = base.fuel_at_start(root.is_none());
        let _fuel_is_on = store.set_fuel(fuel);
        let instance = instantiate(base, &mut store)?;
        if root.is_none() {
            base.note_start(fuel, store.get_fuel().unwrap_or(0));
        }
        let malloc = ["malloc", "proxy_on_memory_allocate"]
            .into_iter()
            .find_map(|name| instance.get_typed_func::<u32, u32>(&store, name).ok());
        let malloc = malloc.ok_or("Wasm module is missing malloc function.")?;
        let exports = Exports::new(
            base.abi,
            |name| {
                let function = instance.get_func(&store, name)?;
                Some((function, function.ty(&store)))
            },
            |name| base.allows(name),
        );
        let exports = exports.map_err(|why| {
            complain(&format!("Wasm VM failed {why}"));
            "Failed to initialize Wasm code"
        })?;
        store.data_mut().malloc = Some(malloc);
        let vm = Rc::new(Vm {
            store: RefCell::new(store),
            instance,
            exports,
            base: Arc::clone(base),
            has_failed: Cell::new(false),
            roots: RefCell::default(),
            _counted: root.map(|root| Lifecycle::new(root, &base.runtime)),
        });
        let outside: Weak<Vm> = Rc::downgrade(&vm);
        vm.with(|host| host.vm = outside);
        match vm.initialize() {
            true => Ok(vm),
            false => Err("Failed to initialize Wasm code"),
        }
    }

    /// Calls what compilers have a module begin with.
    fn initialize(&self) -> bool {
        self.with(|host| host.is_starting = true);
        let has = |name: &str| {
            let store = self.store.borrow();
            self.instance.get_func(&*store, name).is_some()
        };
        let is_well = match has("_initialize") {
            true => {
                self.begin("_initialize", 0)
                    && match (has("main"), has("__main_void")) {
                        (true, _) => self.begin("main", 2),
                        (false, true) => self.begin("__main_void", 0),
                        (false, false) => true,
                    }
            }
            false if has("_start") => self.begin("_start", 0),
            false => true,
        };
        self.with(|host| host.is_starting = false);
        is_well
    }

    fn begin(&self, name: &str, arguments: usize) -> bool {
        let mut store = self.store.borrow_mut();
        let Some(function) = self.instance.get_func(&*store, name) else {
            return true;
        };
        let fuel = self.base.fuel_at_start(store.data().is_trial);
        let _fuel_is_on = store.set_fuel(fuel);
        let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
        let values = vec![Val::I32(0); arguments];
        let done = function.call(&mut *store, &values, &mut results);
        if store.data().is_trial {
            self.base.note_start(fuel, store.get_fuel().unwrap_or(0));
        }
        match done {
            Ok(()) => true,
            Err(why) => {
                self.fail(name, &why);
                false
            }
        }
    }

    fn fail(&self, name: &str, why: &wasmi::Error) {
        self.has_failed.set(true);
        complain(&format!("Wasm VM failed Function: {name} failed: {why}"));
    }

    /// Whether nothing runs in it any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    /// Looks at what host functions work on.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Host) -> T) -> T {
        look(self.store.borrow_mut().data_mut())
    }

    /// The number at a place in its memory.
    #[cfg(test)]
    pub(crate) fn word(&self, at: usize) -> u32 {
        let store = self.store.borrow();
        let memory = store.data().memory.unwrap();
        let mut word = [0; 4];
        memory.read(&*store, at, &mut word).unwrap();
        u32::from_le_bytes(word)
    }

    /// Whether the plugin has this function.
    pub(crate) fn has(&self, export: Export) -> bool {
        self.exports.get(export).is_some()
    }

    /// Calls a function of the plugin for a context, whose id is the first argument.
    pub(crate) fn call(&self, context: u32, export: Export, arguments: &[u32]) -> Called {
        if self.has_failed.get() {
            return Called::Failed;
        }
        let Some(function) = self.exports.get(export) else {
            return Called::Missing;
        };
        let mut store = self.store.borrow_mut();
        let host = store.data_mut();
        host.current = context;
        host.effective = 0;
        host.stops = false;
        let is_trial = host.is_trial;
        let is_start = matches!(export, Export::VmStart | Export::Configure);
        let fuel = match is_start {
            true => self.base.fuel_at_start(is_trial),
            false => self.base.limits.fuel(),
        };
        let _fuel_is_on = store.set_fuel(fuel);
        let all = std::iter::once(&context).chain(arguments);
        let values: Vec<Val> = all.map(|value| Val::I32(value.cast_signed())).collect();
        let returns = !function.ty(&*store).results().is_empty();
        let mut results = [Val::I32(0)];
        let results = results.get_mut(..usize::from(returns)).unwrap_or_default();
        let done = function.call(store.as_context_mut(), &values, results);
        if is_start && is_trial {
            self.base.note_start(fuel, store.get_fuel().unwrap_or(0));
        }
        let host = store.data_mut();
        host.current = 0;
        host.effective = 0;
        let stops = std::mem::take(&mut host.stops);
        match done {
            Ok(()) => {
                let value = results.first().and_then(Val::i32).unwrap_or_default();
                Called::Returned(value.cast_unsigned(), stops)
            }
            Err(why) => {
                self.fail(export.name(), &why);
                // Those that wait see that it has failed.
                let contexts = host.contexts.values_mut();
                contexts.for_each(|context| context.waiting.wake());
                Called::Failed
            }
        }
    }

    /// Starts a plugin in it; its context.
    ///
    /// # Errors
    /// What it failed at.
    pub(crate) fn start(&self, plugin: &Arc<Plugin>) -> Result<u32, &'static str> {
        let known = self.roots.borrow().get(&plugin.key).copied();
        let root = match known {
            Some(root) => root,
            None => {
                let root = self.with(|host| {
                    let id = host.new_id();
                    let context = host.contexts.entry(id).or_default();
                    context.root = id;
                    context.plugin = Some(Arc::clone(plugin));
                    context.is_created = true;
                    host.configured = Some(Arc::clone(plugin));
                    id
                });
                self.call(root, Export::ContextCreate, &[0]);
                self.with(|host| host.configured = None);
                self.roots.borrow_mut().insert(plugin.key, root);
                root
            }
        };
        if self.has_failed() {
            // As in Envoy, streams find out.
            return Ok(root);
        }
        let configured = self.configure(plugin, root);
        if configured.is_err() && known.is_none() {
            // The VM may have other plugins, and go on.
            self.forget_root(root);
        }
        configured.map(|()| root)
    }

    /// Starts the VM for a plugin and configures that.
    fn configure(&self, plugin: &Arc<Plugin>, root: u32) -> Result<(), &'static str> {
        let length = u32::try_from(self.base.configuration.len()).unwrap_or(u32::MAX);
        if !is_true(self.call(root, Export::VmStart, &[length])) {
            return Err("Failed to start base Wasm");
        }
        self.with(|host| host.configured = Some(Arc::clone(plugin)));
        let length = u32::try_from(plugin.configuration.len()).unwrap_or(u32::MAX);
        let configured = self.call(root, Export::Configure, &[length]);
        self.with(|host| host.configured = None);
        match is_true(configured) && !self.has_failed() {
            true => Ok(()),
            false => Err("Failed to configure base Wasm plugin"),
        }
    }

    /// Ends a plugin's context.
    pub(crate) fn end_plugin(&self, root: u32) {
        self.call(root, Export::Done, &[]);
        self.call(root, Export::Delete, &[]);
        self.forget_root(root);
    }

    /// A plugin is gone, and with it what it has under way.
    fn forget_root(&self, root: u32) {
        self.with(|host| {
            host.contexts.remove(&root);
            host.under_way.retain(|_, under| !under.is_of(root));
            host.calls_under_way.retain(|_, under| !under.is_of(root));
        });
        self.roots.borrow_mut().retain(|_, id| *id != root);
    }

    /// A context for a stream of a plugin, of which the plugin does not know yet.
    pub(crate) fn new_stream(&self, plugin: &Arc<Plugin>, root: u32) -> u32 {
        self.with(|host| {
            let id = host.new_id();
            let context = Contextual {
                root,
                plugin: Some(Arc::clone(plugin)),
                ..Contextual::default()
            };
            host.contexts.insert(id, context);
            id
        })
    }

    /// Tells the plugin of a stream, once.
    pub(crate) fn create_stream(&self, id: u32) {
        let root = self.with(|host| {
            let context = host.contexts.get_mut(&id)?;
            let is_new = !std::mem::replace(&mut context.is_created, true);
            is_new.then_some(context.root)
        });
        if let Some(root) = root {
            self.call(id, Export::ContextCreate, &[root]);
        }
    }

    /// Ends a connection's context, which is logged as a part of its end.
    pub(crate) fn end_connection(&self, id: u32) {
        self.call(id, Export::Done, &[]);
        self.call(id, Export::Log, &[]);
        self.call(id, Export::Delete, &[]);
        self.with(|host| host.contexts.remove(&id));
    }

    /// Ends a stream's context.
    pub(crate) fn end_stream(&self, id: u32) {
        let is_created = self.with(|host| host.contexts.get(&id).is_some_and(|it| it.is_created));
        if is_created {
            self.call(id, Export::Done, &[]);
            self.call(id, Export::Delete, &[]);
        }
        self.with(|host| host.contexts.remove(&id));
    }

    /// Hands it to the plugin.
    pub(crate) fn deliver_now(&self, root: u32, delivery: Delivery) {
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (export, arguments) = match delivery {
            Delivery::Answer(token, None) => {
                self.with(|host| host.status = (11, b"reset".to_vec()));
                (Export::HttpCallResponse, vec![token, 0, 0, 0])
            }
            Delivery::Answer(token, Some(answer)) => {
                let trailers = answer.trailers.as_ref().map_or(0, |map| map.len());
                let lengths = [answer.headers.len(), answer.body.len(), trailers];
                self.with(|host| host.answer = Some(answer));
                let [headers, body, trailers] = lengths.map(length);
                (
                    Export::HttpCallResponse,
                    vec![token, headers, body, trailers],
                )
            }
            Delivery::Message(token, message) => {
                let bytes = length(message.len());
                self.with(|host| host.grpc_message = Some(message));
                (Export::GrpcReceive, vec![token, bytes])
            }
            Delivery::InitialMetadata(token, map) => {
                let count = length(map.len());
                self.with(|host| host.grpc_metadata[0] = Some(map));
                (Export::GrpcInitialMetadata, vec![token, count])
            }
            Delivery::TrailingMetadata(token, map) => {
                let count = length(map.len());
                self.with(|host| host.grpc_metadata[1] = Some(map));
                (Export::GrpcTrailingMetadata, vec![token, count])
            }
            Delivery::Close(token, status, message) => {
                self.with(|host| host.status = (status, message));
                (Export::GrpcClose, vec![token, status])
            }
        };
        self.call(root, export, &arguments);
        self.with(|host| {
            host.answer = None;
            host.grpc_message = None;
            host.grpc_metadata = [None, None];
            host.status.1.clear();
        });
    }

    /// Who the process is, once somebody knows.
    pub(crate) fn know_node(&self, node: impl FnOnce() -> Option<Arc<LocalNode>>) {
        self.with(|host| {
            if host.node.is_none() {
                host.node = node();
            }
        });
    }
}

impl Outside for Vm {
    fn next_tick(&self, root: u32) -> Option<(Duration, u32)> {
        if self.has_failed() {
            return None;
        }
        self.with(|host| host.contexts.get_mut(&root)?.ticks.next())
    }

    fn awaits_tick(&self, root: u32, times: u32, waker: &Waker) -> bool {
        !self.has_failed()
            && self.with(|host| {
                let context = host.contexts.get_mut(&root);
                let ticks = context.map(|context| &mut context.ticks);
                ticks.is_some_and(|ticks| {
                    ticks.wait(waker);
                    ticks.is_set(times)
                })
            })
    }

    fn tick(&self, root: u32) {
        self.call(root, Export::Tick, &[]);
    }

    fn deliver(&self, root: u32, origin: u32, delivery: Delivery) {
        let now = self.with(|host| {
            if let Delivery::Answer(token, _) = &delivery {
                host.calls_under_way.remove(token);
            }
            match host.contexts.get_mut(&origin) {
                Some(context) if context.waiting.turns > 0 => {
                    context.waiting.inbox.push(delivery);
                    context.waiting.wake();
                    None
                }
                _ => Some(delivery),
            }
        });
        if let Some(delivery) = now {
            self.deliver_now(root, delivery);
        }
    }

    fn forget_call(&self, token: u32) {
        self.with(|host| host.under_way.remove(&token));
    }
}

/// Whether a function that may be missing did not say no.
fn is_true(called: Called) -> bool {
    match called {
        Called::Missing => true,
        Called::Failed => false,
        Called::Returned(value, _) => value != 0,
    }
}

fn host_of(base: &Arc<Base>, root: Option<&Scope>, calls: Option<Calls>) -> Host {
    let mut contexts = HashMap::new();
    contexts.insert(0, Contextual::default());
    Host {
        base: Arc::clone(base),
        limits: base.limits.of_store(),
        memory: None,
        malloc: None,
        in_malloc: false,
        halts: None,
        contexts,
        last_id: 0,
        current: 0,
        effective: 0,
        stops: false,
        is_starting: false,
        configured: None,
        live: Live::new(),
        answer: None,
        grpc_message: None,
        grpc_metadata: [None, None],
        status: (0, Vec::new()),
        metrics: Metrics::new(root),
        tokens: [0; 3],
        under_way: HashMap::new(),
        calls_under_way: HashMap::new(),
        is_trial: calls.is_none(),
        calls,
        node: None,
        expressions: HashMap::new(),
        last_expression: 0,
        vm: Weak::<Vm>::new(),
    }
}

/// Instantiates the module; memories and tables that it asks for are made for it.
fn instantiate(base: &Base, store: &mut Store<Host>) -> Result<Instance, &'static str> {
    let mut linker = linker(base.abi).clone();
    let mut memory = None;
    for import in base.module.imports() {
        let made = match import.ty() {
            ExternType::Memory(kind) => {
                let made = Memory::new(&mut *store, *kind).ok();
                memory = memory.or(made);
                made.map(Extern::Memory)
            }
            ExternType::Table(kind) => {
                let null = Ref::default_for_ty(kind.element());
                Table::new(&mut *store, *kind, null).ok().map(Extern::Table)
            }
            _ => continue,
        };
        let made = made.ok_or("Failed to create new Wasm instance")?;
        let _one_of_this_name = linker.define(import.module(), import.name(), made);
    }
    let instance = linker.instantiate_and_start(&mut *store, &base.module);
    let instance = instance.map_err(|why| {
        complain(&format!("Wasm VM failed {why}"));
        "Failed to initialize Wasm code"
    })?;
    let exported = instance
        .exports(&*store)
        .find_map(|export| export.into_memory());
    store.data_mut().memory = exported.or(memory);
    Ok(instance)
}
