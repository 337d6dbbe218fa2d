//! `envoy.type.tracing.v3.CustomTag`: a value with a name that the configuration gives to what is reported of a stream,
//! spans and entries of access logs.
//!
//! What is empty is left out, as in Envoy. An environment variable is read when the configuration is. Values that are not
//! UTF-8 have `!` for each byte that is not.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use crate::formatter::{Format, FormatContext, append_metadata};
use crate::headers::HeaderName;
use crate::metadata_key::MetadataKey;
use crate::stream_info::Metadata;
use crate::stream_info::metadata::Value;

message! {
    /// A tag.
    pub struct CustomTagMessage: "envoy.type.tracing.v3.CustomTag" {
        tag: Spanned<String>,
        oneof r#type: TagType,
    }
}

one_of! {
    /// Where its value comes from.
    pub enum TagType {
        literal => Literal(LiteralTag),
        environment => Environment(EnvironmentTag),
        request_header => RequestHeader(HeaderTag),
        metadata => Metadata(MetadataTag),
        value => Value(Spanned<String>),
    }
}

message! {
    /// From here.
    pub struct LiteralTag: "envoy.type.tracing.v3.CustomTag.Literal" {
        value: String,
    }
}

message! {
    /// From an environment variable.
    pub struct EnvironmentTag: "envoy.type.tracing.v3.CustomTag.Environment" {
        name: String,
        default_value: String,
    }
}

message! {
    /// From a header of the request.
    pub struct HeaderTag: "envoy.type.tracing.v3.CustomTag.Header" {
        name: String,
        default_value: String,
    }
}

message! {
    /// From metadata.
    pub struct MetadataTag: "envoy.type.tracing.v3.CustomTag.Metadata" {
        kind: Option<KindMessage>,
        metadata_key: Option<MetadataKey>,
        default_value: String,
    }
}

message! {
    /// Whose metadata.
    pub struct KindMessage: "envoy.type.metadata.v3.MetadataKind" {
        oneof kind: Kind,
    }
}

one_of! {
    /// Whose metadata.
    pub enum Kind {
        request => Request(()),
        route => Route(()),
        cluster => Cluster(()),
        host => Host(()),
    }
}

/// A tag, compiled.
#[derive(Clone, Debug)]
pub struct CustomTag {
    /// Its name.
    pub name: Box<str>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Fixed(Box<str>),
    Header {
        name: HeaderName,
        default: Box<str>,
    },
    Metadata {
        whose: Whose,
        namespace: Box<str>,
        path: Box<[Box<str>]>,
        default: Box<str>,
    },
    Format(Format),
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    Request,
    Route,
    Cluster,
    Host,
}

impl CustomTagMessage {
    /// The tag.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<CustomTag, Refused> {
        let source = match &self.r#type {
            TagType::Literal(literal) => Source::Fixed(literal.value.as_str().into()),
            TagType::Environment(variable) => {
                let value = std::env::var(&variable.name);
                let value = value.unwrap_or_else(|_| variable.default_value.clone());
                Source::Fixed(value.into())
            }
            TagType::RequestHeader(header) => Source::Header {
                name: HeaderName::to_look_up(&header.name),
                default: header.default_value.as_str().into(),
            },
            TagType::Metadata(metadata) => metadata.source(),
            TagType::Value(format) => Source::Format(Format::parse_omitting(format, ctx)?),
        };
        Ok(CustomTag {
            name: self.tag.value.as_str().into(),
            source,
        })
    }
}

impl MetadataTag {
    fn source(&self) -> Source {
        let key = self.metadata_key.as_ref();
        Source::Metadata {
            whose: match self.kind.as_ref().map(|kind| &kind.kind) {
                None | Some(Kind::Request(_)) => Whose::Request,
                Some(Kind::Route(_)) => Whose::Route,
                Some(Kind::Cluster(_)) => Whose::Cluster,
                Some(Kind::Host(_)) => Whose::Host,
            },
            namespace: key.map_or("", MetadataKey::namespace).into(),
            path: key.map(|key| key.path().collect()).unwrap_or_default(),
            default: self.default_value.as_str().into(),
        }
    }
}

impl CustomTag {
    /// Its value for a stream; none if there is none.
    pub fn value(&self, context: &FormatContext<'_>) -> Option<String> {
        let value = match &self.source {
            Source::Fixed(value) => value.to_string(),
            Source::Header { name, default } => {
                let headers = context.request_headers;
                let found = headers.and_then(|headers| headers.get(name));
                found.map_or_else(|| default.to_string(), clean_text)
            }
            Source::Metadata {
                whose,
                namespace,
                path,
                default,
            } => {
                let metadata = whose.metadata(context);
                let value = metadata.and_then(|metadata| metadata.value(namespace, path));
                match value {
                    None | Some(Value::Null) => default.to_string(),
                    // It is there, and so it counts even where it is empty.
                    Some(value) => return Some(text_of(value)),
                }
            }
            Source::Format(format) => {
                let mut text = Vec::new();
                format.format(context, &mut text);
                clean_text(&text)
            }
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

impl Whose {
    fn metadata<'a>(self, context: &FormatContext<'a>) -> Option<&'a Metadata> {
        let info = context.stream_info;
        match self {
            Whose::Request => info.dynamic_metadata(),
            Whose::Route => info.route_metadata.as_deref(),
            Whose::Cluster => {
                info.upstream.host()?;
                let cluster = info.upstream_cluster.as_ref();
                cluster.map(|cluster| &cluster.metadata)
            }
            Whose::Host => info.upstream.host().map(|host| &host.metadata),
        }
    }
}

fn text_of(value: &Value) -> String {
    let mut text = Vec::new();
    match value {
        Value::String(text) => return text.to_string(),
        Value::Number(number) => return six_digits(*number),
        value => append_metadata(value, &mut text),
    }
    clean_text(&text)
}

/// A number as C writes it by `%g`.
pub fn six_digits(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
}

/// A text for protobuf, which takes UTF-8 alone.
pub fn clean_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('!', chunk.invalid().len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits() {
        for (number, text) in [
            (12.0, "12"),
            (0.0, "0"),
            (1.5, "1.5"),
            (-3.25, "-3.25"),
            (1_234_567.0, "1.23457e+06"),
            (123_456.0, "123456"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (1.0 / 3.0, "0.333333"),
        ] {
            assert_eq!(six_digits(number), text);
        }
    }

    #[test]
    fn what_is_no_text_is_marked_byte_by_byte() {
        assert_eq!(clean_text(b"a\xff\xfeb"), "a!!b");
        assert_eq!(clean_text("\u{e4}".as_bytes()), "\u{e4}");
    }
}
