//! The message, compiled.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::access_log::{AccessLogConfig, AccessLogger};
use nuncio_contract::custom_tag::{CustomTag, CustomTagMessage};
use nuncio_contract::formatter::{FormatContext, FormatterExtension, extension_commands};

use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::http_service::HttpServiceMessage;
use nuncio_contract::stats::Scope;
use nuncio_service_messages::otlp;

use super::record::{AnyValueMessage, KeyValueListMessage, Template, fixed};
use super::sender::Sender;
use crate::grpc_log::messages::CommonGrpcAccessLog;
use crate::otlp::{Destination, Detected, DetectorMessage};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_BYTES: u32 = 16_384;

message! {
    /// A log.
    pub(crate) struct OpenTelemetryLog: "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig" {
        common_config: Option<CommonGrpcAccessLog>,
        http_service: Option<HttpServiceMessage>,
        grpc_service: Option<GrpcServiceMessage>,
        disable_builtin_labels: bool,
        resource_attributes: Option<KeyValueListMessage>,
        resource_detectors: Vec<DetectorMessage>,
        body: Option<AnyValueMessage>,
        attributes: Option<KeyValueListMessage>,
        stat_prefix: String,
        log_name: String,
        buffer_flush_interval: Option<Duration>,
        buffer_size_bytes: Option<u32>,
        custom_tags: Vec<CustomTagMessage>,
        formatters: Vec<FormatterExtension>,
    }
}

/// The same compiled.
pub(super) struct Settings {
    pub(super) destination: Destination,
    pub(super) log_name: String,
    pub(super) has_labels: bool,
    pub(super) detected: Detected,
    pub(super) resource: Vec<otlp::KeyValue>,
    pub(super) body: Option<Template>,
    pub(super) attributes: Vec<(String, Template)>,
    pub(super) tags: Vec<CustomTag>,
    pub(super) stat_prefix: String,
    pub(super) interval: Duration,
    pub(super) max_bytes: usize,
}

struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: OpenTelemetryLog = any.decode(ctx)?;
    let mut detected = Detected::new();
    for detector in &message.resource_detectors {
        detector.detect(&mut detected, ctx)?;
    }
    let common = message.common_config.as_ref();
    let log_name = match (message.log_name.as_str(), common) {
        ("", Some(common)) => common.log_name.clone(),
        (name, _) => name.to_owned(),
    };
    let tags = common.map_or(&[][..], |common| &common.custom_tags);
    let tags = tags.iter().chain(&message.custom_tags);
    let interval = common.and_then(|common| common.buffer_flush_interval);
    let bytes = common.and_then(|common| common.buffer_size_bytes);
    let bytes = message.buffer_size_bytes.or(bytes).unwrap_or(DEFAULT_BYTES);
    let body = message.body.as_ref();
    let attributes = message.attributes.as_ref();
    let resource = message.resource_attributes.as_ref();
    let commands = extension_commands(&message.formatters, ctx)?;
    Ok(Arc::new(Config(Arc::new(Settings {
        destination: message.destination(any.span, ctx)?,
        log_name,
        has_labels: !message.disable_builtin_labels,
        detected,
        resource: resource.map(fixed).unwrap_or_default(),
        body: body.map(|body| body.compile(&commands, ctx)).transpose()?,
        attributes: match attributes {
            Some(list) => list.compile(&commands, ctx)?,
            None => Vec::new(),
        },
        tags: tags.map(|tag| tag.compile(ctx)).collect::<Result<_, _>>()?,
        stat_prefix: message.stat_prefix.clone(),
        interval: message
            .buffer_flush_interval
            .or(interval)
            .unwrap_or(DEFAULT_INTERVAL),
        max_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
    }))))
}

impl OpenTelemetryLog {
    fn destination(&self, span: Span, ctx: &mut Ctx) -> Result<Destination, Refused> {
        let common = self.common_config.as_ref();
        if let Some(common) = common.filter(|it| !it.filter_state_objects_to_log.is_empty()) {
            let what = "`filter_state_objects_to_log` of an OpenTelemetry access log";
            return Err(ctx.unsupported_here(common.span(), what));
        }
        let old = common.map(|common| &common.grpc_service);
        let grpc = [old, self.grpc_service.as_ref()];
        let http = self.http_service.as_ref();
        let count = grpc.iter().flatten().count() + usize::from(http.is_some());
        let why = match count {
            1 => {
                let [old, new] = grpc;
                let found = Destination::compile((new.or(old), http), ctx)?;
                return found.ok_or(Refused);
            }
            0 => {
                "OpenTelemetry access logger requires one of: grpc_service, http_service, or \
                 common_config.grpc_service to be configured."
            }
            _ => {
                "OpenTelemetry access logger can only have one transport configured. Specify exactly \
                 one of: grpc_service, http_service, or common_config.grpc_service."
            }
        };
        ctx.error(span, why);
        Err(Refused)
    }
}

struct Logger(std::rc::Rc<Sender>);

impl AccessLogConfig for Config {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        Box::new(Logger(Sender::new(&self.0, scope)))
    }
}

impl AccessLogger for Logger {
    fn log(&self, context: &FormatContext<'_>) {
        let record = super::record::of(self.0.settings(), context);
        self.0.take(record, context.services);
    }
}
