//! The task of a control plane: opens a stream, sends what the machine says, hands over what comes; and again, after a
//! pause, when the stream has ended. It ends with the last one who watches.
//!
//! Limits: while [`MOST_WAITING`] responses wait to be worked on no more are read, and a server that does not read what
//! it is asked ([`MOST_UNSENT_BYTES`]) loses its stream, as does one whose bytes are no response.

use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use nuncio_contract::grpc::status;

use super::closes::Closes;
use super::pace::Backoff;
use super::turns::Turns;
use super::{Ended, Plane, Stream, Streams};
use crate::log;

/// How long the hosts of a server's cluster are waited for at the start.
const LONGEST_RESOLUTION: Duration = Duration::from_secs(5);
/// So many responses may wait for the one that is worked on.
const MOST_WAITING: usize = 64;
/// So much may wait for a server to read it. The first requests for a hundred thousand hosts are less.
const MOST_UNSENT_BYTES: usize = 64 << 20;
/// How often is looked whether there are some.
const HOSTS_LOOK: Duration = Duration::from_millis(10);

/// Keeps a stream to `path` open for a control plane that someone watches.
pub(in crate::xds) async fn drive(plane: Weak<Plane>, streams: Rc<dyn Streams>, path: String) {
    let Some(first) = plane.upgrade() else { return };
    let mut backoff = Backoff::new(first.server.pauses.0, first.server.pauses.1);
    let mut closes = Closes::default();
    let mut turns = Turns::new(first.server.other.is_some());
    first.hosts_of_it().await;
    drop(first);
    loop {
        let Some(plane) = plane.upgrade() else { return };
        if plane.is_deserted() {
            return;
        }
        let other = plane.server.other.as_ref().filter(|_| turns.is_others());
        let target = other.unwrap_or(&plane.server.target);
        let ended = match streams.open(target, &path, plane.scope.prefix()) {
            Ok(stream) => {
                let history = (&mut backoff, &mut closes, &mut turns);
                one_stream(&plane, stream, history).await
            }
            Err(ended) => Some(ended),
        };
        if let Some(ended) = ended {
            let method = path.rsplit('/').next().unwrap_or_default();
            let server = target.destination();
            let name = format!("{method} gRPC config stream to {server}");
            let (level, text) = closes.tell(&name, &ended, plane.services.now());
            log::write(level, "config", &text);
        }
        plane.stats.connected_state.set(0);
        plane.responses.borrow_mut().clear();
        plane.change(|mux| {
            let told = mux.disconnected();
            plane.tell(told);
        });
        let pause = turns.ended(&mut backoff, plane.services.random_u64());
        plane.wait(Some(plane.services.now() + pause)).await;
    }
}

/// How a stream ended; none if nobody watches any more.
async fn one_stream(
    plane: &Plane,
    mut stream: Box<dyn Stream>,
    (backoff, closes, turns): (&mut Backoff, &mut Closes, &mut Turns),
) -> Option<Ended> {
    // Which of the two servers it is is told.
    let connected = 1 + u64::from(turns.is_others());
    plane.stats.connected_state.set(connected);
    plane.change(super::mux::Mux::connected);
    while !plane.is_deserted() {
        while let Some(request) = plane.next_request() {
            stream.send(&request);
        }
        if stream.unsent_bytes() > MOST_UNSENT_BYTES {
            let text = "it does not read its requests";
            return Some(ended(status::RESOURCE_EXHAUSTED, text));
        }
        let moment = plane.mux.borrow().next_moment();
        tokio::select! {
            came = stream.next(), if plane.reads_on() => match came {
                Ok(response) => {
                    if !plane.keep(&response) {
                        return Some(ended(status::INTERNAL, ""));
                    }
                    backoff.reset();
                    closes.forget();
                    turns.answered();
                    plane.stats.connected_state.set(connected);
                    plane.advance();
                }
                Err(ended) => return Some(ended),
            },
            () = plane.woken.notified() => {}
            () = plane.sleep_until(moment) => plane.moment(),
        }
    }
    None
}

impl Plane {
    /// Waits until its cluster has hosts, as names may have to be resolved first, but not for long.
    async fn hosts_of_it(&self) {
        let deadline = self.services.now() + LONGEST_RESOLUTION;
        let is_empty = || {
            let hosts = self.services.membership(&self.server.target.cluster);
            hosts.is_none_or(|hosts| hosts.total == 0)
        };
        while is_empty() && self.services.now() < deadline {
            self.services.sleep(HOSTS_LOOK).await;
        }
    }

    /// Whether another response may come. What makes it so wakes the task.
    fn reads_on(&self) -> bool {
        self.responses.borrow().len() < MOST_WAITING
    }

    /// Keeps a response until the ones before it are done; false if the bytes are none.
    fn keep(&self, bytes: &[u8]) -> bool {
        let response = self.mux.borrow().read(bytes);
        let is_one = response.is_some();
        self.responses.borrow_mut().extend(response);
        is_one
    }

    fn next_request(&self) -> Option<Vec<u8>> {
        self.mux.borrow_mut().next_request()
    }

    /// Waits for a moment, doing what is to be done at others before.
    async fn wait(&self, until: Option<Instant>) {
        while !self.is_deserted() {
            let moment = self.mux.borrow().next_moment();
            tokio::select! {
                () = self.sleep_until(until) => return,
                () = self.sleep_until(moment) => self.moment(),
                () = self.woken.notified() => {}
            }
        }
    }

    fn moment(&self) {
        let now = self.services.now();
        self.change(|mux| {
            let told = mux.moment(now);
            self.tell(told);
        });
    }

    async fn sleep_until(&self, moment: Option<Instant>) {
        match moment {
            Some(moment) => {
                let rest = moment.saturating_duration_since(self.services.now());
                self.services.sleep(rest).await;
            }
            None => std::future::pending().await,
        }
    }
}

fn ended(status: u32, message: &str) -> Ended {
    Ended {
        status,
        message: message.to_owned(),
    }
}
