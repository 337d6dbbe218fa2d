//! `envoy.config.core.v3.SubstitutionFormatString`: a format as configs give it.
//!
//! Limits: a format from a file or the environment has at most 1 MiB. Formatter extensions that bring
//! commands: `req_without_query`, `file_content`, `generic_secret`; `metadata` and `cel`, whose commands are built in; no other yet.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Json, Message};
use nuncio_config::typed::{Any, Ctx, Refused, SecretWish, Spanned};
use nuncio_config::{message, one_of};

use super::Format;
use super::commands::ExtensionCommands;
use super::error::FormatError;
use crate::cel::{CelExpressionConfig, Options};
use crate::data_source::DataSource;
use crate::secret_bytes::{self, GenericSecret};
use crate::stream_info::metadata::{Struct, Value};

const LIMIT_BYTES: usize = 1 << 20;

const REQ_WITHOUT_QUERY: &str = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery";
const FILE_CONTENT: &str = "envoy.extensions.formatter.file_content.v3.FileContent";
const GENERIC_SECRET: &str = "envoy.extensions.formatter.generic_secret.v3.GenericSecret";
const METADATA: &str = "envoy.extensions.formatter.metadata.v3.Metadata";
const CEL: &str = "envoy.extensions.formatter.cel.v3.Cel";

/// Where secrets of formats may come from.
const KNOWN_SOURCES: [&str; 3] = ["path", "path_config_source", "ads"];

/// The formatter extensions that are known and whose messages have no fields.
pub const EXTENSIONS: &[&str] = &[REQ_WITHOUT_QUERY, METADATA, FILE_CONTENT];

message! {
    /// What expressions in the format may do.
    pub struct Cel: "envoy.extensions.formatter.cel.v3.Cel" {
        pub(crate) cel_config: Option<CelExpressionConfig>,
    }
}

message! {
    /// Secrets that stand in the format.
    pub struct FormatterSecrets: "envoy.extensions.formatter.generic_secret.v3.GenericSecret" {
        secret_configs: Vec<(String, FormatterSecret)>,
    }
}

message! {
    /// A secret by its name, static or of a source. Sources that use formats themselves are not among those that are
    /// known here.
    pub struct FormatterSecret: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" {
        name: Spanned<String>,
        sds_config: Option<Arc<Message>>,
    }
}

message! {
    /// A text or JSON format.
    pub struct SubstitutionFormatString: "envoy.config.core.v3.SubstitutionFormatString" {
        pub(crate) oneof format: FormatSpecifier,
        pub(crate) omit_empty_values: bool,
        /// The content type of a local reply made by the format; empty for the kind's own.
        pub content_type: String,
        pub(crate) formatters: Vec<FormatterExtension>,
        inert json_format_options = "keys are always sorted, as in Envoy",
    }
}

one_of! {
    /// The kinds of format.
    pub enum FormatSpecifier {
        text_format => Text(Spanned<String>),
        text_format_source => TextSource(DataSource),
        json_format => Json(Spanned<Arc<Json>>),
    }
}

message! {
    /// An extension that brings commands.
    pub struct FormatterExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: String,
        pub(crate) typed_config: Any,
    }
}

impl SubstitutionFormatString {
    /// Compiles the format; what is wrong is reported in Envoy's words.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<Format, Refused> {
        let extensions = extension_commands(&self.formatters, ctx)?;
        match &self.format {
            FormatSpecifier::Text(text) => {
                let format = Format::text(&text.value, self.omit_empty_values, &extensions);
                report(format, text.span, ctx)
            }
            FormatSpecifier::TextSource(source) => {
                let text = source.read(LIMIT_BYTES, ctx)?;
                let format = Format::text(&text, self.omit_empty_values, &extensions);
                report(format, source.span(), ctx)
            }
            FormatSpecifier::Json(json) => {
                let format =
                    Format::json(&to_struct(&json.value), self.omit_empty_values, &extensions);
                report(format, json.span, ctx)
            }
        }
    }

    /// Whether the format makes JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.format, FormatSpecifier::Json(_))
    }
}

