//! `header_key_format` of HTTP/1, the same towards clients and towards upstreams. The only stateful formatter of
//! Envoy's is `envoy.http.stateful_header_formatters.preserve_case`.

use nuncio_codec::http1::HeaderCase;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};

const PRESERVE_CASE: &str =
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";

message! {
    /// How names are spelled.
    pub struct HeaderKeyFormat: "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat" {
        oneof header_format: HeaderFormat,
    }
}

one_of! {
    /// The spelling.
    pub enum HeaderFormat {
        proper_case_words => ProperCaseWords(()),
        stateful_formatter => Stateful(StatefulFormatter),
    }
}

message! {
    /// A formatter that remembers, as an extension.
    pub struct StatefulFormatter: "envoy.config.core.v3.TypedExtensionConfig" {
        typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// As the peer on the other side spelled them.
    pub(crate) struct PreserveCase: "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig" {
        forward_reason_phrase: bool,
        formatter_type_on_envoy_headers: FormatterOnEnvoyHeaders,
    }
}

enumeration! {
    /// How what the proxy adds is spelled.
    pub(crate) enum FormatterOnEnvoyHeaders: "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig.FormatterTypeOnEnvoyHeaders" {
        DEFAULT => Default,
        PROPER_CASE => ProperCase,
    }
}

impl HeaderKeyFormat {
    /// What the codec is to do.
    ///
    /// # Errors
    /// If the formatter is none that there is.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<HeaderCase, Refused> {
        let any = match &self.header_format {
            HeaderFormat::ProperCaseWords(()) => return Ok(HeaderCase::ProperWords),
            HeaderFormat::Stateful(formatter) => &formatter.typed_config,
        };
        if any.type_name() != PRESERVE_CASE {
            let what = format!("stateful_formatter `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let preserve: PreserveCase = any.decode(ctx)?;
        Ok(HeaderCase::Preserve {
            forward_reason_phrase: preserve.forward_reason_phrase,
            proper_words_for_added: match preserve.formatter_type_on_envoy_headers {
                FormatterOnEnvoyHeaders::Default => false,
                FormatterOnEnvoyHeaders::ProperCase => true,
            },
        })
    }
}
