//! What is told of the listeners that run.

use nuncio_net::listen_address::ListenAddress;

use super::{Listeners, Running};
use crate::admin::state::{Address, ListenerStatus};
use crate::explain::Entry;
use crate::resource::ListenerResource;

impl Listeners {
    /// All of them, for `/listeners`.
    pub(crate) fn statuses(&self) -> Vec<ListenerStatus> {
        self.running.iter().map(Running::status).collect()
    }

    /// All of them, for `/explain`.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        let running = self.running.iter().enumerate();
        let entries = running.flat_map(|(place, running)| {
            // What came by an update stands at no place of the bootstrap.
            let place = match running.resource.update {
                Some(_) => usize::MAX - place,
                None => place,
            };
            let ListenerResource {
                listener, routes, ..
            } = &running.resource;
            let chains = listener.chains.iter().zip(routes.iter()).enumerate();
            chains.filter_map(move |(chain, (compiled, routes))| {
                Some(Entry {
                    listener,
                    manager: &compiled.http()?.manager,
                    chain_name: &compiled.description.name,
                    routes,
                    address: running.bound().ip(),
                    place,
                    chain,
                })
            })
        });
        entries.collect()
    }
}

impl Running {
    pub(in crate::running) fn name(&self) -> &str {
        &self.resource.listener.name
    }

    /// Where it listens, first where its name for people comes from.
    fn bound(&self) -> ListenAddress {
        let bound = self.addresses().into_iter().next();
        bound.unwrap_or_else(|| self.resource.listener.address.clone())
    }

    /// All its addresses, with the real ports where 0 was asked for.
    pub(in crate::running) fn addresses(&self) -> Vec<ListenAddress> {
        let bound = self
            .sockets
            .as_ref()
            .map(|sockets| sockets.addresses().collect());
        bound
            .filter(|bound: &Vec<_>| !bound.is_empty())
            .or_else(|| self.stopped_at.clone())
            .unwrap_or_else(|| {
                let places = self.resource.listener.places();
                places.map(|(at, _)| at.clone()).collect()
            })
    }

    fn status(&self) -> ListenerStatus {
        let listener = &self.resource.listener;
        let shown = |at: &ListenAddress| match at {
            ListenAddress::Ip(at) => Address::Socket {
                ip: at.ip(),
                port: at.port(),
            },
            ListenAddress::Pipe(pipe) => Address::Pipe {
                path: pipe.path.to_string(),
            },
        };
        ListenerStatus {
            name: listener.name.clone(),
            local_address: match &listener.internal {
                None => shown(&self.bound()),
                Some(name) => Address::Internal {
                    listener: name.to_string(),
                    endpoint_id: String::new(),
                },
            },
            additional_local_addresses: self.addresses().iter().skip(1).map(shown).collect(),
        }
    }
}
