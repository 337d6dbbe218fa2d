//! `envoy.filters.listener.original_dst`: the connection's own address becomes the one that it was going to before the
//! system redirected it here, by which filter chains are chosen then.
//!
//! Works with `REDIRECT` of iptables, which keeps the address for the socket; with `TPROXY` the socket's own address is
//! that one already. Trust: the system's word. Envoy's documentation: listener filters, Original destination.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::registry::ListenerFilterRoom;
use nuncio_contract::stats::Scope;

message! {
    /// It has no fields.
    struct OriginalDst: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" {}
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.original_dst",
    message: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    parse: |any, ctx| {
        any.decode::<OriginalDst>(ctx)?;
        Ok(Arc::new(Restoring))
    },
    support: |table| OriginalDst::support(table),
};

/// Keeps nothing: config, factory and filter in one.
struct Restoring;

impl ListenerFilterConfig for Restoring {
    fn for_worker(&self, _root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(Restoring)
    }
}

impl ListenerFilterFactory for Restoring {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(Restoring)
    }

    fn most_bytes(&self) -> usize {
        0
    }
}

impl ListenerFilter for Restoring {
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus {
        if let Some(address) = (context.original_destination)() {
            context.connection.local_address = Some(address.into());
        }
        ListenerStatus::Continue(0)
    }
}
