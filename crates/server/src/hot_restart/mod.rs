//! Hot restart: a new process takes over the sockets and counts of the one before, and no connection is lost.
//!
//! Each process listens on a unix domain socket of its own (`name.rs`) as the parent of the next (`parent.rs`), and one
//! with `--restart-epoch` N > 0 asks the process of epoch N-1 (`child.rs`). In order:
//! 1. it takes copies of the parent's listening sockets, whose accept queues so go on;
//! 2. it has the parent's admin let its address go, whereupon the parent ends its own parent, if that still lives;
//! 3. once it serves, it has the parent drain: stop accepting, and see connections off over `--drain-time-s`;
//! 4. until `--parent-shutdown-time-s` has passed it adds what the parent counts to its own, and then ends it
//!    (`follow.rs`; `granting.rs` is the parent's main thread).
//!
//! `message.rs` and `wire.rs` are what is said and how. Only processes of one user speak with each other.
//!
//! Differs from Envoy: a protocol of its own; no shared memory; a missing parent is an error at once (exit 1), where
//! Envoy aborts; a stuck one is an error after 10 s; a parent whose child dies before it drains opens its admin again,
//! and one whose child dies later ends after its own `--parent-shutdown-time-s`; a process does not end with the one
//! that started it. See `docs/hot-restart.md`.

mod child;
mod follow;
mod granting;
mod message;
mod name;
mod parent;
mod stats;
#[cfg(test)]
mod tests;
mod wire;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_contract::stats::StatsStore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cli::Options;
use crate::log;
use crate::running::Inherit;
use child::{NoParent, Predecessor};
use name::Name;
use parent::{Descent, Parent};

pub(crate) use follow::Follow;
pub(crate) use granting::{After, Granting};
pub(crate) use parent::Ask;

/// Envoy multiplies the id by ten, and leaves room for that.
const DYNAMIC_BITS: u64 = 0x0fff_ffff;
/// How often a base id that nobody uses is looked for.
const DYNAMIC_TRIES: u32 = 100;

/// This process among those that follow each other.
pub(crate) struct HotRestart {
    /// As the parent of the next.
    parent: Arc<Parent>,
    /// The process before, until it is seen off. The last one to drop it hangs up.
    predecessor: Option<Arc<Predecessor>>,
    /// What the next one wants.
    asks: Option<UnboundedReceiver<Ask>>,
    /// The base id, chosen or given.
    pub(crate) base_id: u32,
    /// When the first of all epochs started.
    pub(crate) first_start: SystemTime,
    /// How many processes there were, this one included.
    pub(crate) generation: u64,
}

impl HotRestart {
    /// Takes its place among the processes; writes the base id to `--base-id-path`. None where hot restart is
    /// disabled. Errors that Envoy has are in its words.
    pub(crate) fn begin(
        options: &Options,
        stats: &StatsStore,
    ) -> Result<Option<HotRestart>, String> {
        if options.disable_hot_restart {
            return Ok(None);
        }
        let (base_id, name, listener) = claim(options)?;
        publish(options, base_id);
        let predecessor = match options.restart_epoch {
            0 => None,
            epoch => meet(options, base_id, epoch)?,
        };
        let now = SystemTime::now();
        let (first_start, generation) = match &predecessor {
            Some(before) => (
                UNIX_EPOCH + Duration::from_secs(before.first_start_s),
                before.generation + 1,
            ),
            None => (now, 1),
        };
        let since_1970 = first_start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let descent = Descent {
            epoch: options.restart_epoch,
            first_start_s: since_1970.as_secs(),
            generation,
        };
        let (asking, asks) = unbounded_channel();
        let file = name.path().map(Into::into);
        let parent = Parent::start(listener, file, &descent, stats.clone(), asking)
            .map_err(|error| format!("hot restart: {error}"))?;
        Ok(Some(HotRestart {
            parent: Arc::new(parent),
            predecessor: predecessor.map(Arc::new),
            asks: Some(asks),
            base_id,
            first_start,
            generation,
        }))
    }

