//! The message of the tap filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::tap::{
    CommonExtensionConfig, Condition, ConfigType, Format, TapConfig, TapEnabled,
};

message! {
    /// The filter's config.
    pub(super) struct Tap: "envoy.extensions.filters.http.tap.v3.Tap" {
        common_config: CommonExtensionConfig,
        record_headers_received_time: bool,
        record_downstream_connection: bool,
        record_upstream_connection: bool,
    }
}

/// A tap, compiled.
pub(super) struct Settings {
    pub(super) condition: Condition,
    pub(super) format: Format,
    pub(super) path_prefix: Box<str>,
    pub(super) max_received_bytes: usize,
    pub(super) max_sent_bytes: usize,
    pub(super) is_streaming: bool,
    pub(super) sampling: Option<TapEnabled>,
    pub(super) records_times: bool,
    pub(super) records_downstream: bool,
    pub(super) records_upstream: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn compile(tap: &Tap, ctx: &mut Ctx) -> Result<Settings, Refused> {
    let ConfigType::Static(config) = &tap.common_config.config_type else {
        let span = tap.common_config.span();
        return Err(ctx.unsupported_here(span, "a tap with admin_config"));
    };
    let TapConfig { output_config, .. } = config;
    let (file, format) = config.files(ctx)?;
    if output_config.min_streamed_sent_bytes.is_some() {
        let what = "min_streamed_sent_bytes in a tap of HTTP";
        return Err(ctx.unsupported_here(output_config.span(), what));
    }
    Ok(Settings {
        condition: config.condition(ctx)?,
        format,
        path_prefix: file.path_prefix.as_str().into(),
        max_received_bytes: output_config.received_bytes(),
        max_sent_bytes: output_config.sent_bytes(),
        is_streaming: output_config.streaming,
        sampling: config.tap_enabled.clone(),
        records_times: tap.record_headers_received_time,
        records_downstream: tap.record_downstream_connection,
        records_upstream: tap.record_upstream_connection,
    })
}
