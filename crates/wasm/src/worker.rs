//! Plugins on a worker: VMs of one key are one, plugins of one key as well. A VM that has failed is left to those that
//! have it; where the policy says so, a new one is made for the streams to come.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use nuncio_contract::calls;
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use crate::export::Export;
use crate::host::general::complain;
use crate::key::Key;
use crate::lifecycle::{Lifecycle, RemoteStats};
use crate::mailbox;
use crate::plugin::{Plugin, Policy};
use crate::vm::Vm;

stat_group! {
    /// What is counted of plugins that are made anew, at `wasm.<name>.`.
    pub struct ReloadStats("") {
        counters {
            vm_reload,
            vm_reload_backoff,
            vm_reload_failure,
            vm_reload_success,
        }
    }
}

thread_local! {
    static VMS: RefCell<HashMap<Key, Weak<Vm>>> = RefCell::default();
    static PLUGINS: RefCell<HashMap<(Key, Key), Weak<OnThread>>> = RefCell::default();
}

/// A plugin that runs on this thread.
pub(crate) struct OnThread {
    pub(crate) vm: Rc<Vm>,
    pub(crate) root: u32,
    pub(crate) plugin: Arc<Plugin>,
}

impl Drop for OnThread {
    fn drop(&mut self) {
        self.vm.end_plugin(self.root);
    }
}

/// The VM of a key that runs here.
fn vm_of(plugin: &Plugin, root: &Scope) -> Result<Rc<Vm>, &'static str> {
    let key = plugin.base.key;
    let known = VMS.with_borrow(|vms| vms.get(&key).and_then(Weak::upgrade));
    if let Some(vm) = known.filter(|vm| !vm.has_failed()) {
        return Ok(vm);
    }
    mailbox::read_by(queue_ready);
    let vm = Vm::new(&plugin.base, Some(root), calls::of_thread())?;
    VMS.with_borrow_mut(|vms| {
        vms.retain(|_, vm| vm.strong_count() > 0);
        vms.insert(key, Rc::downgrade(&vm));
    });
    Ok(vm)
}

fn load(plugin: &Arc<Plugin>, root: &Scope) -> Result<Rc<OnThread>, &'static str> {
    let key = (plugin.base.key, plugin.key);
    let known = PLUGINS.with_borrow(|plugins| plugins.get(&key).and_then(Weak::upgrade));
    if let Some(known) = known.filter(|known| !known.vm.has_failed()) {
        return Ok(known);
    }
    let vm = vm_of(plugin, root)?;
    let context = vm.start(plugin)?;
    let loaded = Rc::new(OnThread {
        vm,
        root: context,
        plugin: Arc::clone(plugin),
    });
    PLUGINS.with_borrow_mut(|plugins| {
        plugins.retain(|_, plugin| plugin.strong_count() > 0);
        plugins.insert(key, Rc::downgrade(&loaded));
    });
    Ok(loaded)
}

/// Tells a plugin that a queue has something new.
pub(crate) fn queue_ready(vm: &Key, context: u32, token: u32) {
    let vm = VMS.with_borrow(|vms| vms.get(vm).and_then(Weak::upgrade));
    if let Some(vm) = vm
        && vm.with(|host| host.contexts.contains_key(&context))
    {
        vm.call(context, Export::QueueReady, &[token]);
    }
}

/// Counts the VMs that a plugin was tried with, once.
fn count_trial(plugin: &Plugin, root: &Scope, is_singleton: bool) {
    if plugin.is_counted.swap(true, Ordering::Relaxed) {
        return;
    }
    // Of the module, and of the main thread.
    let count = if is_singleton { 1 } else { 2 };
    let own = || {
        (0..count)
            .map(|_| Lifecycle::new(root, &plugin.base.runtime))
            .collect()
    };
    plugin.base.counted.get_or_init(own);
    if let Some(scope) = root.scope("wasm") {
        scope.register::<RemoteStats>();
    }
    drop(Lifecycle::new(root, &plugin.base.runtime));
}

/// A plugin where it is configured, on this worker.
pub(crate) struct Handle {
    plugin: Arc<Plugin>,
    root: Scope,
    loaded: RefCell<Option<Rc<OnThread>>>,
    loaded_at: Cell<Instant>,
    stats: Arc<ReloadStats>,
    _scope: Option<Scope>,
}

/// What there is of a plugin for a stream.
pub(crate) enum Found {
    Runs(Rc<OnThread>),
    /// It failed, and streams go on without it.
    PassedOver,
    /// It failed, and streams are refused.
    Refuses,
}

impl Handle {
    pub(crate) fn new(plugin: &Arc<Plugin>, root: &Scope) -> Self {
        Handle::load(plugin, root, false)
    }

    /// Of a plugin that runs on this thread alone.
    pub(crate) fn singleton(plugin: &Arc<Plugin>, root: &Scope) -> Self {
        Handle::load(plugin, root, true)
    }

    fn load(plugin: &Arc<Plugin>, root: &Scope, is_singleton: bool) -> Self {
        let root = root.root().unwrap_or_else(|| root.clone());
        count_trial(plugin, &root, is_singleton);
        let scope = root.scope(&format!("wasm.{}", plugin.name));
        if let Some(scope) = &scope {
            scope.register::<ReloadStats>();
        }
        let loaded = load(plugin, &root);
        if let Err(why) = &loaded {
            complain(&format!("Wasm VM failed {why}"));
        }
        Handle {
            plugin: Arc::clone(plugin),
            root,
            loaded: RefCell::new(loaded.ok()),
            loaded_at: Cell::new(SystemClock.now()),
            stats: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            _scope: scope,
        }
    }

    /// The plugin for the next stream.
    pub(crate) fn find(&self) -> Found {
        let loaded = self.loaded.borrow().clone();
        match (loaded, self.plugin.policy) {
            (Some(loaded), _) if !loaded.vm.has_failed() => Found::Runs(loaded),
            (_, Policy::Open) => Found::PassedOver,
            (Some(_), Policy::Reload(_)) => self.reload(),
            _ => Found::Refuses,
        }
    }

    fn reload(&self) -> Found {
        let Policy::Reload(back_off) = self.plugin.policy else {
            return Found::Refuses;
        };
        let now = SystemClock.now();
        if now.saturating_duration_since(self.loaded_at.get()) < back_off {
            self.stats.vm_reload_backoff.inc();
            return Found::Refuses;
        }
        self.loaded_at.set(now);
        match load(&self.plugin, &self.root) {
            Ok(loaded) => {
                self.stats.vm_reload_success.inc();
                *self.loaded.borrow_mut() = Some(Rc::clone(&loaded));
                Found::Runs(loaded)
            }
            Err(_) => {
                self.stats.vm_reload_failure.inc();
                Found::Refuses
            }
        }
    }
}
