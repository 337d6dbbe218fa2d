//! The messages of taps. What all of them have is decoded here; what a tap makes of it is its own.

use super::predicate::{Condition, Part, Patterns};
use crate::matching::{CompiledHeaderMatcher, FractionalPercent, HeaderMatcher};
use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};

message! {
    /// What all taps have.
    pub struct CommonExtensionConfig: "envoy.extensions.common.tap.v3.CommonExtensionConfig" {
        /// Where it is configured.
        pub oneof config_type: ConfigType,
    }
}

one_of! {
    /// Where the tap is configured.
    pub enum ConfigType {
        static_config => Static(TapConfig),
        admin_config => Admin(AdminConfig),
    }
}

message! {
    /// A tap that clients of the admin configure.
    pub struct AdminConfig: "envoy.extensions.common.tap.v3.AdminConfig" {}
}

message! {
    /// What socket taps have besides.
    pub struct SocketTapConfig: "envoy.extensions.transport_sockets.tap.v3.SocketTapConfig" {
        /// Whether each event of a streamed trace tells the ends of the connection.
        pub set_connection_per_event: bool,
        /// What its stats are under.
        pub stats_prefix: String,
    }
}

message! {
    /// What is tapped, and where it goes.
    pub struct TapConfig: "envoy.config.tap.v3.TapConfig" {
        /// The condition, as it was written once.
        pub match_config: Option<OldMatchPredicate>,
        /// The condition.
        pub r#match: Option<MatchPredicate>,
        /// How it is written.
        pub output_config: OutputConfig,
        /// How many are tapped; all if it is not there.
        pub tap_enabled: Option<TapEnabled>,
    }
}

impl TapConfig {
    /// Where its files go, and in which format: the one sink that needs no admin.
    ///
    /// # Errors
    /// It has another sink, which is told.
    pub fn files(&self, ctx: &mut Ctx) -> Result<(&FilePerTapSink, Format), Refused> {
        let [sink] = &self.output_config.sinks[..] else {
            return Err(Refused);
        };
        let OutputSinkType::FilePerTap(file) = &sink.output_sink_type else {
            let text = "Error: Specifying admin streaming output without configuring admin.";
            ctx.error(sink.span(), text);
            return Err(Refused);
        };
        Ok((file, sink.format))
    }
}

message! {
    /// How many connections are tapped.
    pub struct TapEnabled: "envoy.config.core.v3.RuntimeFractionalPercent" {
        /// The share.
        pub default_value: FractionalPercent,
        /// What of the runtime overrides it.
        pub runtime_key: RuntimeKey,
    }
}

impl TapEnabled {
    /// What is configured; the runtime may say something else.
    pub fn configured(&self) -> Fraction {
        self.default_value.share()
    }

    /// What holds now.
    pub fn share(&self) -> Fraction {
        self.runtime_key.fraction(self.configured())
    }
}

message! {
    /// How it is written.
    pub struct OutputConfig: "envoy.config.tap.v3.OutputConfig" {
        /// The one place where it is written.
        pub sinks: Vec<OutputSink>,
        /// Bytes that are kept of what comes.
        pub max_buffered_rx_bytes: Option<u32>,
        /// Bytes that are kept of what goes.
        pub max_buffered_tx_bytes: Option<u32>,
        /// Whether it is written as it comes.
        pub streaming: bool,
        /// For how many bytes segments wait.
        pub min_streamed_sent_bytes: Option<u32>,
    }
}

message! {
    /// Where it is written.
    pub struct OutputSink: "envoy.config.tap.v3.OutputSink" {
        /// How.
        pub format: Format,
        /// Where.
        pub oneof output_sink_type: OutputSinkType,
    }
}

one_of! {
    /// Kinds of sinks.
    pub enum OutputSinkType {
        file_per_tap => FilePerTap(FilePerTapSink),
        streaming_admin => StreamingAdmin(StreamingAdminSink),
        buffered_admin => BufferedAdmin(BufferedAdminSink),
    }
}

message! {
    /// Traces go to the admin's client as they come.
    pub struct StreamingAdminSink: "envoy.config.tap.v3.StreamingAdminSink" {}
}

message! {
    /// Traces go to the admin's client once there are so many, or it has waited for so long.
    pub struct BufferedAdminSink: "envoy.config.tap.v3.BufferedAdminSink" {}
}

message! {
    /// A file for each connection.
    pub struct FilePerTapSink: "envoy.config.tap.v3.FilePerTapSink" {
        /// What the names of files begin with.
        pub path_prefix: String,
    }
}

enumeration! {
    /// How messages are written.
    pub enum Format: "envoy.config.tap.v3.OutputSink.Format" {
        JSON_BODY_AS_BYTES => JsonBytes,
        JSON_BODY_AS_STRING => JsonString,
        PROTO_BINARY => Binary,
        PROTO_BINARY_LENGTH_DELIMITED => Delimited,
        PROTO_TEXT => Text,
    }
}

