//! Access logs: one line for each stream (or moment of a stream), wherever a logger's room takes it.
//!
//! A room parses its message once into an [`AccessLogConfig`], shared by the workers; each worker makes its
//! own [`AccessLogger`] of it, on its own thread. The `filter` of a log is not the room's business: it is
//! compiled here and asked before the logger is.
//!
//! Follows `envoy.config.accesslog.v3.AccessLog`.

mod extension_filter;
mod filter;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned, SupportTable};

pub(crate) use extension_filter::support;
pub use filter::{AccessLogFilter, CompiledFilter, LogTypeName};

use crate::formatter::FormatContext;
use crate::stats::{Scope, StatsStore};

/// Parses a logger's message; errors go to the context.
pub type ParseAccessLog = fn(&Any, &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused>;

/// A kind of access logger.
pub struct AccessLogRoom {
    /// Envoy's name, such as `envoy.access_loggers.file`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseAccessLog,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// The rooms that a log may be of, family by family.
pub type AccessLogRooms = &'static [&'static [&'static AccessLogRoom]];

/// The room whose message is `message`.
pub fn room(rooms: AccessLogRooms, message: &str) -> Option<&'static AccessLogRoom> {
    rooms
        .iter()
        .flat_map(|family| family.iter())
        .find(|room| room.message == message)
        .copied()
}

/// A parsed access log, shared by the workers.
pub trait AccessLogConfig: Send + Sync {
    /// Makes the logger of the calling worker, which counts in the store that `scope` is of.
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger>;
}

/// One worker's logger. Never blocks and never fails: what can't be logged is counted and dropped.
pub trait AccessLogger {
    /// Logs one moment of a stream.
    fn log(&self, context: &FormatContext<'_>);
}

/// A file that is told of what is no stream, such as a host's health.
pub trait LineLog: Send + Sync + std::fmt::Debug {
    /// Appends a line, which has its newline. Never blocks and never fails: what can't be written is counted and
    /// dropped. From one thread alone.
    fn write(&self, line: &[u8]);
}

/// The files behind access logs, as far as the process must care: made by the family that writes them.
pub trait AccessLogFiles: Sync {
    /// Takes the settings of the command line and the store for `filesystem.*`; before the first log.
    fn configure(&self, options: FileOptions, store: &StatsStore);
    /// The file at `path`, opened if it was not, to be written line by line; else why not.
    ///
    /// # Errors
    /// What the system says, in Envoy's words.
    fn open_lines(&self, path: &str) -> Result<Arc<dyn LineLog>, String>;
    /// Opens all files anew under their paths (SIGUSR1, `/reopen_logs`), soon.
    fn reopen_all(&self);
    /// Writes out all that is buffered, and returns when it is done; for an orderly end.
    fn flush_all(&self);
}

/// How files are flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// `--file-flush-interval-msec`: at least this often; 10 s.
    pub flush_interval: Duration,
    /// `--file-flush-min-size-kb` in bytes: as soon as so much has gathered; 64 KiB.
    pub min_flush_bytes: usize,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            flush_interval: Duration::from_secs(10),
            min_flush_bytes: 64 << 10,
        }
    }
}

message! {
    /// An access log with its filter.
    pub struct AccessLog: "envoy.config.accesslog.v3.AccessLog" {
        pub(crate) name: Spanned<String>,
        pub(crate) filter: Option<AccessLogFilter>,
        pub(crate) typed_config: Option<Any>,
    }
}

/// Finds the room of a log and lets it parse; what is wrong is reported.
pub fn compile(
    log: &AccessLog,
    rooms: AccessLogRooms,
    ctx: &mut Ctx,
) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let filter = log
        .filter
        .as_ref()
        .map(|filter| CompiledFilter::compile(filter, ctx))
        .transpose();
    let config = logger(log, rooms, ctx);
    Ok(match (filter?, config?) {
        (None, config) => config,
        (Some(filter), config) => Arc::new(FilteredConfig { filter, config }),
    })
}

/// The logger's room is found by the type of its message, as in Envoy; the name is for people.
fn logger(
    log: &AccessLog,
    rooms: AccessLogRooms,
    ctx: &mut Ctx,
) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let Some(any) = &log.typed_config else {
        let what = format!("access logger `{}` without `typed_config`", log.name.value);
        return Err(ctx.unsupported_here(log.name.span, what));
    };
    match room(rooms, any.type_name()) {
        Some(room) => (room.parse)(any, ctx),
        None => {
            let what = format!("access logger `{}`", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}

struct FilteredConfig {
    filter: CompiledFilter,
    config: Arc<dyn AccessLogConfig>,
}

struct FilteredLogger {
    filter: CompiledFilter,
    logger: Box<dyn AccessLogger>,
}

impl AccessLogConfig for FilteredConfig {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        Box::new(FilteredLogger {
            filter: self.filter.clone(),
            logger: self.config.worker(scope),
        })
    }
}

impl AccessLogger for FilteredLogger {
    fn log(&self, context: &FormatContext<'_>) {
        if self.filter.matches(context) {
            self.logger.log(context);
        }
    }
}
