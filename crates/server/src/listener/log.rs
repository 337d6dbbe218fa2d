//! `access_log` of a listener: each connection when it is over, and those that no filter chain took.
//!
//! Who serves a connection may know more of it than the listener does: of a TCP proxy's the log has all that its own
//! logs have, of those that carry HTTP bytes, protocol and a breach of it. Different from Envoy: requests that come one
//! behind the other are not counted again each time that the ones before them are answered.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::Refused;
use nuncio_contract::access_log::{self, AccessLogConfig, AccessLogger};
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{ConnectionInfo, ResponseFlags, StreamInfo};
use nuncio_http::worker::Worker;

use super::CompileContext;
use crate::config::Listener;

/// The logs of a listener.
pub(crate) type Logs = Vec<Arc<dyn AccessLogConfig>>;

/// The same on one thread.
pub(super) struct ConnectionLog {
    loggers: Vec<Box<dyn AccessLogger>>,
    worker: Rc<Worker>,
}

/// Compiles them all, so that all mistakes are told.
pub(super) fn compile(
    listener: &Listener,
    context: &mut CompileContext<'_>,
) -> Result<Logs, Refused> {
    let rooms = context.extensions.access_loggers;
    let logs = listener.access_log.iter();
    let logs: Vec<_> = logs
        .map(|log| access_log::compile(log, rooms, context.ctx))
        .collect();
    logs.into_iter().collect()
}

impl ConnectionLog {
    /// None if nothing is logged.
    pub(super) fn new(logs: &Logs, scope: &Scope, worker: &Rc<Worker>) -> Option<Self> {
        let loggers: Vec<_> = logs.iter().map(|log| log.worker(scope)).collect();
        (!loggers.is_empty()).then(|| ConnectionLog {
            loggers,
            worker: Rc::clone(worker),
        })
    }

    /// Logs a connection of which nobody knows more.
    pub(super) fn connection(&self, connection: Rc<ConnectionInfo>) {
        let tally = connection.tally.as_ref();
        let failure = tally.and_then(|tally| tally.failure.get()).cloned();
        let connection = match failure {
            None => connection,
            Some(transport_failure_reason) => Rc::new(ConnectionInfo {
                transport_failure_reason,
                ..(*connection).clone()
            }),
        };
        let mut info = self.info(Rc::clone(&connection));
        if let Some(tally) = &connection.tally {
            info.connection_termination_details = tally.termination.get().cloned();
            if let Some(metadata) = tally.metadata.get() {
                *info.dynamic_metadata_mut() = metadata.clone();
            }
        }
        self.stream(info);
    }

    /// Logs one that no filter chain takes.
    pub(super) fn without_chain(&self, connection: ConnectionInfo) {
        let mut info = self.info(Rc::new(connection));
        info.response_flags |= ResponseFlags::NO_ROUTE_FOUND;
        info.response_code_details = Some("filter_chain_not_found".into());
        self.stream(info);
    }

    /// Logs a connection with what is known of its stream.
    pub(super) fn stream(&self, mut info: StreamInfo) {
        if let Some(tally) = &info.connection.tally {
            info.protocol = info.protocol.or(tally.protocol.get());
            info.response_flags |= tally.flags.get();
            if info.bytes_received == 0 && info.bytes_sent == 0 {
                info.bytes_received = tally.received.get();
                info.bytes_sent = tally.sent.get();
            }
        }
        info.end.get_or_insert_with(|| self.worker.now());
        let context = FormatContext::new(&info, &*self.worker);
        self.loggers.iter().for_each(|logger| logger.log(&context));
    }

    fn info(&self, connection: Rc<ConnectionInfo>) -> StreamInfo {
        let begin = connection.begin.unwrap_or_else(|| self.worker.now());
        let ago = self.worker.now().saturating_duration_since(begin);
        let wall = self.worker.wall();
        let began = wall.checked_sub(ago).unwrap_or(wall);
        StreamInfo::new(connection, began, begin)
    }
}
