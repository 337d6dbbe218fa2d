//! The parent's side: it listens for the next process and answers it.
//!
//! A thread accepts, another one a conversation reads and writes; what must be done on the main thread is sent there
//! as a [`Wish`]. Workers do not notice.
//!
//! Limits: four conversations at a time, one of them with a child; a wish that is not granted within 8 s counts as
//! refused.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use nuncio_contract::stats::StatsStore;
use nuncio_net::listen_address::ListenAddress;
use nuncio_net::pipe::PipeAddress;
use tokio::sync::mpsc::UnboundedSender;

use super::message::{Message, chunks};
use super::stats;
use super::wire::{Failure, MAX_DESCRIPTORS, Wire};
use crate::log;

/// How long the main thread may take for a wish; less than the child waits, so that it hears of it.
const GRANTED_WITHIN: Duration = Duration::from_secs(8);
/// Conversations at a time.
const MAX_CONVERSATIONS: usize = 4;
/// Envoy's words for a child that comes too early.
const STILL_INITIALIZING: &str = "previous envoy process is still initializing";

/// To an address that it does not understand. A child takes it for none where it is of a path: those before it that
/// listen on no paths say so.
pub(super) const NO_ADDRESS: &str = "hot restart: no address to pass sockets of";
/// What a child hears whose wish is not granted.
const NOT_IN_TIME: &str = "hot restart: the parent does not do it in time";

/// What the main thread is to do for the child.
pub(crate) enum Wish {
    /// Let the admin's address go, and end our own parent.
    ShutDownAdmin,
    /// Copy the sockets that listen at an address, for datagrams or not.
    PassSockets(ListenAddress, bool),
    /// Bring gauges up to date that are only computed when somebody looks.
    RefreshStats,
    /// Stop accepting and see connections off.
    Drain,
    /// End.
    Terminate,
    /// The child is gone without having told us to end.
    ChildLost,
}

/// A wish, and where to say that it was granted; with sockets if that was the wish.
pub(crate) struct Ask {
    pub(crate) wish: Wish,
    pub(crate) granted: mpsc::Sender<Vec<OwnedFd>>,
}

/// What conversations share.
struct Shared {
    epoch: u32,
    first_start_s: u64,
    generation: u64,
    is_initialized: AtomicBool,
    has_child: AtomicBool,
    conversations: AtomicUsize,
    stats: StatsStore,
    asks: UnboundedSender<Ask>,
}

/// The process as a parent to be.
pub(crate) struct Parent {
    shared: Arc<Shared>,
    /// The socket's file, which goes with the process.
    file: Option<PathBuf>,
}

/// What a parent tells of itself.
pub(super) struct Descent {
    pub(super) epoch: u32,
    pub(super) first_start_s: u64,
    pub(super) generation: u64,
}

impl Parent {
    /// Begins to listen for a child.
    pub(super) fn start(
        listener: UnixListener,
        file: Option<PathBuf>,
        descent: &Descent,
        stats: StatsStore,
        asks: UnboundedSender<Ask>,
    ) -> std::io::Result<Parent> {
        let shared = Arc::new(Shared {
            epoch: descent.epoch,
            first_start_s: descent.first_start_s,
            generation: descent.generation,
            is_initialized: AtomicBool::new(false),
            has_child: AtomicBool::new(false),
            conversations: AtomicUsize::new(0),
            stats,
            asks,
        });
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("hot_restart".to_string())
            .spawn(move || listen(&listener, &for_thread))?;
        Ok(Parent { shared, file })
    }

    /// From now on a child may come.
    pub(super) fn initialized(&self) {
        self.shared.is_initialized.store(true, SeqCst);
    }

    /// Whether a child would still be told that it is too early.
    pub(super) fn is_initializing(&self) -> bool {
        !self.shared.is_initialized.load(SeqCst)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _somebody_removed_it_already = std::fs::remove_file(file);
        }
    }
}

fn listen(listener: &UnixListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Without file descriptors a loop would only make it worse.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if shared.conversations.fetch_add(1, SeqCst) >= MAX_CONVERSATIONS {
            shared.conversations.fetch_sub(1, SeqCst);
            continue;
        }
        let for_thread = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("hot_restart_peer".to_string());
        let spawned = thread.spawn(move || {
            if let Err(failure) = converse(stream, &for_thread) {
                log::warning("main", &format!("hot restart: a peer was left: {failure}"));
            }
            for_thread.conversations.fetch_sub(1, SeqCst);
        });
        if spawned.is_err() {
            shared.conversations.fetch_sub(1, SeqCst);
        }
    }
}

