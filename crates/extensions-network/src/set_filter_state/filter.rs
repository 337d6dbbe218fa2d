//! What the filter does to a connection.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::network_filter::{
    NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory, NetworkStatus,
};
use nuncio_contract::stats::Scope;

use super::config::Values;

impl NetworkFilterConfig for Values {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(self.clone())
    }

    fn leaves_filter_state(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Values {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(self.clone())
    }
}

impl NetworkFilter for Values {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        for value in self.0.iter() {
            let mut text = Vec::new();
            let format = FormatContext::new(context.stream_info, context.services);
            value.format.format(&format, &mut text);
            if text.is_empty() && value.skips_empty {
                continue;
            }
            let text = String::from_utf8_lossy(&text);
            if let Some(object) = value.kind.make(&text) {
                let state = context.stream_info.filter_state_mut();
                state.set(&value.name, object);
            }
        }
        NetworkStatus::Continue
    }
}
