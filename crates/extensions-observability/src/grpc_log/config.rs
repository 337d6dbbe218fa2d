//! The messages compiled, and the loggers of a worker.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::wire::encode;
use nuncio_contract::access_log::{AccessLogConfig, AccessLogger};
use nuncio_contract::custom_tag::CustomTag;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::stats::Scope;

use super::messages::{CommonGrpcAccessLog, HttpGrpcAccessLog, TcpGrpcAccessLog};
use super::stream::{Entry, LogStream};
use super::{common, entry};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_BYTES: u32 = 16_384;

/// What both loggers have.
pub(super) struct Settings {
    pub(super) log_name: String,
    pub(super) target: GrpcTarget,
    pub(super) interval: Duration,
    pub(super) max_bytes: usize,
    pub(super) objects: Vec<String>,
    pub(super) tags: Vec<CustomTag>,
    /// What it was written as, by which logs share a stream.
    pub(super) written: Vec<u8>,
}

/// The headers that are told beside the usual ones.
#[derive(Default)]
pub(super) struct HeadersTold {
    pub(super) of_request: Vec<HeaderName>,
    pub(super) of_response: Vec<HeaderName>,
    pub(super) of_trailers: Vec<HeaderName>,
}

struct HttpLog {
    settings: Arc<Settings>,
    headers: Arc<HeadersTold>,
}

struct HttpLogger {
    headers: Arc<HeadersTold>,
    stream: Rc<LogStream>,
}

struct TcpLog(Arc<Settings>);

struct TcpLogger(Rc<LogStream>);

pub(super) fn parse_http(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: HttpGrpcAccessLog = any.decode(ctx)?;
    let settings = settings(&message.common_config, &any.message, ctx)?;
    let mut names = |names: &[Spanned<String>]| -> Result<Vec<HeaderName>, Refused> {
        names.iter().map(|name| header_name(name, ctx)).collect()
    };
    let headers = HeadersTold {
        of_request: names(&message.additional_request_headers_to_log)?,
        of_response: names(&message.additional_response_headers_to_log)?,
        of_trailers: names(&message.additional_response_trailers_to_log)?,
    };
    Ok(Arc::new(HttpLog {
        settings: Arc::new(settings),
        headers: Arc::new(headers),
    }))
}

pub(super) fn parse_tcp(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: TcpGrpcAccessLog = any.decode(ctx)?;
    let settings = settings(&message.common_config, &any.message, ctx)?;
    Ok(Arc::new(TcpLog(Arc::new(settings))))
}

fn settings(
    message: &CommonGrpcAccessLog,
    written: &Message,
    ctx: &mut Ctx,
) -> Result<Settings, Refused> {
    let retries = message.grpc_stream_retry_policy.as_ref();
    let retries = retries.map(|retries| retries.compile(ctx)).transpose()?;
    let target = message.grpc_service.compile(ctx)?;
    let tags = message.custom_tags.iter().map(|tag| tag.compile(ctx));
    let common = written.find(&["common_config"]).and_then(Value::as_message);
    let max = message.buffer_size_bytes.unwrap_or(DEFAULT_BYTES);
    Ok(Settings {
        log_name: message.log_name.clone(),
        target: match retries {
            Some(retries) => target.with_tries_to_begin(retries.num_retries),
            None => target,
        },
        interval: message.buffer_flush_interval.unwrap_or(DEFAULT_INTERVAL),
        max_bytes: usize::try_from(max).unwrap_or(usize::MAX),
        objects: message.filter_state_objects_to_log.clone(),
        tags: tags.collect::<Result<_, _>>()?,
        written: common.map(|common| encode(common)).unwrap_or_default(),
    })
}

fn header_name(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse_with_pseudo(&name.value).map_err(|error| {
        ctx.error(name.span, error.to_string());
        Refused
    })
}

impl AccessLogConfig for HttpLog {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        Box::new(HttpLogger {
            headers: Arc::clone(&self.headers),
            stream: LogStream::of_thread(&self.settings, true, scope),
        })
    }
}

impl AccessLogger for HttpLogger {
    fn log(&self, context: &FormatContext<'_>) {
        let common = common::properties(self.stream.settings(), context);
        let entry = entry::http(&self.headers, common, context);
        self.stream
            .log(Entry::Http(Box::new(entry)), context.services);
    }
}

impl AccessLogConfig for TcpLog {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        Box::new(TcpLogger(LogStream::of_thread(&self.0, false, scope)))
    }
}

impl AccessLogger for TcpLogger {
    fn log(&self, context: &FormatContext<'_>) {
        let common = common::properties(self.0.settings(), context);
        let entry = entry::tcp(common, context);
        self.0.log(Entry::Tcp(Box::new(entry)), context.services);
    }
}
