//! The sockets of a listener: bound before anything is published, or taken over from the process before, and kept as
//! long as the address is wanted.
//!
//! There are as many as workers, or more where the process before had more: a worker then accepts on several, so
//! that no queue is left without an end.

use std::os::fd::OwnedFd;

use nuncio_net::bound::{BoundSocket, bind, bind_more};
use nuncio_net::connect::error_text;
use nuncio_net::listen_address::ListenAddress;
use nuncio_net::listener::ListenOptions;
use nuncio_net::pipe::Replaced;

use crate::listener::CompiledListener;

/// Where sockets that already listen at an address, for datagrams or not, are found; none if there are none.
pub(crate) type Inherit = Box<dyn Fn(&ListenAddress, bool) -> Result<Vec<BoundSocket>, String>>;

/// As Envoy says it: sessions would not stay with their worker.
const NOT_SHARED: &str = "Listening on UDP when concurrency is > 1 without the SO_REUSEPORT socket option results in unstable packet proxying. Configure the reuse_port listener option or set concurrency = 1.";

/// Bound sockets: of each address of the listener one a worker at least.
pub(super) struct Sockets {
    /// Those of one address behind the other; so each worker has some of each, if every so-manieth is its own.
    sockets: Vec<BoundSocket>,
    /// Where those of an address begin.
    starts: Vec<usize>,
    workers: usize,
    backlog: u32,
    /// What is back at its path if this is dropped before it is published.
    replaced: Vec<Replaced>,
}

/// Copies for each worker, in the order of the workers; made before anything is published, as it can fail.
pub(super) struct Copies(std::vec::IntoIter<Vec<BoundSocket>>);

impl Sockets {
    /// Binds the listener's addresses, or takes over what `inherit` has of them; of these workers for which there is
    /// none get one of their own, or else share.
    pub(super) fn bind(
        listener: &CompiledListener,
        workers: usize,
        inherit: Option<&Inherit>,
    ) -> Result<Self, String> {
        let mut this = Sockets {
            sockets: Vec::new(),
            starts: Vec::new(),
            workers,
            backlog: listener.options.backlog,
            replaced: Vec::new(),
        };
        for (address, options) in listener.places() {
            this.starts.push(this.sockets.len());
            let inherited = match inherit {
                Some(inherit) if options.binds => inherit(address, options.datagrams)?,
                _ => Vec::new(),
            };
            let bound = match inherited.is_empty() {
                true => {
                    check_sharing(listener, workers)?;
                    let (bound, replaced) = bind(address, workers, options)
                        .map_err(|error| cannot_bind(listener, address, &error))?;
                    this.replaced.extend(replaced);
                    bound
                }
                false => take_over(listener, (address, options), workers, inherited)?,
            };
            this.sockets.extend(bound);
        }
        Ok(this)
    }

    /// They are published: what they replaced goes for good.
    pub(super) fn keep(&mut self) {
        for replaced in self.replaced.drain(..) {
            replaced.keep();
        }
    }

    /// Copies for each worker.
    pub(super) fn copies(&self, listener: &CompiledListener) -> Result<Copies, String> {
        let of_worker = |worker| {
            let own = self
                .sockets
                .iter()
                .skip(worker)
                .step_by(self.workers.max(1));
            own.map(BoundSocket::try_clone)
                .collect::<Result<Vec<_>, _>>()
        };
        let copies: Result<Vec<_>, _> = (0..self.workers).map(of_worker).collect();
        let copies = copies.map_err(|error| cannot_bind(listener, &listener.address, &error))?;
        Ok(Copies(copies.into_iter()))
    }

    /// Copies of those at an address, for another process.
    pub(super) fn for_another_process(
        &self,
        address: &ListenAddress,
    ) -> std::io::Result<Vec<OwnedFd>> {
        let there = |socket: &&BoundSocket| socket.local_addr().is_ok_and(|at| at.is_at(address));
        let copies = self
            .sockets
            .iter()
            .filter(there)
            .map(BoundSocket::try_clone);
        copies.map(|copy| copy.map(OwnedFd::from)).collect()
    }

    /// Where they listen; with the real ports where 0 was asked for.
    pub(super) fn addresses(&self) -> impl Iterator<Item = ListenAddress> {
        let first = |start: &usize| self.sockets.get(*start)?.local_addr().ok();
        self.starts.iter().filter_map(first)
    }

    /// Has another number of connections wait.
    pub(super) fn set_backlog(&mut self, backlog: u32) {
        if self.backlog == backlog {
            return;
        }
        self.backlog = backlog;
        for socket in &self.sockets {
            if let Err(error) = socket.set_backlog(backlog) {
                crate::log::warning("config", &format!("tcp_backlog_size stays: {error}"));
            }
        }
    }
}

impl Copies {
    /// The next worker's.
    pub(super) fn next(&mut self) -> Option<Vec<BoundSocket>> {
        self.0.next()
    }
}

/// Whether so many workers may have the listener's socket.
///
/// # Errors
/// In Envoy's words, if not.
pub(crate) fn check_sharing(listener: &CompiledListener, workers: usize) -> Result<(), String> {
    let options = &listener.options;
    match options.datagrams && !options.reuse_port && workers > 1 {
        true => Err(NOT_SHARED.to_owned()),
        false => Ok(()),
    }
}

/// Whether the sockets of one listener serve the other just as well. Another mode of a path does not matter, as in Envoy.
pub(super) fn can_share(one: &CompiledListener, other: &CompiledListener) -> bool {
    let binding = |options: &ListenOptions| ListenOptions {
        backlog: 0,
        ..options.clone()
    };
    one.places().count() == other.places().count()
        && one
            .places()
            .zip(other.places())
            .all(|(one, other)| one.0.is_at(other.0) && binding(one.1) == binding(other.1))
}

/// Makes sockets that listen already those of so many workers.
fn take_over(
    listener: &CompiledListener,
    (address, options): (&ListenAddress, &ListenOptions),
    workers: usize,
    mut sockets: Vec<BoundSocket>,
) -> Result<Vec<BoundSocket>, String> {
    let cannot = |error| cannot_bind(listener, address, &error);
    bind_more(&mut sockets, workers, options).map_err(cannot)?;
    for socket in &sockets {
        socket.set_backlog(options.backlog).map_err(cannot)?;
    }
    Ok(sockets)
}

fn cannot_bind(
    listener: &CompiledListener,
    address: &ListenAddress,
    error: &std::io::Error,
) -> String {
    format!(
        "error adding listener '{}': cannot bind '{address}': {}",
        listener.name,
        error_text(error)
    )
}
