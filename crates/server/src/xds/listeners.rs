//! LDS: the listeners of the process, but for the static ones.
//!
//! As in Envoy, each listener of an update stands for itself: what cannot be used is rejected and told, the others run,
//! and what is not named any more is drained and goes. An update with a resource that breaks the rules of its message
//! changes nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::resources::Response;
use nuncio_config::sorting;
use nuncio_config::tree::Message;
use nuncio_net::listen_address::ListenAddress;

use super::delivery::Verdict;
use super::workshop::Bench;
use super::{Discovery, LISTENER};
use crate::log;
use crate::resource::{ListenerResource, Rejected};
use crate::running::Prepared;

/// What an update did.
struct Outcome {
    rejected: Vec<Rejected>,
    /// The names and reasons as the answer has them.
    reasons: Vec<String>,
}

impl Outcome {
    fn reject(&mut self, name: &str, message: &Arc<Message>, details: &str) {
        let text = format!("lds: listener '{name}' config rejected: {details}");
        log::warning("upstream", &text);
        // Envoy asks for these before it looks at the listener itself.
        let is_early =
            details.ends_with("address is necessary") || details.starts_with("duplicate ");
        self.rejected.push(Rejected {
            name: (!is_early).then(|| name.to_string()),
            message: Arc::clone(message),
            details: details.to_string(),
            at: SystemTime::now(),
        });
        self.reasons.push(format!("{name}: {details}\n"));
    }
}

/// Lets an update run as far as it can be used.
pub(super) fn apply(
    discovery: &Discovery<'_>,
    bench: &mut Bench<'_>,
    response: &Response,
) -> Verdict {
    let messages = bench.unpack_all(response, LISTENER)?;
    let wanted: HashSet<&str> = messages.iter().map(|message| name_of(message)).collect();
    let running = &discovery.running;
    let mut removed = running.listeners.borrow().dynamic_names();
    removed.extend(discovery.warming.borrow().names());
    sorting::sort(&mut removed);
    removed.dedup();
    removed.retain(|name| match &response.removed {
        Some(removed) => removed.iter().any(|one| **one == **name),
        None => !wanted.contains(name.as_str()),
    });
    let mut outcome = Outcome {
        rejected: Vec::new(),
        reasons: Vec::new(),
    };
    let put = make(
        discovery,
        bench,
        (&messages, &response.versions),
        &mut outcome,
    );
    // One without a name is called by its address, and stays with it.
    removed.retain(|name| put.iter().all(|made| made.listener.name != *name));
    for name in &removed {
        log::info("upstream", &format!("lds: remove listener '{name}'"));
    }
    let mut put = apart(discovery, put, &removed, &mut outcome);
    let changes_something = !removed.is_empty() || !put.is_empty();
    put.iter_mut().for_each(|made| discovery.attach(made));
    discovery.warming.borrow_mut().forget(&removed);
    let put = discovery.without_cold(put);
    let prepared = prepare(discovery, put, &removed, &mut outcome);
    if changes_something {
        discovery.publish_listeners(prepared);
    }
    let version = changes_something.then_some(&*response.version);
    let Outcome { rejected, reasons } = outcome;
    running
        .listeners
        .borrow_mut()
        .note_update(version, rejected);
    match reasons.is_empty() {
        true => Ok(()),
        false => {
            let all = reasons.concat();
            Err(format!("Error adding/updating listener(s) {all}"))
        }
    }
}

/// The listeners that are another than before.
fn make(
    discovery: &Discovery<'_>,
    bench: &mut Bench<'_>,
    (messages, versions): (&[Arc<Message>], &[Box<str>]),
    outcome: &mut Outcome,
) -> Vec<ListenerResource> {
    let mut seen = HashSet::new();
    let mut put = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        bench.use_version(versions.get(place).map(AsRef::as_ref));
        let name = name_of(message);
        if !seen.insert(name) {
            outcome.reject(name, message, &format!("duplicate listener {name} found"));
            continue;
        }
        let listeners = discovery.running.listeners.borrow();
        let is_there = match discovery.warming.borrow().has(name, message) {
            Some(warms) => warms,
            None => listeners.has(name, message),
        };
        if listeners.is_static(name) || is_there {
            continue;
        }
        drop(listeners);
        match bench.listener(message) {
            Ok(made) => put.push(made),
            Err(reason) => outcome.reject(name, message, &reason),
        }
    }
    put
}

