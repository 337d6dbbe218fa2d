//! `envoy.filters.listener.set_filter_state`: objects made of formats when a connection is accepted, for what comes
//! behind it: network filters, the TCP proxy, requests and access logs.
//!
//! Formats know the connection's addresses; what other listener filters find out is theirs once it is known. Kinds of
//! objects as for the network filter. Trust: as much as what the formats say. Envoy's documentation: listener filters,
//! Set-Filter-State.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::registry::ListenerFilterRoom;
use nuncio_contract::state_value::{FilterStateValue, StateValue};
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::StreamInfo;

message! {
    /// The filter's config.
    struct SetFilterState: "envoy.extensions.filters.listener.set_filter_state.v3.Config" {
        on_accept: Vec<FilterStateValue>,
    }
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.set_filter_state",
    message: "envoy.extensions.filters.listener.set_filter_state.v3.Config",
    parse,
    support: |table| SetFilterState::support(table),
};

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ListenerFilterConfig>, Refused> {
    let message: SetFilterState = any.decode(ctx)?;
    let values = StateValue::compile_all(&message.on_accept, ctx)?;
    Ok(Arc::new(Values(values.into())))
}

/// The objects, in order.
#[derive(Clone)]
struct Values(Arc<[StateValue]>);

impl ListenerFilterConfig for Values {
    fn for_worker(&self, _root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(self.clone())
    }
}

impl ListenerFilterFactory for Values {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(self.clone())
    }

    fn most_bytes(&self) -> usize {
        0
    }
}

impl ListenerFilter for Values {
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus {
        let services = context.services;
        let connection = Rc::new(context.connection.clone());
        let mut info = StreamInfo::new(connection, services.wall(), services.now());
        *info.filter_state_mut() = std::mem::take(&mut context.inspected.filter_state);
        *info.dynamic_metadata_mut() = context.inspected.metadata.clone();
        for value in &*self.0 {
            if let Some(object) = value.make(&FormatContext::new(&info, services)) {
                info.filter_state_mut().set(&value.name, object);
            }
        }
        context.inspected.filter_state = std::mem::take(info.filter_state_mut());
        ListenerStatus::Continue(0)
    }
}