    /// Where listeners find sockets of the process before; none without one.
    pub(crate) fn inherit(&self) -> Option<Inherit> {
        let before = Arc::clone(self.predecessor.as_ref()?);
        Some(Box::new(move |address, datagrams| {
            before.sockets(address, datagrams)
        }))
    }

    /// Has the process before let the admin's address go.
    pub(crate) fn shut_down_parents_admin(&self) -> Result<(), String> {
        let before = self.predecessor.as_ref();
        before.map_or(Ok(()), |before| before.shut_down_admin())
    }

    /// What the next process wants, to be taken once.
    pub(crate) fn take_asks(&mut self) -> Option<UnboundedReceiver<Ask>> {
        self.asks.take()
    }

    /// Begins to see the process before off; a next one may come from then on.
    pub(crate) fn follow(
        &mut self,
        options: &Options,
        stats: &StatsStore,
        every: Duration,
    ) -> Follow {
        Follow::start(
            self.predecessor.take(),
            Arc::clone(&self.parent),
            follow::Terms {
                store: stats.clone(),
                takes_stats: !options.skip_hot_restart_parent_stats,
                every,
                ends_after: Duration::from_secs(options.parent_shutdown_time_s.into()),
            },
        )
    }

    /// Whether a next process would come too early, for the admin.
    pub(crate) fn initializing(&self) -> Box<dyn Fn() -> bool> {
        let parent = Arc::clone(&self.parent);
        Box::new(move || parent.is_initializing())
    }
}

/// Listens as the only process of its base id and epoch.
fn claim(options: &Options) -> Result<(u32, Name, UnixListener), String> {
    if !options.use_dynamic_base_id {
        let base_id = options.base_id;
        let (name, listened) = listen(options, base_id)?;
        let listener =
            listened.map_err(|error| unable_to_bind(base_id, options.restart_epoch, &error))?;
        return Ok((base_id, name, listener));
    }
    for number in 0..DYNAMIC_TRIES {
        let random = RandomState::new().hash_one(number) & DYNAMIC_BITS;
        let base_id = u32::try_from(random).unwrap_or(0);
        match listen(options, base_id)? {
            (name, Ok(listener)) => return Ok((base_id, name, listener)),
            (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            (_, Err(error)) => return Err(unable_to_bind(base_id, 0, &error)),
        }
    }
    Err("unable to select a dynamic base id".to_string())
}

fn listen(options: &Options, base_id: u32) -> Result<(Name, io::Result<UnixListener>), String> {
    let name = Name::of(&options.socket_path, base_id, options.restart_epoch)?;
    let listener = name.listen(options.socket_mode);
    Ok((name, listener))
}

/// Envoy's words.
fn unable_to_bind(base_id: u32, epoch: u32, error: &io::Error) -> String {
    let base_id = name::scaled(base_id);
    let number = error.raw_os_error().unwrap_or(0);
    format!(
        "unable to bind domain socket with base_id={base_id}, id={epoch}, errno={number} (see --base-id option)"
    )
}

fn meet(options: &Options, base_id: u32, epoch: u32) -> Result<Option<Predecessor>, String> {
    match Predecessor::meet(&options.socket_path, base_id, epoch) {
        Ok(before) => Ok(Some(before)),
        Err(NoParent::Wrong(why)) => Err(why),
        Err(NoParent::Absent(_)) if options.skip_hot_restart_on_no_parent => {
            log::warning(
                "main",
                "hot restart: there is no parent, falling back to regular restart",
            );
            Ok(None)
        }
        Err(NoParent::Absent(why)) => Err(why),
    }
}

/// Writes the id to `--base-id-path`.
fn publish(options: &Options, base_id: u32) {
    if let Some(path) = &options.base_id_path
        && std::fs::write(path, base_id.to_string()).is_err()
    {
        let path = path.display();
        let text = format!("cannot open base id output file {path} for writing.");
        log::critical("misc", &text);
    }
}
