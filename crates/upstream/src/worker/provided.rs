//! Hosts of clusters that choose them themselves: by what a request asks for.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::WorkerCluster;
use super::WorkerHost;
use super::cluster::State;
use crate::cluster::{Health, Provided};
use crate::destination::Destination;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::forward_proxy::Asked;
use crate::load_balancing::PickContext;
use crate::original_dst::OriginalDst;

impl WorkerCluster {
    #[cold]
    pub(super) fn choose_provided(
        &self,
        provided: &Provided,
        context: &PickContext<'_>,
    ) -> Result<Rc<WorkerHost>, UpstreamError> {
        match (provided, context.destination) {
            (Provided::Names(names), Some(Destination::Name(asked))) => {
                let Some(host) = self.host_named(asked) else {
                    return Err(UpstreamError::new(UpstreamErrorKind::HostUnresolved));
                };
                if host.host().health().health() == Health::Unhealthy {
                    return Err(self.no_host());
                }
                names.touch(&asked.key);
                Ok(host)
            }
            (Provided::OriginalDst(hosts), Some(Destination::Address(address))) => {
                Ok(self.host_made_for(hosts, *address))
            }
            (Provided::Redis(_), _) => self
                .host_of_hash(context.hash)
                .ok_or_else(|| self.no_host()),
            (
                Provided::Names(_)
                | Provided::OriginalDst(_)
                | Provided::Aggregate(_)
                | Provided::Composite(_),
                _,
            ) => Err(self.no_host()),
        }
    }

    /// The host of this name, if it was resolved.
    pub fn host_named(&self, asked: &Asked) -> Option<Rc<WorkerHost>> {
        self.follow();
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let hosts = &state.hosts;
        let by_name = state.by_name.get_or_insert_with(|| {
            let names = hosts.iter().map(|host| host.host().hostname.clone());
            names.zip(0..).collect()
        });
        hosts.get(*by_name.get(&asked.key)?).cloned()
    }

    /// The host at this address, which is made if there is none.
    fn host_made_for(&self, hosts: &OriginalDst, address: SocketAddr) -> Rc<WorkerHost> {
        let host = hosts.host(&self.settings().name, address);
        let mut state = self.state.borrow_mut();
        let State {
            hosts, by_address, ..
        } = &mut *state;
        let by_address = by_address.get_or_insert_with(|| {
            let addresses = hosts.iter().map(|host| host.host().address);
            addresses.zip(0..).collect()
        });
        let known = by_address.get(&address).and_then(|at| hosts.get(*at));
        if let Some(known) = known.filter(|known| Arc::ptr_eq(known.host(), &host)) {
            return Rc::clone(known);
        }
        let made = Rc::new(WorkerHost::new(Rc::clone(&self.core), host));
        by_address.insert(address, hosts.len());
        hosts.push(Rc::clone(&made));
        made
    }

    pub(super) fn no_host(&self) -> UpstreamError {
        self.count_no_host();
        UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)
    }
}