/// Declares the messages of conditions, which the API has twice.
macro_rules! conditions {
    ($predicate:ident: $predicate_name:literal, $rule:ident, $set:ident: $set_name:literal, $headers:ident: $headers_name:literal,
     $body:ident: $body_name:literal, $pattern:ident: $pattern_name:literal, $text:ident) => {
        message! {
            /// A condition.
            pub struct $predicate: $predicate_name {
                pub oneof rule: $rule,
            }
        }

        one_of! {
            /// Its kind.
            pub enum $rule {
                or_match => Or($set),
                and_match => And($set),
                not_match => Not(Box<$predicate>),
                any_match => Any(bool),
                http_request_headers_match => RequestHeaders($headers),
                http_request_trailers_match => RequestTrailers($headers),
                http_response_headers_match => ResponseHeaders($headers),
                http_response_trailers_match => ResponseTrailers($headers),
                http_request_generic_body_match => RequestBody($body),
                http_response_generic_body_match => ResponseBody($body),
            }
        }

        message! {
            /// Several conditions.
            pub struct $set: $set_name {
                pub rules: Vec<$predicate>,
            }
        }

        message! {
            /// Headers that must all match.
            pub struct $headers: $headers_name {
                pub headers: Vec<HeaderMatcher>,
            }
        }

        message! {
            /// What a body must have.
            pub struct $body: $body_name {
                pub bytes_limit: u32,
                pub patterns: Vec<$pattern>,
            }
        }

        message! {
            /// A piece of a body.
            pub struct $pattern: $pattern_name {
                pub oneof rule: $text,
            }
        }

        one_of! {
            /// Its kind.
            pub enum $text {
                string_match => Text(String),
                binary_match => Binary(Vec<u8>),
            }
        }

        impl $predicate {
            fn compile(&self, ctx: &mut Ctx) -> Result<Condition, Refused> {
                let mut headers = |it: &$headers, part| compile_headers(&it.headers, part, ctx);
                Ok(match &self.rule {
                    $rule::RequestHeaders(it) => headers(it, Part::RequestHeaders)?,
                    $rule::RequestTrailers(it) => headers(it, Part::RequestTrailers)?,
                    $rule::ResponseHeaders(it) => headers(it, Part::ResponseHeaders)?,
                    $rule::ResponseTrailers(it) => headers(it, Part::ResponseTrailers)?,
                    $rule::RequestBody(it) => Condition::Body(Part::RequestBody, it.compile()),
                    $rule::ResponseBody(it) => Condition::Body(Part::ResponseBody, it.compile()),
                    $rule::Any(_) => Condition::Any,
                    $rule::Not(inner) => Condition::Not(Box::new(inner.compile(ctx)?)),
                    $rule::Or(set) => Condition::Or(set.compile(ctx)?),
                    $rule::And(set) => Condition::And(set.compile(ctx)?),
                })
            }
        }

        impl $set {
            fn compile(&self, ctx: &mut Ctx) -> Result<Box<[Condition]>, Refused> {
                self.rules.iter().map(|rule| rule.compile(ctx)).collect()
            }
        }

        impl $body {
            fn compile(&self) -> Patterns {
                let patterns = self.patterns.iter().map(|pattern| match &pattern.rule {
                    $text::Text(text) => text.as_bytes().into(),
                    $text::Binary(bytes) => bytes.as_slice().into(),
                });
                Patterns::new(patterns.collect(), self.bytes_limit)
            }
        }
    };
}

conditions! {
    MatchPredicate: "envoy.config.common.matcher.v3.MatchPredicate",
    Rule,
    MatchSet: "envoy.config.common.matcher.v3.MatchPredicate.MatchSet",
    HeadersMatch: "envoy.config.common.matcher.v3.HttpHeadersMatch",
    BodyMatch: "envoy.config.common.matcher.v3.HttpGenericBodyMatch",
    BodyPattern: "envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch",
    PatternKind
}

conditions! {
    OldMatchPredicate: "envoy.config.tap.v3.MatchPredicate",
    OldRule,
    OldMatchSet: "envoy.config.tap.v3.MatchPredicate.MatchSet",
    OldHeadersMatch: "envoy.config.tap.v3.HttpHeadersMatch",
    OldBodyMatch: "envoy.config.tap.v3.HttpGenericBodyMatch",
    OldBodyPattern: "envoy.config.tap.v3.HttpGenericBodyMatch.GenericTextMatch",
    OldPatternKind
}

impl TapConfig {
    /// The condition, of the field that is not deprecated where both are there; what is wrong is reported at its place.
    ///
    /// # Errors
    /// There is none, or something is wrong with it.
    pub fn condition(&self, ctx: &mut Ctx) -> Result<Condition, Refused> {
        match (&self.r#match, &self.match_config) {
            (Some(predicate), _) => predicate.compile(ctx),
            (None, Some(predicate)) => predicate.compile(ctx),
            (None, None) => {
                let text = "Neither match nor match_config is set in TapConfig";
                ctx.error(self.span(), text);
                Err(Refused)
            }
        }
    }
}

fn compile_headers(
    headers: &[HeaderMatcher],
    part: Part,
    ctx: &mut Ctx,
) -> Result<Condition, Refused> {
    let compiled = headers.iter();
    let compiled = compiled.map(|header| CompiledHeaderMatcher::compile(header, ctx));
    Ok(Condition::Headers(
        part,
        compiled.collect::<Result<_, _>>()?,
    ))
}
