//! What VMs of one key share: the module and what it runs with. Kept as long as any configuration uses it, so that a
//! reload that changes nothing compiles nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use wasmi::Module;

use crate::engine::{Abi, Limits, compile};
use crate::key::{Key, key};
use crate::lifecycle::Lifecycle;
use crate::shared_data::VmId;

/// A module with its VM's configuration.
pub(crate) struct Base {
    pub(crate) module: Module,
    pub(crate) abi: Abi,
    pub(crate) key: Key,
    pub(crate) vm_id: Arc<VmId>,
    pub(crate) runtime: Box<str>,
    pub(crate) configuration: Box<[u8]>,
    pub(crate) environment: Vec<(String, String)>,
    /// What the plugin may call and be called for; empty: all of it.
    pub(crate) allowed: BTreeSet<String>,
    pub(crate) limits: Limits,
    /// Counts the VMs that Envoy has for the module itself and for the main thread.
    pub(crate) counted: OnceLock<Vec<Lifecycle>>,
    /// The most fuel that a step of a start took when plugins were tried.
    used_at_start: AtomicU64,
    /// What came of trying plugins, by their keys.
    pub(crate) tried: Mutex<HashMap<Key, bool>>,
}

/// What a VM is made of besides its code.
#[derive(Clone, Debug)]
pub(crate) struct VmSettings {
    pub(crate) vm_id: Box<str>,
    pub(crate) runtime: Box<str>,
    pub(crate) configuration: Box<[u8]>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allowed: BTreeSet<String>,
    pub(crate) limits: Limits,
}

static BASES: Mutex<Option<HashMap<Key, Weak<Base>>>> = Mutex::new(None);

impl Base {
    /// Of this code, compiled if it is not there yet.
    ///
    /// # Errors
    /// What is wrong with the code.
    pub(crate) fn of(settings: &VmSettings, code: &[u8]) -> Result<Arc<Self>, &'static str> {
        let environment = format!("{:?}{:?}", settings.environment, settings.allowed);
        let key = key(&[
            settings.vm_id.as_bytes(),
            environment.as_bytes(),
            &settings.configuration,
            code,
        ]);
        let mut bases = BASES.lock().unwrap_or_else(PoisonError::into_inner);
        let bases = bases.get_or_insert_default();
        if let Some(base) = bases.get(&key).and_then(Weak::upgrade) {
            return Ok(base);
        }
        bases.retain(|_, base| base.strong_count() > 0);
        let (module, abi) = compile(code)?;
        let base = Arc::new(Base {
            module,
            abi,
            key,
            vm_id: VmId::of(&settings.vm_id),
            runtime: settings.runtime.clone(),
            configuration: settings.configuration.clone(),
            environment: settings.environment.clone(),
            allowed: settings.allowed.clone(),
            limits: settings.limits.clone(),
            counted: OnceLock::new(),
            used_at_start: AtomicU64::new(0),
            tried: Mutex::default(),
        });
        bases.insert(key, Arc::downgrade(&base));
        Ok(base)
    }

    /// The fuel of a step as a VM starts. A worker, which has streams to serve, gives twice what the trial took, and
    /// what any call may have.
    pub(crate) fn fuel_at_start(&self, is_trial: bool) -> u64 {
        let most = self.limits.fuel_at_start();
        if is_trial {
            return most;
        }
        let twice = self.used_at_start.load(Relaxed).saturating_mul(2);
        twice.max(self.limits.fuel()).min(most)
    }

    /// Notes what a step of a start took.
    pub(crate) fn note_start(&self, given: u64, left: u64) {
        self.used_at_start
            .fetch_max(given.saturating_sub(left), Relaxed);
    }

    /// Whether the plugin may use this.
    pub(crate) fn allows(&self, capability: &str) -> bool {
        self.allowed.is_empty() || self.allowed.contains(capability)
    }
}
