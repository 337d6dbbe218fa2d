//! The settings of the codecs. Defaults: 60 KiB of request headers, 100 of them, or what the runtime says.

use nuncio_codec::http1::{Http1Settings, UnderscoresAction};
use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::head_limits::HeadLimit;
use nuncio_upstream::config::ignored_upgrades;

use super::common;
use crate::config::connection_manager as config;

pub(super) fn codec_settings(
    message: &config::HttpConnectionManager,
    ctx: &mut Ctx,
) -> Result<Http1Settings, Refused> {
    let mut settings = Http1Settings {
        // At the edge nobody else can have taken the encryption off.
        validate_scheme: message.use_remote_address == Some(true)
            && message.xff_num_trusted_hops == 0,
        ..Http1Settings::default()
    };
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    if let Some(kib) = HeadLimit::RequestKib.by_runtime(&ctx.runtime) {
        settings.max_headers_bytes = kib.saturating_mul(1024);
    }
    if let Some(limit) = HeadLimit::RequestHeaders.by_runtime(&ctx.runtime) {
        settings.max_headers_count = limit;
    }
    if let Some(kib) = message.max_request_headers_kb {
        settings.max_headers_bytes = count(kib).saturating_mul(1024);
    }
    if let Some(common) = common(message) {
        if let Some(limit) = common.max_headers_count {
            settings.max_headers_count = count(limit);
        }
        settings.headers_with_underscores = match common.headers_with_underscores_action {
            config::HeadersWithUnderscoresAction::Allow => UnderscoresAction::Allow,
            config::HeadersWithUnderscoresAction::RejectRequest => UnderscoresAction::RejectRequest,
            config::HeadersWithUnderscoresAction::DropHeader => UnderscoresAction::DropHeader,
        };
    }
    if let Some(http1) = &message.http_protocol_options {
        settings.allow_absolute_url = http1.allow_absolute_url != Some(false);
        settings.accept_http_10 = http1.accept_http_10;
        settings.default_host_for_http_10 = http1.default_host_for_http_10.as_bytes().into();
        settings.enable_trailers = http1.enable_trailers;
        settings.allow_chunked_length = http1.allow_chunked_length;
        settings.allow_custom_methods = http1.allow_custom_methods;
        settings.ignored_upgrades = ignored_upgrades(&http1.ignore_http_11_upgrade, ctx)?;
        if let Some(format) = &http1.header_key_format {
            settings.header_case = format.compile(ctx)?;
        }
    }
    Ok(settings)
}

/// The same limits as those of HTTP/1, and the options of HTTP/2.
pub(super) fn http2_settings(
    message: &config::HttpConnectionManager,
    http1: &Http1Settings,
    ctx: &mut Ctx,
) -> Result<Http2Settings, Refused> {
    let mut settings = Http2Settings {
        max_headers_bytes: http1.max_headers_bytes,
        max_headers_count: http1.max_headers_count,
        headers_with_underscores: http1.headers_with_underscores,
        ..Http2Settings::default()
    };
    let stream_error = message.stream_error_on_invalid_http_message;
    match &message.http2_protocol_options {
        Some(options) => {
            options.check(ctx)?;
            options.apply(&mut settings, stream_error);
        }
        None => settings.stream_error_on_invalid_http_message = stream_error == Some(true),
    }
    Ok(settings)
}

/// The same limits, and the options of HTTP/3.
pub(super) fn http3_settings(
    message: &config::HttpConnectionManager,
    http1: &Http1Settings,
) -> Http3Settings {
    let stream_error = message.stream_error_on_invalid_http_message == Some(true);
    let mut settings = Http3Settings {
        max_headers_bytes: http1.max_headers_bytes,
        max_headers_count: http1.max_headers_count,
        headers_with_underscores: http1.headers_with_underscores,
        stream_error_on_invalid_http_message: stream_error,
        ..Http3Settings::default()
    };
    if let Some(options) = &message.http3_protocol_options {
        settings.allow_connect = options.allow_extended_connect;
        let own = options.override_stream_error_on_invalid_http_message;
        settings.stream_error_on_invalid_http_message = own.unwrap_or(stream_error);
    }
    settings
}
