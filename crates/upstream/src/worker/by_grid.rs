//! Streams of a cluster that finds out from its hosts whether they speak HTTP/3 (`auto_config` with
//! `http3_protocol_options`). What is tried is in the cache; how, in `pool/grid.rs`.

use std::rc::Rc;

use nuncio_contract::alternate_protocols::{Choice, HostAlternatives, Origin};

use super::host::WorkerHost;
use crate::cluster::ResourcePriority;
use crate::error::UpstreamError;
use crate::pool::{Carries, Grid, HostPool};
use crate::server_names::ConnectionName;
use crate::stream::Acquired;

impl WorkerHost {
    /// A stream over HTTP/3 or TCP, or a place in the queue for one.
    #[cold]
    pub(super) fn new_stream_by_grid(
        self: &Rc<Self>,
        priority: ResourcePriority,
        name: Option<ConnectionName>,
    ) -> Result<Acquired, UpstreamError> {
        let name = name.as_ref();
        let tcp = self.pool_of(Carries::HttpByAlpn, priority, name);
        let Some(cache) = &self.core.alternatives else {
            return tcp.lend().map(Acquired::from);
        };
        let origin = self.origin(name);
        let lent = match cache.choose(&origin, self.core.clock.now()) {
            Choice::Tcp => tcp.lend(),
            choice => {
                let http3 = self.pool_of(Carries::Http3, priority, name);
                http3.lend_by_grid(|| Grid::new(tcp, cache, origin), choice)
            }
        };
        lent.map(Acquired::from)
    }

    fn pool_of(
        &self,
        carries: Carries,
        priority: ResourcePriority,
        name: Option<&ConnectionName>,
    ) -> Rc<HostPool> {
        let make = || self.new_pool(carries, priority, name.cloned());
        match name {
            Some(name) => self.named.get(name, (priority, carries), make),
            None => {
                let place = &self.chosen_pools(carries)[priority.index()];
                Rc::clone(place.get_or_init(make))
            }
        }
    }

    /// By whose name the host is asked. As in Envoy that of TLS counts.
    fn origin(&self, name: Option<&ConnectionName>) -> Origin {
        let socket = self.core.shared.socket_of(self.host());
        let told = name.and_then(ConnectionName::server_name);
        let told = told.map(String::from).or_else(|| {
            let own = socket.tls().map(|tls| tls.server_name());
            own.filter(|own| !own.is_empty())
        });
        let name = told.as_deref().unwrap_or(&self.host().hostname);
        Origin::new(name, self.host().address.port())
    }

    /// Where it is kept what the host says of HTTP/3.
    pub(super) fn alternatives(&self) -> Option<Box<HostAlternatives>> {
        let cache = self.core.alternatives.as_ref()?;
        Some(Box::new(HostAlternatives {
            cache: Rc::clone(cache),
            port: self.host().address.port(),
        }))
    }
}
