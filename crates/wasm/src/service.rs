//! `envoy.bootstrap.wasm`: a plugin of WebAssembly that runs beside the streams, by its ticks, calls and queues; on each
//! worker, or once on the main thread (`singleton`).
//!
//! Where it differs from Envoy: its code is tried as the configuration is read, so that a faulty one is refused with all
//! else that is wrong. Envoy's documentation: Wasm service.

use std::any::Any;
use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::bootstrap_extension::{BootstrapExtensionConfig, BootstrapExtensionRoom};
use nuncio_contract::stats::Scope;

use crate::configure;
use crate::messages::WasmService;
use crate::slot::Slot;
use crate::worker::Handle;

/// The room.
pub static ROOM: BootstrapExtensionRoom = BootstrapExtensionRoom {
    name: "envoy.bootstrap.wasm",
    message: "envoy.extensions.wasm.v3.WasmService",
    parse: |any, ctx| {
        let message: WasmService = any.decode(ctx)?;
        Ok(Arc::new(Service {
            plugin: configure::compile(message.config.as_ref(), any.span, ctx)?,
            is_singleton: message.singleton,
        }))
    },
    support: |table| WasmService::support(table),
};

struct Service {
    plugin: Arc<Slot>,
    is_singleton: bool,
}

impl BootstrapExtensionConfig for Service {
    fn is_singleton(&self) -> bool {
        self.is_singleton
    }

    fn start(&self, root: &Scope) -> Box<dyn Any> {
        Box::new(match self.is_singleton {
            true => Handle::singleton(&self.plugin, root),
            false => Handle::new(&self.plugin, root),
        })
    }
}
