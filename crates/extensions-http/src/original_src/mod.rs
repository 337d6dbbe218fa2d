//! `envoy.filters.http.original_src`: the host of a request is connected to from the client's address, without its
//! port; from the one in `x-forwarded-for` where the connection manager trusts that.
//!
//! What it needs of the machine, and what it does not do, is as with the listener filter of that name. Requests of one
//! address share connections, and no others. Trust: as much as the client's address. Envoy's documentation: HTTP
//! filters, Original Source.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::registry::HttpFilterRoom;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stream_info::ClientSource;

message! {
    /// The filter's config.
    struct OriginalSrc: "envoy.extensions.filters.http.original_src.v3.OriginalSrc" {
        mark: u32,
    }
}

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.original_src",
    message: "envoy.extensions.filters.http.original_src.v3.OriginalSrc",
    parse: |any, ctx| {
        let message: OriginalSrc = any.decode(ctx)?;
        Ok(Arc::new(Keeping { mark: message.mark }))
    },
    per_route: None,
    support: |table| OriginalSrc::support(table),
};

/// Config, factory and filter in one.
#[derive(Clone, Copy)]
struct Keeping {
    mark: u32,
}

impl HttpFilterConfig for Keeping {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(*self)
    }
}

impl RequestHeadFilter for Keeping {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let client = context.stream_info.downstream_remote_address();
        if let Some(source) = ClientSource::of(client, self.mark) {
            let (name, object) = source.into_object();
            context.stream_info.filter_state_mut().set(name, object);
        }
        HeadersStatus::Continue
    }
}
