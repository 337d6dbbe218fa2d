//! What the SNI cluster filter does to a connection.

use nuncio_contract::network_filter::{
    NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory, NetworkStatus,
};
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{TCP_PROXY_CLUSTER, Text};

/// Keeps nothing: config, factory and filter in one.
pub(super) struct Naming;

impl NetworkFilterConfig for Naming {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Naming)
    }
}

impl NetworkFilterFactory for Naming {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Naming)
    }
}

impl NetworkFilter for Naming {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        let name = context.stream_info.connection.requested_server_name.clone();
        if !name.is_empty() {
            let state = context.stream_info.filter_state_mut();
            state.set(TCP_PROXY_CLUSTER, Box::new(Text(name)));
        }
        NetworkStatus::Continue
    }
}
