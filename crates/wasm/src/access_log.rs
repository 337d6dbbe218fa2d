//! `envoy.access_loggers.wasm`: a plugin of WebAssembly is told of each stream that is over, as its own context.
//! Envoy's documentation: access loggers, Wasm.

use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::{AccessLogConfig, AccessLogRoom, AccessLogger};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::stats::Scope;

use crate::configure;
use crate::logged;
use crate::messages::WasmAccessLog;
use crate::slot::Slot;
use crate::worker::{Found, Handle};

/// The room.
pub static ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.wasm",
    message: "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
    parse: |any, ctx| {
        let message: WasmAccessLog = any.decode(ctx)?;
        let plugin = configure::compile(message.config.as_ref(), any.span, ctx)?;
        Ok(Arc::new(Config(plugin)))
    },
    support: |table| WasmAccessLog::support(table),
};

struct Config(Arc<Slot>);

impl AccessLogConfig for Config {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        Box::new(Logger(Handle::new(&self.0, scope)))
    }
}

struct Logger(Handle);

impl AccessLogger for Logger {
    fn log(&self, context: &FormatContext<'_>) {
        // Only streams that are over.
        if context.stream_info.end.is_none() {
            return;
        }
        if let Found::Runs(plugin) = self.0.find() {
            logged::log(&plugin.vm, plugin.root, context);
        }
    }
}
