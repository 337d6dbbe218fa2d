//! The place of a plugin: filled from the start, or once its code has been fetched. Whoever runs it waits for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use nuncio_config::typed::Awaited;
use nuncio_contract::calls;
use nuncio_contract::clock::{Clock, SystemClock};

use crate::base::{Base, VmSettings};
use crate::code_cache;
use crate::host::general::complain;
use crate::key::key;
use crate::plugin::{Plugin, Policy};
use crate::remote::Remote;
use crate::vm;

/// What a plugin is made of besides its code.
pub(crate) struct Recipe {
    pub(crate) name: Box<str>,
    pub(crate) root_id: Box<str>,
    pub(crate) configuration: Box<[u8]>,
    pub(crate) policy: Policy,
    pub(crate) fails_open: bool,
    pub(crate) holds_heads: bool,
    pub(crate) settings: VmSettings,
}

impl Recipe {
    /// Makes the plugin and tries it.
    ///
    /// # Errors
    /// What it failed at.
    pub(crate) fn make(&self, code: &[u8]) -> Result<Arc<Plugin>, &'static str> {
        let plugin = Arc::new(Plugin {
            name: self.name.clone(),
            root_id: self.root_id.clone(),
            key: key(&[
                self.root_id.as_bytes(),
                &self.configuration,
                self.name.as_bytes(),
            ]),
            configuration: self.configuration.clone(),
            fails_open: self.fails_open,
            holds_heads: self.holds_heads,
            base: Base::of(&self.settings, code)?,
            is_counted: AtomicBool::new(false),
        });
        vm::try_out(&plugin)?;
        Ok(plugin)
    }
}

/// Why there is no plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Its code did not come.
    Code,
    /// Its code is of no use.
    Faulty,
}

/// A plugin that is there, or will be.
pub(crate) struct Slot {
    pub(crate) recipe: Recipe,
    plugin: OnceLock<Result<Arc<Plugin>, Missing>>,
    remote: Option<Remote>,
    has_begun: AtomicBool,
    is_told: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Slot {
    /// Of a plugin that is there.
    pub(crate) fn filled(recipe: Recipe, plugin: Arc<Plugin>) -> Arc<Self> {
        Slot::new(recipe, OnceLock::from(Ok(plugin)), None)
    }

    /// Of one whose code must be fetched.
    pub(crate) fn remote(recipe: Recipe, remote: Remote) -> Arc<Self> {
        Slot::new(recipe, OnceLock::new(), Some(remote))
    }

    fn new(
        recipe: Recipe,
        plugin: OnceLock<Result<Arc<Plugin>, Missing>>,
        remote: Option<Remote>,
    ) -> Arc<Self> {
        Arc::new(Slot {
            recipe,
            plugin,
            remote,
            has_begun: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            waiting: Mutex::default(),
        })
    }

    /// The plugin, once it is known whether there is one.
    pub(crate) fn get(&self) -> Option<Result<&Arc<Plugin>, Missing>> {
        self.plugin
            .get()
            .map(|made| made.as_ref().map_err(|why| *why))
    }

    /// Whether its code is of no use and nobody was told yet.
    pub(crate) fn tells_fault(&self) -> bool {
        matches!(self.plugin.get(), Some(Err(Missing::Faulty)))
            && !self.is_told.swap(true, Ordering::Relaxed)
    }

    fn fill(&self, code: Option<&[u8]>) {
        let made = match code.map(|code| self.recipe.make(code)) {
            Some(Ok(plugin)) => Ok(plugin),
            Some(Err(why)) => {
                complain(&format!("Wasm VM failed {why}"));
                Err(Missing::Faulty)
            }
            None => Err(Missing::Code),
        };
        if made.is_err() {
            complain(&format!("Plugin {} failed to load", self.recipe.name));
        }
        let _it_is_filled_once = self.plugin.set(made);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain(..).for_each(Waker::wake);
    }
}

impl Awaited for Slot {
    fn begin(self: Arc<Self>) {
        let Some(remote) = self.remote.clone() else {
            return;
        };
        if self.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        code_cache::with(|cache| cache.begin(&remote.sha256, SystemClock.now()));
        let Some(calls) = calls::of_thread() else {
            code_cache::with(|cache| cache.end(&remote.sha256, None));
            self.fill(None);
            return;
        };
        // Whoever wanted it may be gone before it comes.
        let slot = Arc::downgrade(&self);
        let spawner = std::rc::Rc::clone(&calls);
        spawner.spawn(Box::pin(async move {
            let code = remote.fetch(&calls, || slot.strong_count() > 0).await;
            code_cache::with(|cache| cache.end(&remote.sha256, code.clone()));
            if let Some(slot) = slot.upgrade() {
                slot.fill(code.as_deref());
            }
        }));
    }

    fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_done() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn is_done(&self) -> bool {
        self.plugin.get().is_some()
    }
}

/// Has code fetched that nobody waits for.
pub(crate) fn fetch_aside(remote: Remote) {
    let Some(calls) = calls::of_thread() else {
        return;
    };
    code_cache::with(|cache| cache.begin(&remote.sha256, SystemClock.now()));
    let spawner = std::rc::Rc::clone(&calls);
    spawner.spawn(Box::pin(async move {
        let code = remote.fetch_once(&calls).await;
        code_cache::with(|cache| cache.end(&remote.sha256, code));
    }));
}
