//! What the echo filter does to a connection.

use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus,
};
use nuncio_contract::stats::Scope;

/// Keeps nothing: config, factory and filter in one.
pub(super) struct Sending;

impl NetworkFilterConfig for Sending {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Sending)
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Sending {
    fn wants_data(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Sending)
    }
}

impl NetworkFilter for Sending {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> NetworkStatus {
        context.out.extend_from_slice(data);
        match end_stream {
            true => NetworkStatus::Close(NetworkClose::after_flush("")),
            false => NetworkStatus::Stop,
        }
    }
}
