//! The messages of the filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::network_filter::NetworkFilterConfig;

pub(super) const DEFAULT_MESSAGE_TIMEOUT: Duration = Duration::from_millis(200);

message! {
    /// The filter's config.
    pub(super) struct NetworkExternalProcessor: "envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor" {
        grpc_service: Option<GrpcServiceMessage>,
        failure_mode_allow: bool,
        processing_mode: Option<ProcessingMode>,
        message_timeout: Option<Duration>,
        stat_prefix: String,
        metadata_options: Option<MetadataOptions>,
    }
}

message! {
    /// What is told.
    pub(super) struct ProcessingMode: "envoy.extensions.filters.network.ext_proc.v3.ProcessingMode" {
        process_read: DataSendMode,
        process_write: DataSendMode,
    }
}

enumeration! {
    /// Whether a direction is told.
    pub(super) enum DataSendMode: "envoy.extensions.filters.network.ext_proc.v3.ProcessingMode.DataSendMode" {
        STREAMED => Streamed,
        SKIP => Skip,
    }
}

message! {
    /// The metadata that is told and taken.
    pub(super) struct MetadataOptions: "envoy.extensions.filters.network.ext_proc.v3.MetadataOptions" {
        forwarding_namespaces: Option<MetadataNamespaces>,
        receiving_namespaces: Option<MetadataNamespaces>,
    }
}

message! {
    /// Namespaces.
    pub(super) struct MetadataNamespaces: "envoy.extensions.filters.network.ext_proc.v3.MetadataOptions.MetadataNamespaces" {
        untyped: Vec<String>,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    pub(super) target: GrpcTarget,
    pub(super) passes_on_error: bool,
    /// Whether what comes from the client, and what goes to it, is told.
    pub(super) tells: [bool; 2],
    /// Of each answer, if it has one.
    pub(super) message_timeout: Option<Duration>,
    pub(super) forwarded: Box<[String]>,
    pub(super) received: Box<[String]>,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: NetworkExternalProcessor = any.decode(ctx)?;
    let Some(service) = &message.grpc_service else {
        ctx.error(any.span, "A grpc_service must be configured");
        return Err(Refused);
    };
    let mode = message.processing_mode.as_ref();
    let tells = mode.map_or([true; 2], |mode| {
        [mode.process_read, mode.process_write].map(|mode| mode == DataSendMode::Streamed)
    });
    if tells == [false; 2] {
        let text = "both read and write paths are skipped, at least one must be enabled.";
        ctx.error(any.span, text);
        return Err(Refused);
    }
    let metadata = message.metadata_options.as_ref();
    let forwarded = metadata.and_then(|of| of.forwarding_namespaces.as_ref());
    let received = metadata.and_then(|of| of.receiving_namespaces.as_ref());
    let list = |of: Option<&MetadataNamespaces>| {
        of.map_or_else(Box::default, |of| of.untyped.clone().into())
    };
    let message_timeout = message.message_timeout.unwrap_or(DEFAULT_MESSAGE_TIMEOUT);
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        target: service.compile(ctx)?,
        passes_on_error: message.failure_mode_allow,
        tells,
        message_timeout: (message_timeout.as_millis() > 0).then_some(message_timeout),
        forwarded: list(forwarded),
        received: list(received),
    }))))
}