/// The commands that extensions bring.
///
/// # Errors
/// If there is no such extension, or it is wrong.
pub fn extension_commands(
    formatters: &[FormatterExtension],
    ctx: &mut Ctx,
) -> Result<ExtensionCommands, Refused> {
    let mut commands = ExtensionCommands::default();
    for extension in formatters {
        let config = &extension.typed_config;
        match config.type_name() {
            REQ_WITHOUT_QUERY => {
                config.decode::<()>(ctx)?;
                commands.req_without_query = true;
            }
            FILE_CONTENT => {
                config.decode::<()>(ctx)?;
                commands.file_content = true;
            }
            GENERIC_SECRET => {
                let message: FormatterSecrets = config.decode(ctx)?;
                let secrets = message.compile(ctx)?;
                commands.secrets.get_or_insert_default().extend(secrets);
            }
            METADATA => config.decode::<()>(ctx)?,
            CEL => {
                let cel: Cel = config.decode(ctx)?;
                commands.cel = Options::of(cel.cel_config.as_ref());
            }
            name if name.starts_with("envoy.extensions.formatter.") => {
                return Err(ctx.unsupported_here(config.span, format_args!("formatter `{name}`")));
            }
            _ => {
                ctx.error(
                    config.span,
                    format!("Formatter not found: {}", extension.name),
                );
                return Err(Refused);
            }
        }
    }
    Ok(commands)
}

impl FormatterSecrets {
    fn compile(&self, ctx: &mut Ctx) -> Result<Vec<(Box<str>, GenericSecret)>, Refused> {
        let mut secrets = Vec::with_capacity(self.secret_configs.len());
        for (name, config) in &self.secret_configs {
            let wanted = &config.name.value;
            let unknown = format!(
                "envoy.formatter.generic_secret: secret '{wanted}' not found in static bootstrap resources"
            );
            let source = config.sds_config.as_ref();
            let is_known = |it: &&Arc<Message>| {
                KNOWN_SOURCES
                    .iter()
                    .any(|kind| it.get_by_name(kind).is_some())
            };
            if source.is_some_and(|it| !is_known(&it)) {
                let what = "a secret of a format from anything but a file or `ads`";
                return Err(ctx.unsupported_here(config.name.span, what));
            }
            let wish = source.map(|source| SecretWish {
                kind: secret_bytes::GENERIC_SECRET,
                name: wanted.as_str().into(),
                source: Arc::clone(source),
            });
            let secret = GenericSecret::named(&config.name, wish, &unknown, ctx)?;
            secrets.push((name.as_str().into(), secret));
        }
        Ok(secrets)
    }
}

impl Format {
    /// Compiles a text of the config; what is wrong is reported at `span`.
    pub fn parse(text: &str, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        report(Self::compile(text), span, ctx)
    }

    /// The same with what extensions bring.
    pub fn parse_with(
        text: &Spanned<String>,
        extensions: &ExtensionCommands,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        report(Self::text(&text.value, false, extensions), text.span, ctx)
    }

    /// Compiles a text of the config in which what is missing is left out; what is wrong is reported at its place.
    pub fn parse_omitting(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Self, Refused> {
        report(Self::compile_omitting(&text.value), text.span, ctx)
    }

    /// Compiles a JSON format of the config; what is wrong is reported at its place.
    pub fn parse_json(format: &Spanned<Arc<Json>>, ctx: &mut Ctx) -> Result<Self, Refused> {
        report(
            Self::compile_json(&to_struct(&format.value), false),
            format.span,
            ctx,
        )
    }
}

fn report(
    format: Result<Format, FormatError>,
    span: Span,
    ctx: &mut Ctx,
) -> Result<Format, Refused> {
    format.map_err(|error| {
        ctx.error(span, error.to_string());
        Refused
    })
}

/// The struct of a config's JSON; what is no object has no fields. Depth is the config loader's.
pub fn to_struct(json: &Json) -> Struct {
    match json {
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), to_value(value)))
            .collect(),
        _ => Struct::default(),
    }
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(*number),
        Json::String(text) => Value::String(text.clone()),
        Json::List(values) => Value::List(values.iter().map(to_value).collect()),
        object @ Json::Object(_) => Value::Struct(to_struct(object)),
    }
}
