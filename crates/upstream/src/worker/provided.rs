//! Hosts of clusters that choose them themselves: by what a request asks for.

use std::rc::Rc;

use super::WorkerCluster;
use super::WorkerHost;
use crate::cluster::{Health, Provided};
use crate::destination::Destination;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::forward_proxy::Asked;
use crate::load_balancing::PickContext;

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
            (Provided::Names(_), None) => Err(self.no_host()),
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

    fn no_host(&self) -> UpstreamError {
        self.count_no_host();
        UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)
    }
}
