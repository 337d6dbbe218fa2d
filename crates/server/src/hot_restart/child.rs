//! The child's side: what a new process asks of the one before.
//!
//! Every call blocks until the parent has answered, for [`PATIENCE`](super::wire::PATIENCE) at most; a parent that
//! does not is an error, never a wait without end. One that is gone has nothing to hand over, which is none.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nuncio_contract::stats::StatsStore;
use nuncio_net::bound::BoundSocket;
use nuncio_net::listen_address::ListenAddress;
use rustix::net::{SocketType, sockopt};

use super::message::Message;
use super::name::Name;
use super::parent::NO_ADDRESS;
use super::stats::Merger;
use super::wire::{Failure, Wire};
use crate::log;

/// The sockets of one address that are taken; a parent has one a worker.
const MAX_SOCKETS: usize = 4096;
/// How long a parent that has hung up may take to end; it closes its sockets in any order.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// How often that is looked for; seldom enough that the looks fit into the queue of one that does not accept.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(150);
/// The messages that stats may come in.
const MAX_STATS_MESSAGES: usize = 1024;

/// The process of the epoch before.
pub(crate) struct Predecessor {
    wire: Wire,
    name: Name,
    /// When the first of all epochs started, in seconds since 1970.
    pub(super) first_start_s: u64,
    /// How many processes there were up to it.
    pub(super) generation: u64,
}

/// Why there is none.
pub(super) enum NoParent {
    /// Nobody listens there.
    Absent(String),
    /// Somebody does, and won't.
    Wrong(String),
}

impl Predecessor {
    /// Meets the process of the epoch before `epoch`.
    pub(super) fn meet(
        socket_path: &str,
        base_id: u32,
        epoch: u32,
    ) -> Result<Predecessor, NoParent> {
        let before = epoch.saturating_sub(1);
        let name = Name::of(socket_path, base_id, before).map_err(NoParent::Wrong)?;
        let socket = name.connect().map_err(|error| {
            let envoy = Name::of_envoy(socket_path, base_id, before);
            if envoy.is_ok_and(|envoy| envoy.takes_datagrams()) {
                return NoParent::Wrong(format!(
                    "hot restart: the process of epoch {before} with base id {base_id} is an Envoy, which does not \
                     speak Nuncio's hot restart protocol: stop it, and start with --restart-epoch 0"
                ));
            }
            NoParent::Absent(format!(
                "hot restart: there is no process of epoch {before} with base id {base_id} at {name} ({}): with \
                 --skip-hot-restart-on-no-parent this is no error",
                nuncio_net::connect::error_text(&error)
            ))
        })?;
        let wrong = |failure| NoParent::Wrong(complaint(&failure));
        let wire = Wire::new(socket).map_err(wrong)?;
        let hello = Message::Hello { epoch };
        match ask(&wire, &hello) {
            Ok((
                Message::Welcome {
                    first_start_s,
                    generation,
                },
                _,
            )) => Ok(Predecessor {
                wire,
                name,
                first_start_s,
                generation,
            }),
            Ok((Message::Refused { why }, _)) => Err(NoParent::Wrong(why)),
            Ok(_) => Err(NoParent::Wrong(complaint(&unexpected()))),
            Err(failure) => Err(wrong(failure)),
        }
    }

    /// Has it let the admin's address go, and end the process before it.
    pub(super) fn shut_down_admin(&self) -> Result<(), String> {
        match ask(&self.wire, &Message::ShutDownAdmin) {
            Err(Failure::Closed) if self.is_gone() => Ok(()),
            answer => done(answer),
        }
    }

    /// Has it stop accepting and see its connections off.
    pub(super) fn drain(&self) -> Result<(), String> {
        self.tell(&Message::Drain)
    }

    /// Has it end.
    pub(super) fn terminate(&self) -> Result<(), String> {
        self.tell(&Message::Terminate)
    }

    /// The sockets that listen at an address there; none if it has none.
    pub(super) fn sockets(
        &self,
        address: &ListenAddress,
        datagrams: bool,
    ) -> Result<Vec<BoundSocket>, String> {
        match self.all_sockets(address, datagrams) {
            Err(Failure::Closed) if self.is_gone() => Ok(Vec::new()),
            // One of before there were listeners on paths has none.
            Ok(Answer::Refused(why)) if why == NO_ADDRESS && address.ip().is_none() => {
                Ok(Vec::new())
            }
            Ok(Answer::Refused(why)) => Err(why),
            Ok(Answer::Sockets(sockets)) => Ok(sockets),
            Err(failure) => Err(complaint(&failure)),
        }
    }

