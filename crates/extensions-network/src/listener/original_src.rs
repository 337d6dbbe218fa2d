//! `envoy.filters.listener.original_src`: connections to hosts come from the client's address, without its port, for
//! hosts that must see who asks.
//!
//! The address is the one that listener filters before this one have found out. A client on a unix domain socket has
//! none: the system chooses. The machine must route what hosts answer back to the proxy (`mark` helps), and the
//! process needs CAP_NET_ADMIN: where `IP_TRANSPARENT` may not be set, connections to hosts fail, as they do where the
//! client's address is of another version of IP than the host's. Each address has connections of its own. Trust: only
//! as much as the PROXY header, if the address comes from one. Envoy's documentation: listener filters, Original
//! Source.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::registry::ListenerFilterRoom;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ClientSource;

message! {
    /// The filter's config.
    struct OriginalSrc: "envoy.extensions.filters.listener.original_src.v3.OriginalSrc" {
        inert bind_port = "Envoy does not do it either",
        mark: u32,
    }
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.original_src",
    message: "envoy.extensions.filters.listener.original_src.v3.OriginalSrc",
    parse: |any, ctx| {
        let message: OriginalSrc = any.decode(ctx)?;
        Ok(Arc::new(Keeping { mark: message.mark }))
    },
    support: |table| OriginalSrc::support(table),
};

/// Config, factory and filter in one.
#[derive(Clone, Copy)]
struct Keeping {
    mark: u32,
}

impl ListenerFilterConfig for Keeping {
    fn for_worker(&self, _root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(*self)
    }
}

impl ListenerFilterFactory for Keeping {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(*self)
    }

    fn most_bytes(&self) -> usize {
        0
    }
}

impl ListenerFilter for Keeping {
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus {
        let client = context.connection.remote_address.as_ref();
        if let Some(source) = ClientSource::of(client, self.mark) {
            let (name, object) = source.into_object();
            context.inspected.filter_state.set(name, object);
        }
        ListenerStatus::Continue(0)
    }
}
