//! ECDS: configurations of filters that chains have by name. Those that want the same one from the same source share the
//! subscription; it ends with the last of them.
//!
//! Streams and connections that begin after an update run the new configuration, in all chains that have it or in none;
//! the others go on with what they began with, and nothing drains.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::resources::Response;
use nuncio_config::tree::{Message, same};
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::ExtensionConfigStats;

use super::Discovery;
use super::delivery::{Delivery, Verdict};
use super::filter_places::{Key, LISTENER_FILTER, Place};
use super::planes::ControlPlanes;
use super::subscription::{Subscription, Wanted};
use super::workshop::Bench;
use crate::admin::state::{DumpedConfig, DynamicConfig};
use crate::listener::CompiledListener;

const EXTENSION: &str = "envoy.config.core.v3.TypedExtensionConfig";

/// All that is subscribed to.
#[derive(Default)]
pub(super) struct ExtensionConfigs {
    subscribed: Vec<(Key, Extension)>,
    /// Those of listeners that were made and are about to run.
    attached: Vec<Place>,
}

struct Extension {
    subscription: Subscription,
    stats: Arc<ExtensionConfigStats>,
    /// Whether the one who wanted it first waits for it.
    is_awaited: bool,
    /// What came last and could be used.
    current: Option<DynamicConfig>,
}

impl ExtensionConfigs {
    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.subscribed.is_empty()
    }

    fn find(&self, key: &Key) -> Option<&Extension> {
        let found = self.subscribed.iter().find(|(one, _)| one == key);
        found.map(|(_, extension)| extension)
    }

    fn message(&self, key: &Key) -> Option<Arc<Message>> {
        let current = self.find(key)?.current.as_ref()?;
        Some(Arc::clone(&current.config.message))
    }

    /// The next deliveries of all that have one.
    fn look(&mut self) -> Vec<(Key, Delivery)> {
        let all = self.subscribed.iter_mut();
        all.filter_map(|(key, one)| {
            let delivery = one.subscription.look();
            let failures = one.subscription.take_unasked_failures();
            one.stats.config_fail.add(failures);
            Some((key.clone(), delivery?))
        })
        .collect()
    }
}

impl Extension {
    fn begin(planes: &ControlPlanes, place: &Place, scope: Scope) -> (Self, Option<Delivery>) {
        let stats = scope.worker_group();
        let (_, name, source) = place.key();
        let wanted = Wanted::one(EXTENSION, &name);
        let (subscription, delivery) = Subscription::begin(planes, wanted, &source, scope);
        let extension = Extension {
            subscription,
            stats,
            is_awaited: place.is_awaited(),
            current: None,
        };
        (extension, delivery)
    }
}

