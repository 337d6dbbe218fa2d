//! What the filter does to a connection.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::network_filter::{
    NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory, NetworkStatus,
};
use nuncio_contract::state_value::StateValue;
use nuncio_contract::stats::Scope;

use super::config::Values;

impl NetworkFilterConfig for Values {
    fn for_worker(&self, _root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(self.clone())
    }

    fn leaves_filter_state(&self) -> bool {
        !self.at_data.is_empty()
    }
}

impl NetworkFilterFactory for Values {
    fn wants_data(&self) -> bool {
        !self.at_data.is_empty()
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Setting {
            values: self.clone(),
            has_seen_data: false,
        })
    }
}

/// The filter of a connection.
struct Setting {
    values: Values,
    has_seen_data: bool,
}

impl NetworkFilter for Setting {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        set(&self.values.at_start, context);
        NetworkStatus::Continue
    }

    fn on_handshake(&mut self, context: &mut NetworkContext<'_>) {
        set(&self.values.at_handshake, context);
    }

    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        _data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        if !std::mem::replace(&mut self.has_seen_data, true) {
            set(&self.values.at_data, context);
        }
        NetworkStatus::Continue
    }
}

fn set(values: &[StateValue], context: &mut NetworkContext<'_>) {
    for value in values {
        let format = FormatContext::new(context.stream_info, context.services);
        if let Some(object) = value.make(&format) {
            let state = context.stream_info.filter_state_mut();
            state.set(&value.name, object);
        }
    }
}