fn converse(stream: UnixStream, shared: &Shared) -> Result<(), Failure> {
    let wire = Wire::new(stream)?;
    let epoch = match wire.receive() {
        Ok((Message::Hello { epoch }, _)) => epoch,
        Ok(_) => return refuse(&wire, "hot restart: a conversation begins with a greeting"),
        // Another process with our base id and epoch looks whether we live.
        Err(Failure::Closed) => return Ok(()),
        Err(failure) => {
            refuse(&wire, &format!("hot restart: {failure}"))?;
            return Err(failure);
        }
    };
    if Some(epoch) != shared.epoch.checked_add(1) {
        let own = shared.epoch;
        return refuse(
            &wire,
            &format!("hot restart: epoch {epoch} does not follow epoch {own}"),
        );
    }
    if !shared.is_initialized.load(SeqCst) {
        return refuse(&wire, STILL_INITIALIZING);
    }
    if shared.has_child.swap(true, SeqCst) {
        return refuse(&wire, "hot restart: another process takes over already");
    }
    let outcome = serve_child(&wire, shared);
    shared.has_child.store(false, SeqCst);
    match outcome {
        Ok(()) | Err(Failure::Closed) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn refuse(wire: &Wire, why: &str) -> Result<(), Failure> {
    let why = why.to_owned();
    wire.send(&Message::Refused { why }, &[])
}

fn serve_child(wire: &Wire, shared: &Shared) -> Result<(), Failure> {
    let welcome = Message::Welcome {
        first_start_s: shared.first_start_s,
        generation: shared.generation,
    };
    wire.send(&welcome, &[])?;
    loop {
        let outcome = match wire.receive_some_day() {
            Ok((message, _)) => answer(wire, shared, message),
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(failure) => {
                let _it_is_told_and_nobody_waits = shared.wish(Wish::ChildLost);
                return Err(failure);
            }
        }
    }
}

/// Answers one message; false after the last.
fn answer(wire: &Wire, shared: &Shared, message: Message) -> Result<bool, Failure> {
    let simple = |wish| match shared.wish(wish)? {
        Some(_) => wire.send(&Message::Done, &[]),
        None => refuse(wire, NOT_IN_TIME),
    };
    match message {
        Message::ShutDownAdmin => simple(Wish::ShutDownAdmin)?,
        Message::Drain => simple(Wish::Drain)?,
        Message::Terminate => {
            // The answer first: once the main thread knows, the process may be gone.
            wire.send(&Message::Done, &[])?;
            let _ended = shared.wish(Wish::Terminate);
            return Ok(false);
        }
        Message::PassSockets { address, first } => pass_sockets(wire, shared, &address, first)?,
        Message::TellStats => {
            let _refreshed_or_a_little_old = shared.wish(Wish::RefreshStats);
            let (counters, gauges) = stats::tell(&shared.stats);
            for message in chunks(counters, gauges) {
                wire.send(&message, &[])?;
            }
        }
        _ => refuse(wire, "hot restart: a parent is not asked this")?,
    }
    Ok(true)
}

fn pass_sockets(wire: &Wire, shared: &Shared, address: &str, first: u32) -> Result<(), Failure> {
    let ip = |address: &str| address.parse().ok().map(ListenAddress::Ip);
    let (address, datagrams) = match address.split_once("://") {
        Some(("udp", address)) => (ip(address), true),
        Some(("tcp", address)) => (ip(address), false),
        Some(("unix", path)) => (Some(PipeAddress::new(path, 0).into()), false),
        _ => (None, false),
    };
    let Some(address) = address else {
        return refuse(wire, NO_ADDRESS);
    };
    // None at all would be taken for an address where nobody listens, and what waits in the queues be lost.
    let Some(sockets) = shared.wish(Wish::PassSockets(address, datagrams))? else {
        return refuse(wire, NOT_IN_TIME);
    };
    let total = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let passed: Vec<BorrowedFd<'_>> = sockets
        .iter()
        .skip(first)
        .take(MAX_DESCRIPTORS)
        .map(OwnedFd::as_fd)
        .collect();
    wire.send(&Message::Sockets { total }, &passed)
}

impl Shared {
    /// Has the main thread do something; none if it takes too long. Where it is not there any more the child is hung
    /// up on, which then knows that it is alone.
    fn wish(&self, wish: Wish) -> Result<Option<Vec<OwnedFd>>, Failure> {
        let (granted, grants) = mpsc::channel();
        let asked = self.asks.send(Ask { wish, granted });
        asked.map_err(|_nobody_is_there| Failure::Closed)?;
        match grants.recv_timeout(GRANTED_WITHIN) {
            Ok(sockets) => Ok(Some(sockets)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::Closed),
        }
    }
}