    /// Whether the parent ends, rather than the conversation alone: then this process is the only one.
    fn is_gone(&self) -> bool {
        let end = Instant::now() + ENDS_WITHIN;
        while !self.name.is_free() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(LOOKS_AGAIN_AFTER);
        }
        log::warning(
            "main",
            "hot restart: the parent is gone, this process goes on alone",
        );
        true
    }

    fn all_sockets(&self, address: &ListenAddress, datagrams: bool) -> Result<Answer, Failure> {
        let scheme = match (address, datagrams) {
            (ListenAddress::Pipe(_), _) => "unix",
            (ListenAddress::Ip(_), true) => "udp",
            (ListenAddress::Ip(_), false) => "tcp",
        };
        let mut sockets: Vec<BoundSocket> = Vec::new();
        let mut cookies = Vec::new();
        let mut first = 0;
        loop {
            let wanted = Message::PassSockets {
                address: format!("{scheme}://{address}"),
                first,
            };
            let (answer, descriptors) = ask(&self.wire, &wanted)?;
            let total = match answer {
                Message::Sockets { total } => total,
                Message::Refused { why } => return Ok(Answer::Refused(why)),
                _ => return Err(unexpected()),
            };
            let came = u32::try_from(descriptors.len()).unwrap_or(0);
            first = first.saturating_add(came);
            for descriptor in descriptors {
                let socket = listening_at(descriptor, address, datagrams)?;
                // Workers that share a socket have a copy each.
                let cookie = sockopt::socket_cookie(&socket)?;
                if !cookies.contains(&cookie) {
                    cookies.push(cookie);
                    sockets.push(socket);
                }
            }
            if first == total {
                return Ok(Answer::Sockets(sockets));
            }
            // What is missing would be lost with all that waits in its queue.
            if came == 0 || first > total || sockets.len() > MAX_SOCKETS {
                return Err(unexpected());
            }
        }
    }

    /// Takes over what it has counted since it was last asked.
    pub(super) fn merge_stats(
        &self,
        merger: &mut Merger,
        store: &StatsStore,
    ) -> Result<(), String> {
        let mut merged = || {
            self.wire.send(&Message::TellStats, &[])?;
            for _ in 0..MAX_STATS_MESSAGES {
                let (
                    Message::Stats {
                        more,
                        counters,
                        gauges,
                    },
                    _,
                ) = self.wire.receive()?
                else {
                    return Err(unexpected());
                };
                merger.merge(store, counters, gauges);
                if !more {
                    merger.end(store);
                    return Ok(());
                }
            }
            Err(unexpected())
        };
        merged().map_err(|failure: Failure| complaint(&failure))
    }

    fn tell(&self, message: &Message) -> Result<(), String> {
        done(ask(&self.wire, message))
    }
}

/// What a parent says to the wish for sockets.
enum Answer {
    Sockets(Vec<BoundSocket>),
    Refused(String),
}

/// Whether an answer says that the parent did as it was told.
fn done(answer: Result<(Message, Vec<OwnedFd>), Failure>) -> Result<(), String> {
    match answer {
        Ok((Message::Done, _)) => Ok(()),
        Ok((Message::Refused { why }, _)) => Err(why),
        Ok(_) => Err(complaint(&unexpected())),
        Err(failure) => Err(complaint(&failure)),
    }
}

fn ask(wire: &Wire, message: &Message) -> Result<(Message, Vec<OwnedFd>), Failure> {
    wire.send(message, &[])?;
    wire.receive()
}

/// A descriptor that is a socket listening where it was asked for.
fn listening_at(
    descriptor: OwnedFd,
    address: &ListenAddress,
    datagrams: bool,
) -> Result<BoundSocket, Failure> {
    let listens = match datagrams {
        true => sockopt::socket_type(&descriptor)? == SocketType::DGRAM,
        false => sockopt::socket_acceptconn(&descriptor)?,
    };
    let socket = BoundSocket::from_descriptor(descriptor, address, datagrams);
    if !listens || !is_at(&socket, address)? {
        return Err(unexpected());
    }
    Ok(socket)
}

/// Whether a socket is really there; one of a path knows only where it was meant to be.
fn is_at(socket: &BoundSocket, address: &ListenAddress) -> Result<bool, Failure> {
    match (socket, address) {
        (BoundSocket::Pipe(socket, _), ListenAddress::Pipe(pipe)) => Ok(pipe.is_of(socket)?),
        _ => Ok(socket.local_addr()? == *address),
    }
}

fn unexpected() -> Failure {
    super::message::Malformed::Payload.into()
}

fn complaint(failure: &Failure) -> String {
    format!("hot restart: the parent cannot hand over: {failure}")
}
