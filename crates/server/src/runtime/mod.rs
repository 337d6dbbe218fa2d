//! `layered_runtime`: values from the configuration, from disk and from the admin, the last layer that has a value
//! counting; and which of them are in force.
//!
//! The values go to the places behind [`RuntimeKeys`], which workers read without looking anything up. Layers are
//! loaded at the start, once more when the clusters are there, at each `/runtime_modify`, and when a layer's
//! `symlink_root` is another file than before, which is looked for twice a second, or a source of a layer has another
//! version of it (`rtds.rs`). The layers themselves stay as they
//! are until a restart. Limits: see `disk.rs`; the admin's layer holds 10,000 values of 1 MiB.
//!
//! Differs from Envoy: a request of `/runtime_modify` with a value that is no YAML changes nothing, where Envoy keeps
//! those before it; a name that Envoy reads and Nuncio does not is refused in a static layer, and warned of elsewhere.

mod config;
mod disk;
mod guards;
mod layers;
mod names;
mod rtds;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::{RuntimeKeys, RuntimeValue};
use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::RuntimeStats;

pub(crate) use config::{LayeredRuntime, RuntimeResource};
use disk::Looks;
use layers::{Layer, Source};

use crate::log;

/// How often the roots of layers on disk are looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// Values of the admin's layer.
const MOST_ADMIN_VALUES: usize = 10_000;

/// Layers and values for who asks.
#[derive(Default)]
pub(crate) struct Shown {
    /// Names of the layers, lowest first.
    pub(crate) layers: Vec<String>,
    /// Name, the value in each layer (empty where unset), and the value in force.
    pub(crate) entries: Vec<(String, Vec<String>, String)>,
}

/// Why values were not set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotSet {
    /// There is no layer of the admin.
    NoAdminLayer,
    /// One of them cannot be one, and why.
    BadValue(String),
}

/// Values of one layer by name.
type Values = BTreeMap<String, RuntimeValue>;

/// The runtime of the process; belongs to the main thread.
#[derive(Default)]
pub(crate) struct Runtime {
    /// Where configurations resolve their keys.
    pub(crate) keys: RuntimeKeys,
    running: OnceCell<Running>,
}

struct Running {
    layers: Vec<Layer>,
    /// What the admin has set.
    admin: RefCell<Values>,
    /// The layers that could be loaded, with their names.
    loaded: RefCell<Vec<(String, Arc<Values>)>>,
    stats: Arc<RuntimeStats>,
}

impl Runtime {
    /// Takes the layers of a bootstrap's `layered_runtime` and loads them; later ones are left alone, as layers do
    /// not change while a process runs.
    pub(crate) fn begin(
        &self,
        message: Option<&LayeredRuntime>,
        service_cluster: &str,
        stats: &StatsStore,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        let layers = layers::compile(message, service_cluster, ctx)?;
        if self.running.get().is_none() {
            let running = Running {
                layers,
                admin: RefCell::default(),
                loaded: RefCell::default(),
                stats: stats.root().worker_group(),
            };
            running.load(&self.keys);
            let _there_was_none = self.running.set(running);
        }
        Ok(())
    }

    /// The same for a tree that is only told about.
    pub(crate) fn begin_with_tree(
        &self,
        tree: &Message,
        service_cluster: &str,
        stats: &StatsStore,
    ) {
        let mut ctx = Ctx::for_telling();
        let node = || tree.find(&["node", "cluster"]).and_then(Value::as_str);
        let service_cluster = match service_cluster {
            "" => node().unwrap_or_default(),
            flag => flag,
        };
        let message = tree.find(&["layered_runtime"]).and_then(Value::as_message);
        let message = message.and_then(|message| decode(message, &mut ctx).ok());
        let _what_is_wrong_is_told_elsewhere =
            self.begin(message.as_ref(), service_cluster, stats, &mut ctx);
    }

    /// Loads the layers again.
    pub(crate) fn load(&self) {
        if let Some(running) = self.running.get() {
            running.load(&self.keys);
        }
    }

