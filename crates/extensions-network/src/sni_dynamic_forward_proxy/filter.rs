//! What the filter does to a connection.

use nuncio_contract::network_filter::{
    NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory, NetworkStatus,
};
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{Text, UPSTREAM_DYNAMIC_PORT};

/// Keeps the port alone: config, factory and filter in one.
#[derive(Clone, Copy)]
pub(super) struct Asking {
    pub(super) port: u32,
}

impl NetworkFilterConfig for Asking {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(*self)
    }

    fn leaves_filter_state(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Asking {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(*self)
    }
}

impl NetworkFilter for Asking {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        if !context
            .stream_info
            .connection
            .requested_server_name
            .is_empty()
        {
            let state = context.stream_info.filter_state_mut();
            let port = self.port.to_string().into();
            state.set(UPSTREAM_DYNAMIC_PORT, Box::new(Text(port)));
        }
        NetworkStatus::Continue
    }
}