/// Rejects those whose address another one has by then; one by one in their order, as Envoy does.
fn apart(
    discovery: &Discovery<'_>,
    put: Vec<ListenerResource>,
    removed: &[String],
    outcome: &mut Outcome,
) -> Vec<ListenerResource> {
    let listeners = discovery.running.listeners.borrow();
    let stays = |one: &&ListenerResource| !removed.contains(&one.listener.name);
    let staying = listeners.resources().filter(stays);
    let mut taken: HashMap<String, Places> = staying
        .map(|one| (one.listener.name.clone(), Places::of(one)))
        .collect();
    let mut sound = Vec::with_capacity(put.len());
    for made in put {
        let (name, places) = (made.listener.name.clone(), Places::of(&made));
        let mut others = taken.iter().filter(|(other, _)| **other != name);
        if others.any(|(_, other)| places.meet(other)) {
            let text = format!(
                "error adding listener: '{name}' has duplicate address '{places}' as existing listener, to check if the listener has duplicated addresses with other listeners or 'enable_reuse_port' is set to 'false' for the listener"
            );
            outcome.reject(&name, &made.version.message, &text);
            continue;
        }
        taken.insert(name, places);
        sound.push(made);
    }
    sound
}

/// All addresses of a listener, and whether they are of datagrams.
struct Places(Vec<(ListenAddress, bool)>);

impl Places {
    fn of(resource: &ListenerResource) -> Self {
        let places = resource.listener.places();
        Places(
            places
                .map(|(address, options)| (address.clone(), options.datagrams))
                .collect(),
        )
    }

    /// Whether one of them is one of the other's; those that the system chooses never are.
    fn meet(&self, other: &Self) -> bool {
        let mut fixed = self.0.iter().filter(|(at, _)| !at.is_chosen_late());
        fixed.any(|(at, datagrams)| {
            let mut others = other.0.iter();
            others.any(|(there, others)| there.is_at(at) && others == datagrams)
        })
    }
}

impl fmt::Display for Places {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (address, _)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(formatter, "{comma}{address}")?;
        }
        Ok(())
    }
}

/// Lets listeners run that were made before and are warm now.
pub(super) fn publish_warm(discovery: &Discovery<'_>, put: Vec<ListenerResource>) {
    let mut outcome = Outcome {
        rejected: Vec::new(),
        reasons: Vec::new(),
    };
    let put = apart(discovery, put, &[], &mut outcome);
    let prepared = prepare(discovery, put, &[], &mut outcome);
    discovery.publish_listeners(prepared);
}

/// Binds what is to be bound; who fails stays as it was.
fn prepare(
    discovery: &Discovery<'_>,
    mut put: Vec<ListenerResource>,
    removed: &[String],
    outcome: &mut Outcome,
) -> Prepared {
    loop {
        let listeners = discovery.running.listeners.borrow();
        let prepared = listeners.prepare_update(put.clone(), removed.to_vec());
        let failed = match prepared {
            Ok(prepared) => {
                for made in &put {
                    let name = name_of(&made.version.message);
                    log::info("upstream", &format!("lds: add/update listener '{name}'"));
                }
                return prepared;
            }
            Err(failed) => failed,
        };
        for (name, why) in failed {
            let place = put.iter().position(|made| made.listener.name == name);
            if let Some(made) = place.map(|place| put.remove(place)) {
                outcome.reject(&name, &made.version.message, &why);
            }
        }
    }
}

fn name_of(message: &Message) -> &str {
    let name = message.find(&["name"]).and_then(|name| name.as_str());
    name.unwrap_or_default()
}