    /// Loads the layers whenever a root on disk is another one; never returns.
    pub(crate) async fn watch(&self) {
        let roots = || self.running.get().into_iter().flat_map(Running::roots);
        let mut known: Vec<Looks> = roots().map(Looks::of).collect();
        if known.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            for (root, known) in roots().zip(&mut known) {
                let now = Looks::of(root);
                if now.is_there() && now != *known {
                    self.load();
                }
                *known = now;
            }
        }
    }

    /// As the admin shows it.
    pub(crate) fn view(&self) -> Shown {
        let Some(running) = self.running.get() else {
            return Shown::default();
        };
        let loaded = running.loaded.borrow();
        let mut entries: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (place, (_, values)) in loaded.iter().enumerate() {
            for (name, value) in &**values {
                let of_layers = entries
                    .entry(name)
                    .or_insert_with(|| vec![String::new(); loaded.len()]);
                if let Some(text) = of_layers.get_mut(place) {
                    text.clone_from(&value.text);
                }
            }
        }
        let in_force = |name: &str| {
            let last = loaded.iter().rev().find_map(|(_, values)| values.get(name));
            last.map_or_else(String::new, |value| value.text.clone())
        };
        Shown {
            layers: loaded.iter().map(|(name, _)| name.clone()).collect(),
            entries: entries
                .into_iter()
                .map(|(name, of_layers)| (name.to_owned(), of_layers, in_force(name)))
                .collect(),
        }
    }

    /// Sets values of the admin's layer; an empty one takes its name out.
    pub(crate) fn modify(&self, values: &[(&str, &str)]) -> Result<(), NotSet> {
        let running = self.running.get().ok_or(NotSet::NoAdminLayer)?;
        if !running.has_admin_layer() {
            return Err(NotSet::NoAdminLayer);
        }
        let parsed: Vec<_> = values
            .iter()
            .map(|(name, text)| Ok((*name, text, RuntimeValue::of_text(text)?)))
            .collect::<Result<_, String>>()
            .map_err(NotSet::BadValue)?;
        let mut admin = running.admin.borrow().clone();
        for (name, text, value) in parsed {
            if text.is_empty() {
                admin.remove(name);
            } else {
                names::tell(name, &value);
                admin.insert(name.to_owned(), value);
            }
        }
        if admin.len() > MOST_ADMIN_VALUES {
            let text = format!("there may be {MOST_ADMIN_VALUES} overrides at most");
            return Err(NotSet::BadValue(text));
        }
        running.admin.replace(admin);
        running.load(&self.keys);
        Ok(())
    }
}

impl Running {
    fn roots(&self) -> impl Iterator<Item = &std::path::Path> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            Source::Disk(disk) => Some(&*disk.root),
            Source::Static(_) | Source::Admin | Source::Rtds(_) => None,
        })
    }

    fn has_admin_layer(&self) -> bool {
        let mut sources = self.layers.iter().map(|layer| &layer.source);
        sources.any(|source| matches!(source, Source::Admin))
    }

    /// Loads all layers and puts their values in force. One that is not there is left out, and one that cannot be
    /// read too, which is an error.
    fn load(&self, keys: &RuntimeKeys) {
        let mut loaded = Vec::with_capacity(self.layers.len());
        let (mut on_disk, mut failed) = (0, false);
        for layer in &self.layers {
            let values = match &layer.source {
                Source::Static(values) => Arc::clone(values),
                Source::Admin => Arc::new(self.admin.borrow().clone()),
                Source::Rtds(rtds) => Arc::clone(&rtds.values.borrow()),
                Source::Disk(disk) => match disk.load() {
                    Ok(None) => continue,
                    Ok(Some(values)) => {
                        on_disk += 1;
                        Arc::new(values)
                    }
                    Err(why) => {
                        failed = true;
                        let text = format!("layer '{}' cannot be loaded: {why}", layer.name);
                        log::warning("runtime", &text);
                        continue;
                    }
                },
            };
            loaded.push((layer.name.clone(), values));
        }
        let mut all: HashMap<Box<str>, RuntimeValue> = HashMap::new();
        for (_, values) in &loaded {
            let values = values.iter();
            all.extend(values.map(|(name, value)| (name.as_str().into(), value.clone())));
        }
        self.count(loaded.len(), all.len(), on_disk > 1, failed);
        keys.set_values(all);
        self.loaded.replace(loaded);
    }

    /// An override is there if more than one layer is on disk, as Envoy counts.
    fn count(&self, layers: usize, keys: usize, has_override: bool, failed: bool) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let stats = &self.stats;
        stats.num_layers.set(number(layers));
        stats.num_keys.set(number(keys));
        let overrides = !self.admin.borrow().is_empty();
        if overrides || stats.admin_overrides_active.share() != 0 {
            stats.admin_overrides_active.set(overrides.into());
        }
        if failed {
            stats.load_error.inc();
        } else {
            stats.load_success.inc();
        }
        if has_override {
            stats.override_dir_exists.inc();
        } else {
            stats.override_dir_not_exists.inc();
        }
    }
}