impl Discovery<'_> {
    /// Gives a listener that was compiled the configurations of filters that its chains have from elsewhere, and
    /// subscribes to those that nobody has yet.
    pub(super) fn attach_extensions(&self, listener: &CompiledListener) {
        let places = Place::all(listener);
        let mut extensions = self.extensions.borrow_mut();
        extensions.attached.extend(places.iter().cloned());
        drop(extensions);
        for place in places {
            let key = place.key();
            if self.extensions.borrow().find(&key).is_none() {
                self.subscribe_to_extension(&key, &place);
                continue;
            }
            let Some(message) = self.extensions.borrow().message(&key) else {
                continue;
            };
            let mut bench = self.workshop.begin(&Response::default(), &self.running);
            if let Ok(parsed) = bench.extension(&message, std::slice::from_ref(&place)) {
                place.set(&parsed);
            }
            bench.tell();
        }
    }

    fn subscribe_to_extension(&self, key: &Key, place: &Place) {
        let (kind, name, _) = key;
        let scope = format!("extension_config_discovery.{kind}.{name}");
        let scope = self.around.stats.scope(&scope);
        let (extension, delivery) = Extension::begin(&self.planes, place, scope);
        let mut extensions = self.extensions.borrow_mut();
        extensions.subscribed.push((key.clone(), extension));
        drop(extensions);
        if let Some(delivery) = delivery {
            self.deliver_extension(key, delivery, Some(place));
        }
        self.changed.notify_one();
    }

    /// The places of all listeners, those that wait, that are about to run and that drain too.
    fn places(&self) -> Vec<Place> {
        let (listeners, warming) = (self.running.listeners.borrow(), self.warming.borrow());
        let resources = listeners.resources().chain(warming.resources());
        let places = resources.flat_map(|resource| Place::all(&resource.listener));
        let mut places: Vec<_> = places.collect();
        let draining = listeners
            .drains()
            .filter_map(|one| one.listener().upgrade());
        places.extend(draining.flat_map(|listener| Place::all(&listener)));
        let mut extensions = self.extensions.borrow_mut();
        extensions.attached.retain(Place::is_held);
        places.extend(extensions.attached.iter().cloned());
        places
    }

    /// Whether the configurations of a listener have come, or are not waited for.
    pub(super) fn has_extensions(&self, listener: &CompiledListener) -> bool {
        self.awaited_extensions(listener).is_empty()
    }

    /// The names of the configurations of a listener that have not come and are still waited for.
    pub(super) fn awaited_extensions(&self, listener: &CompiledListener) -> Vec<Box<str>> {
        let extensions = self.extensions.borrow();
        let is_awaited = |key: &Key| {
            let extension = extensions.find(key);
            extension.is_some_and(|extension| !extension.subscription.first().is_done())
        };
        let places = Place::all(listener);
        let awaited = places.iter().filter(|place| place.is_awaited());
        let keys = awaited.map(Place::key).filter(is_awaited);
        keys.map(|(_, name, _)| name).collect()
    }

    /// Completes when nobody waits for a configuration any more that is subscribed to now.
    pub(super) fn first_extensions(&self) -> impl Future<Output = ()> + use<> {
        let extensions = self.extensions.borrow();
        let all = extensions.subscribed.iter();
        let all: Vec<_> = all
            .filter(|(_, extension)| extension.is_awaited)
            .map(|(_, extension)| extension.subscription.first().wait())
            .collect();
        async move {
            for first in all {
                first.await;
            }
        }
    }

    /// Ends subscriptions that no listener needs any more. While some drain, whether they have connections or not, all
    /// stay, as theirs do in Envoy.
    pub(super) fn drop_unused_extensions(&self) {
        let drains = self.running.listeners.borrow().are_draining();
        if drains || self.extensions.borrow().is_empty() {
            return;
        }
        self.extensions.borrow_mut().attached.clear();
        let used: Vec<Key> = self.places().iter().map(Place::key).collect();
        let mut extensions = self.extensions.borrow_mut();
        extensions.subscribed.retain(|(key, _)| used.contains(key));
        drop(extensions);
        self.show_extensions();
    }

    /// Gives all listeners the configurations of now, as some may have come while a reload was under way.
    pub(super) fn refresh_extensions(&self) {
        let listeners = self.running.listeners.borrow();
        let compiled = listeners.resources().map(|one| Arc::clone(&one.listener));
        let compiled: Vec<_> = compiled.collect();
        drop(listeners);
        compiled
            .iter()
            .for_each(|listener| self.attach_extensions(listener));
    }

    /// Takes what has come.
    pub(super) fn look_for_extensions(&self) {
        let deliveries = self.extensions.borrow_mut().look();
        for (key, delivery) in deliveries {
            self.deliver_extension(&key, delivery, None);
        }
    }

    fn deliver_extension(&self, key: &Key, delivery: Delivery, first: Option<&Place>) {
        let verdict = match &delivery {
            Ok(response) => {
                let mut bench = self.workshop.begin(response, &self.running);
                let verdict = self.apply_extension(key, response, &mut bench, first);
                bench.tell();
                verdict
            }
            Err(_) => Ok(()),
        };
        let extensions = self.extensions.borrow();
        if let Some(extension) = extensions.find(key) {
            match &delivery {
                Ok(response) => {
                    let answer = &extension.subscription;
                    answer.answer(&response.version, &verdict);
                }
                Err(failure) => extension.subscription.fail(failure, self.workshop.style()),
            }
            if delivery.is_err() || verdict.is_err() {
                extension.stats.config_fail.inc();
            }
        }
        drop(extensions);
        self.show_extensions();
    }

    fn apply_extension(
        &self,
        key: &Key,
        response: &Response,
        bench: &mut Bench<'_>,
        first: Option<&Place>,
    ) -> Verdict {
        if response
            .removed
            .as_ref()
            .is_some_and(|gone| !gone.is_empty())
        {
            self.take_back_extension(key);
            return Ok(());
        }
        let messages = bench.unpack_all(response, EXTENSION)?;
        bench.use_version(response.versions.first().map(AsRef::as_ref));
        let [message] = messages.as_slice() else {
            let count = messages.len();
            return Err(format!(
                "Unexpected number of resources in ExtensionConfigDS response: {count}"
            ));
        };
        let name = message.find(&["name"]).and_then(|name| name.as_str());
        let name = name.unwrap_or_default();
        if *name != *key.1 {
            return Err(format!(
                "Unexpected resource name in ExtensionConfigDS response: {name}"
            ));
        }
        let is_the_same = |old: Arc<Message>| same(&old, message);
        if self
            .extensions
            .borrow()
            .message(key)
            .is_some_and(is_the_same)
        {
            return Ok(());
        }
        let mut places = self.places();
        places.retain(|place| place.key() == *key);
        places.extend(first.cloned());
        // While what had it drains without connections there is nobody who would run it.
        if !places.is_empty() {
            let parsed = bench.extension(message, &places)?;
            places.iter().for_each(|place| place.set(&parsed));
        }
        let mut extensions = self.extensions.borrow_mut();
        let mut all = extensions.subscribed.iter_mut();
        if let Some((_, extension)) = all.find(|(one, _)| one == key) {
            extension.stats.config_reload.inc();
            extension.current = Some(DynamicConfig {
                version: Arc::clone(bench.version()),
                config: DumpedConfig {
                    message: Arc::clone(message),
                    last_updated: SystemTime::now(),
                },
            });
        }
        Ok(())
    }

    /// Has all places that want a configuration do without it, as its server has it no more.
    fn take_back_extension(&self, key: &Key) {
        let mut places = self.places();
        places.retain(|place| place.key() == *key);
        places.iter().for_each(Place::reset);
        let mut extensions = self.extensions.borrow_mut();
        let mut all = extensions.subscribed.iter_mut();
        if let Some((_, extension)) = all.find(|(one, _)| one == key) {
            extension.stats.config_reload.inc();
            extension.current = None;
        }
    }

    /// Has `/config_dump` show what there is, but for listener filters, which Envoy does not show either.
    fn show_extensions(&self) {
        let extensions = self.extensions.borrow();
        let all = extensions.subscribed.iter();
        let all = all.filter(|((kind, ..), _)| *kind != LISTENER_FILTER);
        let current = all.filter_map(|(_, extension)| extension.current.clone());
        let shown = (!extensions.is_empty()).then(|| current.collect());
        *self.running.extension_configs.borrow_mut() = shown;
    }
}
