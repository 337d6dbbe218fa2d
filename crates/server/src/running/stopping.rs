//! How listeners are drained and stopped while the process goes on (`/drain_listeners`): their connections are told
//! to close, and their sockets are closed, but they stay in the list, as in Envoy, and a reload does not open them
//! again.

use super::listeners::{Listeners, Running};
use crate::listener::{ListenerCommand, SocketEnd};
use crate::workers::{Command, Workers};

impl Listeners {
    /// Tells connections to close by and by, those to come too.
    pub(crate) fn drain(&self, inbound_only: bool, workers: &Workers) {
        let concerned = |running: &&Running| is_concerned(running, inbound_only);
        for running in self.running.iter().filter(concerned) {
            let id = running.id;
            workers.tell(|| Some(Command::Listener(id, ListenerCommand::Drain)));
        }
    }

    /// Closes the sockets; connections that are open stay.
    pub(crate) fn stop(&mut self, inbound_only: bool, workers: &Workers) {
        let mut stopped = 0;
        for running in &mut self.running {
            if !is_concerned(running, inbound_only) || running.stopped_at.is_some() {
                continue;
            }
            running.stopped_at = Some(running.addresses());
            let id = running.id;
            let end = match running.is_passed {
                true => SocketEnd::HandedOver,
                false => SocketEnd::Closed,
            };
            // Our copies first, so that a worker's is the last one, which it empties before it closes it.
            running.sockets = None;
            workers.tell(|| Some(Command::Listener(id, ListenerCommand::Retire(end))));
            stopped += self.workers;
        }
        self.stats
            .listener_stopped
            .add(u64::try_from(stopped).unwrap_or(0));
    }
}

fn is_concerned(running: &Running, inbound_only: bool) -> bool {
    !inbound_only || running.resource.listener.is_inbound
}
