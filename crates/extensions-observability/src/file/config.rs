//! The message of the file access log.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::formatter::{Format, SubstitutionFormatString};

use crate::sink::{self, LineLog};

message! {
    /// Where lines go and what they look like.
    pub(crate) struct FileAccessLog: "envoy.extensions.access_loggers.file.v3.FileAccessLog" {
        pub(crate) path: Spanned<String>,
        pub(crate) oneof access_log_format: Option<AccessLogFormat>,
    }
}

one_of! {
    /// The kinds of format; all but the last are deprecated.
    pub(crate) enum AccessLogFormat {
        format => Text(Spanned<String>),
        json_format => Json(Spanned<Arc<Json>>),
        typed_json_format => TypedJson(Spanned<Arc<Json>>),
        log_format => LogFormat(SubstitutionFormatString),
    }
}

/// Parses the message and opens the file.
pub(crate) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let message: FileAccessLog = any.decode(ctx)?;
    let format = match &message.access_log_format {
        None => Ok(Format::default_format()),
        Some(AccessLogFormat::Text(text)) if text.is_empty() => Ok(Format::default_format()),
        Some(AccessLogFormat::Text(text)) => Format::parse(text, text.span, ctx),
        // Envoy keeps types in both.
        Some(AccessLogFormat::Json(json) | AccessLogFormat::TypedJson(json)) => {
            Format::parse_json(json, ctx)
        }
        Some(AccessLogFormat::LogFormat(format)) => format.compile(ctx),
    };
    let file = sink::FILES.open(&message.path.value).map_err(|error| {
        ctx.error(message.path.span, error);
        Refused
    });
    Ok(Arc::new(LineLog::new(format?, file?)))
}
