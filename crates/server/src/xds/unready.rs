//! What listeners still wait for before they run, as `/init_dump` shows it: those of the start, and those of updates.
//!
//! Differs from Envoy: the number behind a listener's name, a hash of its configuration, is another one.

use std::collections::BTreeSet;

use nuncio_contract::hash::xxh64;

use super::Discovery;
use crate::resource::ListenerResource;

impl Discovery<'_> {
    /// These listeners wait from now on, and no others of the start.
    pub(crate) fn note_starting(&self, listeners: Vec<ListenerResource>) {
        *self.starting.borrow_mut() = listeners;
        self.show_unready();
    }

    /// Has `/init_dump` show what is waited for now.
    pub(super) fn show_unready(&self) {
        let (starting, warming) = (self.starting.borrow(), self.warming.borrow());
        let waiting = starting.iter().chain(warming.resources());
        let all = waiting.filter_map(|one| {
            let targets = self.awaited_by(one);
            let name = &one.listener.name;
            let number = xxh64(name.as_bytes(), 0);
            let manager = format!("init manager Listener-local-init-manager {name} {number}");
            (!targets.is_empty()).then(|| (manager, targets.into_iter().collect()))
        });
        let all: Vec<_> = all.collect();
        *self.running.unready.borrow_mut() = all;
    }

    /// What a listener waits for, in Envoy's words.
    fn awaited_by(&self, one: &ListenerResource) -> BTreeSet<String> {
        let mut targets = BTreeSet::new();
        if self.awaits_scopes(one) {
            let text = "target ConfigSubscriptionCommonBase init target 'SRDS'";
            targets.insert(text.to_string());
        }
        for name in self.awaited_routes(one) {
            let text = format!("shared target RdsRouteConfigSubscription RDS init {name}");
            targets.insert(text);
        }
        for name in self.awaited_extensions(&one.listener) {
            targets.insert(format!(
                "shared target FilterConfigSubscription init {name}"
            ));
        }
        for wish in &one.version.wanted {
            if self.secrets.are_awaited(std::slice::from_ref(wish)) {
                targets.insert(format!("shared target SdsApi {}", wish.name));
            }
        }
        if one.awaited.iter().any(|awaited| !awaited.is_done()) {
            targets.insert("target RemoteAsyncDataProvider".to_string());
        }
        targets
    }
}
