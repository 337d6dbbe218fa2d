//! A control plane that does as a case says, and shows what it was asked.
//!
//! It speaks gRPC over HTTP/2, state of the world or delta, whichever method is called, all kinds of resources on one
//! stream or on streams of their own. To the first request of a kind on a stream it answers by itself, if the case says
//! what; everything else is told by the steps of exchanges, each of which waits for the answer to it.

pub(crate) mod protobuf;
mod request;
mod server;
mod talk;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use request::Request;
use server::Line;

/// Long enough for anything that comes about at all.
const LIMIT: Duration = Duration::from_secs(30);

/// A control plane of a case.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneSpec {
    /// What it answers to the first request of a kind, by the last word of the type: the first answer on the first
    /// stream and so on, the last one for ever after.
    #[serde(default)]
    pub answers: BTreeMap<String, Vec<Telling>>,
    /// What it calls itself.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Services that are no discovery of resources, by the name of the method.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceSpec>,
}

/// A service whose messages are told as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// What it says to the first message of a stream, see [`protobuf`].
    #[serde(default)]
    pub says: Vec<Value>,
    /// Paths of fields of what it is told that are not shown.
    #[serde(default)]
    pub hides: Vec<Vec<u64>>,
    /// Paths of maps in it, whose order is no promise, which are shown sorted.
    #[serde(default)]
    pub sorts: Vec<Vec<u64>>,
    /// What it does on each stream in turn, if it is more than to say something at the beginning: for each message that
    /// comes what follows from it, see [`talk`]. Every message is shown.
    #[serde(default)]
    pub streams: Vec<Vec<Vec<Value>>>,
}

/// A response.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telling {
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its nonce.
    pub nonce: String,
    /// Its resources, see [`protobuf`]; delta has them with a name (`as`), a version (`at`) and
    /// perhaps other names (`aka`); without `any` there is nothing but the names.
    #[serde(default)]
    pub resources: Vec<Value>,
    /// Delta alone: what went.
    #[serde(default)]
    pub removed: Vec<String>,
    /// The type, if it is not the one that was asked for.
    #[serde(default)]
    pub type_name: Option<String>,
    /// What is sent in the place of a response, to which there is no answer.
    #[serde(default)]
    pub no_response: Option<String>,
}

/// A control plane that runs.
pub struct ControlPlane {
    port: u16,
    shared: Arc<Shared>,
}

/// What its threads share.
struct Shared {
    spec: PlaneSpec,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// All connections that are open.
    lines: Vec<Arc<Line>>,
    /// The stream that a kind was asked for on last, with the type's full name.
    kinds: BTreeMap<String, (Arc<Line>, u32, bool, String)>,
    /// How many first requests of a kind, or of a method, there were.
    firsts: BTreeMap<String, usize>,
    /// Not shown yet.
    requests: Vec<Request>,
    /// All nonces that were answered.
    answered: Vec<(String, String)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ControlPlane {
    /// Starts one.
    ///
    /// # Errors
    /// If a socket cannot be had.
    pub fn start(spec: &PlaneSpec) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            spec: spec.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let port = server::listen(Arc::clone(&shared))?;
        Ok(Self { port, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells a response of a kind, on the stream on which that was asked for last, and waits for the answer.
    ///
    /// # Errors
    /// If the kind was never asked for, the answer does not come, or a resource is none.
    pub fn tell(&self, kind: &str, telling: &Telling) -> io::Result<()> {
        self.until("is asked for it", |state| state.kinds.contains_key(kind))?;
        self.shared.tell(kind, telling).map_err(io::Error::other)?;
        if telling.no_response.is_some() {
            return Ok(());
        }
        self.answered(kind, &telling.nonce)
    }

    /// Waits for the answer to a response.
    ///
    /// # Errors
    /// If it does not come.
    pub fn answered(&self, kind: &str, nonce: &str) -> io::Result<()> {
        let answer = (kind.to_owned(), nonce.to_owned());
        self.until("has its answer", |state| state.answered.contains(&answer))
    }

    /// Waits for a request whose line has a text and that was not shown yet.
    ///
    /// # Errors
    /// If it does not come.
    pub fn asked(&self, text: &str) -> io::Result<()> {
        self.until("is asked so", |state| {
            state
                .requests
                .iter()
                .any(|request| request.line.contains(text))
        })
    }

    /// Closes all connections; what was answered before does not count any more.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        state.kinds.clear();
        state.answered.clear();
        for line in std::mem::take(&mut state.lines) {
            line.close();
        }
    }

    /// What it was asked since this was called last, in order for each kind; one kind behind the other, since which
    /// of two kinds comes first may be an accident.
    #[must_use]
    pub fn take_requests(&self) -> Vec<String> {
        let mut state = self.shared.state();
        let mut requests = std::mem::take(&mut state.requests);
        requests.sort_by(|one, other| one.kind.cmp(&other.kind));
        requests.into_iter().map(|request| request.line).collect()
    }

    fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.shared.state();
        while !holds(&state) {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                let lines: Vec<_> = state.requests.iter().map(|one| one.line.clone()).collect();
                let seen = lines.join("; ");
                return Err(io::Error::other(format!(
                    "the control plane never {what}: {seen}"
                )));
            }
            let waited = self.shared.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}
