//! What the direct response filter does to a connection.

use std::sync::Arc;

use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus,
};
use nuncio_contract::stats::Scope;

/// The response: config, factory and filter in one.
pub(super) struct Answering(pub(super) Arc<[u8]>);

impl NetworkFilterConfig for Answering {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Answering(Arc::clone(&self.0)))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Answering {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Answering(Arc::clone(&self.0)))
    }
}

impl NetworkFilter for Answering {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        context.out.extend_from_slice(&self.0);
        context.stream_info.response_code_details = Some("direct_response".into());
        NetworkStatus::Close(NetworkClose::after_flush(""))
    }
}
