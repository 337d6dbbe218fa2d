//! Envoy's substitution formatter: texts with `%COMMANDS%`, compiled once and filled in for each stream.
//!
//! Access logs, headers to add and local replies share it. A [`Format`] is compiled at load, with Envoy's
//! error texts; filling it in appends to a buffer of the caller and allocates nothing, but for JSON escapes
//! of unusual text and for filter state. What is missing prints as `-`, or as nothing (`omit_empty_values`).
//!
//! Different from Envoy: what has nothing behind it yet is refused, not filled with `-`; that is the command
//! `XFCC_VALUE`. `COMMON_DURATION` knows no points in time of filters.

mod access_log_type;
mod address_text;
mod cel_operator;
mod civil;
mod coalesce;
mod command;
mod commands;
mod durations;
mod error;
mod file_content;
mod filter_state_value;
mod grpc_status;
mod header_value;
mod json_format;
mod json_text;
mod metadata_value;
mod number;
mod operator;
mod path;
mod process;
mod server_name;
mod simple_commands;
mod strftime;
mod substitution;
mod template;
#[cfg(test)]
pub(crate) mod tests;
mod time_format;
mod tls_commands;
mod unique_id;
mod upstream_hosts;

use std::sync::Arc;

pub use access_log_type::AccessLogType;
pub use civil::timestamp;
pub use commands::ExtensionCommands;
pub use error::FormatError;
pub use grpc_status::{GrpcStatus, is_grpc_request};
pub use json_text::append_quoted_json;
pub use metadata_value::append_value as append_metadata;
pub use substitution::extension_commands;
pub use substitution::{
    Cel, EXTENSIONS, FormatSpecifier, FormatterExtension, FormatterSecrets,
    SubstitutionFormatString, to_struct,
};

use json_format::JsonFormat;
use template::Template;

use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;
use crate::stream_info::metadata::Struct;

/// The format of a line when the config gives none; it ends with a newline.
pub const DEFAULT_FORMAT: &str = "[%START_TIME%] \"%REQUEST_HEADER(:METHOD)% \
    %REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESPONSE_HEADER(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQUEST_HEADER(X-FORWARDED-FOR)%\" \"%REQUEST_HEADER(USER-AGENT)%\" \
    \"%REQUEST_HEADER(X-REQUEST-ID)%\" \"%REQUEST_HEADER(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// What a format may show.
#[derive(Clone, Copy)]
pub struct FormatContext<'a> {
    /// The request's headers, pseudo-headers included; `None` for TCP.
    pub request_headers: Option<&'a HeaderMap>,
    /// The response's headers; `None` while there are none.
    pub response_headers: Option<&'a HeaderMap>,
    /// The response's trailers; `None` while there are none.
    pub response_trailers: Option<&'a HeaderMap>,
    /// What is known of the stream.
    pub stream_info: &'a StreamInfo,
    /// The body of the proxy's own answer; empty if it gave none.
    pub local_reply_body: &'a [u8],
    /// The moment of logging.
    pub access_log_type: AccessLogType,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

impl<'a> FormatContext<'a> {
    /// A context with nothing but the stream.
    pub fn new(stream_info: &'a StreamInfo, services: &'a dyn WorkerServices) -> Self {
        FormatContext {
            request_headers: None,
            response_headers: None,
            response_trailers: None,
            stream_info,
            local_reply_body: b"",
            access_log_type: AccessLogType::NotSet,
            services,
        }
    }
}

/// A compiled format. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Format {
    body: Arc<Body>,
}

#[derive(Debug)]
enum Body {
    Text {
        template: Template,
        omit_empty: bool,
    },
    Json(JsonFormat),
}

impl Format {
    /// Compiles a text.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        Self::text(text, false, &ExtensionCommands::default())
    }

    /// Compiles a text in which what is missing is left out.
    pub fn compile_omitting(text: &str) -> Result<Self, FormatError> {
        Self::text(text, true, &ExtensionCommands::default())
    }

    /// The same; there may be the commands that extensions bring.
    pub fn compile_omitting_extended(
        text: &str,
        commands: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        Self::text(text, true, commands)
    }

    /// A text that is taken as it is, `%` and all.
    pub fn literal(text: impl Into<Vec<u8>>) -> Self {
        Self::new(Body::Text {
            template: Template::literal(text.into()),
            omit_empty: false,
        })
    }

    /// Compiles a JSON object whose texts may hold commands; a line ends with a newline.
    pub fn compile_json(format: &Struct, omit_empty: bool) -> Result<Self, FormatError> {
        Self::json(format, omit_empty, &ExtensionCommands::default())
    }

    /// [`DEFAULT_FORMAT`].
    pub fn default_format() -> Self {
        // The text is a constant; a test compiles it.
        Self::compile(DEFAULT_FORMAT).unwrap_or_else(|_| Self::literal(DEFAULT_FORMAT))
    }

    /// Appends the text for a stream.
    pub fn format(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        match &*self.body {
            Body::Text {
                template,
                omit_empty,
            } => template.append(*omit_empty, context, out),
            Body::Json(json) => json.append(context, out),
        }
    }

    /// The text, if there is no command in it.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match &*self.body {
            Body::Text { template, .. } => template.as_literal(),
            Body::Json(_) => None,
        }
    }

    /// Whether the text is one command and nothing else.
    pub fn is_one_command(&self) -> bool {
        match &*self.body {
            Body::Text { template, .. } => template.single_operator().is_some(),
            Body::Json(_) => false,
        }
    }

    fn text(
        text: impl AsRef<[u8]>,
        omit_empty: bool,
        extensions: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        let template = Template::compile(text.as_ref(), extensions)?;
        Ok(Self::new(Body::Text {
            template,
            omit_empty,
        }))
    }

    fn json(
        format: &Struct,
        omit_empty: bool,
        extensions: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        Ok(Self::new(Body::Json(JsonFormat::compile(
            format, omit_empty, extensions,
        )?)))
    }

    fn new(body: Body) -> Self {
        Format {
            body: Arc::new(body),
        }
    }
}
