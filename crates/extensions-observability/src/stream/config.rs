//! The messages of the stream access logs.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::formatter::{Format, SubstitutionFormatString};

use crate::sink::{self, LineLog, StandardStream};

message! {
    /// Lines to standard output.
    pub(crate) struct StdoutAccessLog: "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" {
        pub(crate) oneof access_log_format: Option<AccessLogFormat>,
    }
}

message! {
    /// Lines to standard error.
    pub(crate) struct StderrAccessLog: "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" {
        pub(crate) oneof access_log_format: Option<AccessLogFormat>,
    }
}

one_of! {
    /// The kinds of format.
    pub(crate) enum AccessLogFormat {
        log_format => LogFormat(SubstitutionFormatString),
    }
}

/// Parses the message for standard output.
pub(crate) fn parse_stdout(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: StdoutAccessLog = any.decode(ctx)?;
    let span = message.span();
    build(
        message.access_log_format.as_ref(),
        StandardStream::Output,
        span,
        ctx,
    )
}

/// Parses the message for standard error.
pub(crate) fn parse_stderr(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: StderrAccessLog = any.decode(ctx)?;
    let span = message.span();
    build(
        message.access_log_format.as_ref(),
        StandardStream::Error,
        span,
        ctx,
    )
}

fn build(
    format: Option<&AccessLogFormat>,
    stream: StandardStream,
    span: Span,
    ctx: &mut Ctx,
) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let format = match format {
        None => Format::default_format(),
        Some(AccessLogFormat::LogFormat(format)) => format.compile(ctx)?,
    };
    let file = sink::FILES.open_stream(stream).map_err(|error| {
        ctx.error(span, error);
        Refused
    })?;
    Ok(Arc::new(LineLog::new(format, file)))
}
