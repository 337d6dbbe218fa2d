//! Plugins on a worker: VMs of one key are one, plugins of one key as well. A VM that has failed is left to those that
//! have it; where the policy says so, a new one is made for the streams to come.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use nuncio_config::typed::Awaited;
use nuncio_contract::calls;
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use crate::code_cache;
use crate::export::Export;
use crate::host::general::complain;
use crate::key::Key;
use crate::lifecycle::{Lifecycle, RemoteStats};
use crate::mailbox;
use crate::plugin::{Plugin, Policy};
use crate::slot::Slot;
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
    drop(Lifecycle::new(root, &plugin.base.runtime));
}

/// A plugin where it is configured, on this worker.
pub(crate) struct Handle(Rc<Place>);

struct Place {
    slot: Arc<Slot>,
    root: Scope,
    is_singleton: bool,
    loaded: RefCell<Option<Rc<OnThread>>>,
    loaded_at: Cell<Instant>,
    stats: Arc<ReloadStats>,
    /// They are there as long as this is.
    scopes: [Option<Scope>; 2],
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
    pub(crate) fn new(plugin: &Arc<Slot>, root: &Scope) -> Self {
        Handle::load(plugin, root, false)
    }

    /// Of a plugin that runs on this thread alone.
    pub(crate) fn singleton(plugin: &Arc<Slot>, root: &Scope) -> Self {
        Handle::load(plugin, root, true)
    }

    fn load(slot: &Arc<Slot>, root: &Scope, is_singleton: bool) -> Self {
        let root = root.root().unwrap_or_else(|| root.clone());
        let remote = root.scope("wasm");
        if let Some(scope) = &remote {
            scope.register::<RemoteStats>();
        }
        let scope = root.scope(&format!("wasm.{}", slot.recipe.name));
        if let Some(scope) = &scope {
            scope.register::<ReloadStats>();
        }
        let place = Rc::new(Place {
            slot: Arc::clone(slot),
            root,
            is_singleton,
            loaded: RefCell::default(),
            loaded_at: Cell::new(SystemClock.now()),
            stats: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            scopes: [scope, remote],
        });
        match slot.is_done() {
            true => place.load(),
            false => place.load_later(),
        }
        Handle(place)
    }

    /// The plugin for the next stream.
    pub(crate) fn find(&self) -> Found {
        self.0.find()
    }
}

impl Place {
    /// Loads what there is.
    fn load(&self) {
        if let [_, Some(scope)] = &self.scopes {
            code_cache::with(|cache| cache.tell(&scope.worker_group()));
        }
        if self.slot.tells_fault() {
            // Its VM was there, and is counted.
            drop(Lifecycle::new(
                &self.root,
                &self.slot.recipe.settings.runtime,
            ));
        }
        let Some(Ok(plugin)) = self.slot.get() else {
            return;
        };
        count_trial(plugin, &self.root, self.is_singleton);
        match load(plugin, &self.root) {
            Ok(loaded) => *self.loaded.borrow_mut() = Some(loaded),
            Err(why) => complain(&format!("Wasm VM failed {why}")),
        }
        self.loaded_at.set(SystemClock.now());
    }

    /// Loads it once its code is there. Where nobody has waited for that, until then streams find that it has failed.
    fn load_later(self: &Rc<Self>) {
        Arc::clone(&self.slot).begin();
        let Some(calls) = calls::of_thread() else {
            return self.load();
        };
        let (slot, place) = (Arc::clone(&self.slot), Rc::downgrade(self));
        calls.spawn(Box::pin(async move {
            poll_fn(|cx| slot.poll_done(cx)).await;
            if let Some(place) = place.upgrade() {
                place.load();
            }
        }));
    }

    fn find(&self) -> Found {
        let loaded = self.loaded.borrow().clone();
        match (loaded, self.slot.recipe.policy) {
            (Some(loaded), _) if !loaded.vm.has_failed() => Found::Runs(loaded),
            (_, Policy::Open) => Found::PassedOver,
            (Some(_), Policy::Reload(_)) => self.reload(),
            _ => Found::Refuses,
        }
    }

    fn reload(&self) -> Found {
        let (Policy::Reload(back_off), Some(Ok(plugin))) =
            (self.slot.recipe.policy, self.slot.get())
        else {
            return Found::Refuses;
        };
        let now = SystemClock.now();
        if now.saturating_duration_since(self.loaded_at.get()) < back_off {
            self.stats.vm_reload_backoff.inc();
            return Found::Refuses;
        }
        let loaded = load(plugin, &self.root);
        self.loaded_at.set(SystemClock.now());
        match loaded {
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
