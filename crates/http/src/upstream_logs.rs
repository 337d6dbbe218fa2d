//! The router's own access logs, which tell of tries rather than of streams: what of them is compiled, and a worker's
//! loggers.
//!
//! A try is logged when it is over, on request when it has its connection, and every so often while it lasts (no
//! interval by default).
//!
//! Follows Envoy's `Router.upstream_log` and `Router.upstream_log_options`.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::access_log::{self, AccessLog, AccessLogConfig, AccessLogRooms, AccessLogger};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::stats::Scope;

/// The compiled logs, of which there is at least one.
#[derive(Clone)]
pub struct UpstreamLogsConfig {
    logs: Arc<[Arc<dyn AccessLogConfig>]>,
    at_connection: bool,
    interval: Option<Duration>,
}

impl fmt::Debug for UpstreamLogsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamLogsConfig({})", self.logs.len())
    }
}

impl UpstreamLogsConfig {
    /// Compiles the logs; none if there are none.
    ///
    /// # Errors
    /// [`Refused`] if one of them cannot be used.
    pub fn compile(
        logs: &[AccessLog],
        rooms: AccessLogRooms,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let compiled = logs.iter().map(|log| access_log::compile(log, rooms, ctx));
        let mut compiled: Vec<_> = compiled.collect();
        if ctx.leaves_out {
            compiled.retain(Result::is_ok);
        }
        let logs: Vec<_> = compiled.into_iter().collect::<Result<_, _>>()?;
        Ok((!logs.is_empty()).then(|| UpstreamLogsConfig {
            logs: logs.into(),
            at_connection: false,
            interval: None,
        }))
    }

    /// The same, also when a try has its connection, and every so often.
    #[must_use]
    pub fn at(self, at_connection: bool, interval: Option<Duration>) -> Self {
        UpstreamLogsConfig {
            at_connection,
            interval: interval.filter(|interval| !interval.is_zero()),
            ..self
        }
    }

    /// Makes a worker's loggers.
    pub(crate) fn worker(&self, scope: &Scope) -> Rc<UpstreamLogs> {
        Rc::new(UpstreamLogs {
            loggers: self.logs.iter().map(|log| log.worker(scope)).collect(),
            at_connection: self.at_connection,
            interval: self.interval,
        })
    }
}

/// A worker's loggers.
pub(crate) struct UpstreamLogs {
    loggers: Box<[Box<dyn AccessLogger>]>,
    /// Whether a try is logged once it has a connection.
    pub(crate) at_connection: bool,
    /// How often it is logged while it lasts.
    pub(crate) interval: Option<Duration>,
}

impl UpstreamLogs {
    pub(crate) fn log(&self, context: &FormatContext<'_>) {
        for logger in &self.loggers {
            logger.log(context);
        }
    }
}
