//! `envoy.filters.http.wasm`: a plugin of WebAssembly sees and changes requests and responses. Also between the router and
//! a host.
//!
//! Where it differs from Envoy: a stream that a plugin closes is answered with 503, not reset; of a body that a plugin
//! holds while more of it is to come, nothing goes on before the next of it has come; a plugin sees a stream's parts in
//! the answer to a call only if the stream that asked waits for it. Envoy's documentation: HTTP filters, Wasm.

mod filter;
mod side;

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::http_filter::{
    FilterWorkerContext, HttpFilter, HttpFilterConfig, HttpFilterFactory, Interest,
};
use nuncio_contract::registry::HttpFilterRoom;

use crate::configure;
use crate::messages::HttpWasm;
use crate::slot::Slot;
use crate::worker::Handle;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.wasm",
    message: "envoy.extensions.filters.http.wasm.v3.Wasm",
    parse: |any, ctx| {
        let message: HttpWasm = any.decode(ctx)?;
        Ok(Arc::new(Config(configure::compile(
            message.config.as_ref(),
            any.span,
            ctx,
        )?)))
    },
    per_route: None,
    support: |table| HttpWasm::support(table),
};

struct Config(Arc<Slot>);

impl HttpFilterConfig for Config {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Handle::new(&self.0, context.root))))
    }
}

struct Factory(Rc<Handle>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            begin: false,
            log: true,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(filter::WasmFilter::new(self.0.find()))
    }
}
