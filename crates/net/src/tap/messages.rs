//! The messages of taps.

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::matching::{FractionalPercent, HeaderMatcher};

message! {
    /// What all taps have.
    pub struct CommonExtensionConfig: "envoy.extensions.common.tap.v3.CommonExtensionConfig" {
        pub(super) oneof config_type: ConfigType,
    }
}

one_of! {
    /// Where the tap is configured.
    pub(super) enum ConfigType {
        static_config => Static(TapConfig),
    }
}

message! {
    /// What socket taps have besides.
    pub struct SocketTapConfig: "envoy.extensions.transport_sockets.tap.v3.SocketTapConfig" {
        pub(super) set_connection_per_event: bool,
        pub(super) stats_prefix: String,
    }
}

message! {
    /// What is tapped, and where it goes.
    pub(super) struct TapConfig: "envoy.config.tap.v3.TapConfig" {
        pub(super) r#match: Option<MatchPredicate>,
        pub(super) output_config: OutputConfig,
        pub(super) tap_enabled: Option<TapEnabled>,
    }
}

message! {
    /// How many connections are tapped.
    pub(super) struct TapEnabled: "envoy.config.core.v3.RuntimeFractionalPercent" {
        pub(super) default_value: FractionalPercent,
        pub(super) runtime_key: RuntimeKey,
    }
}

message! {
    /// How it is written.
    pub(super) struct OutputConfig: "envoy.config.tap.v3.OutputConfig" {
        pub(super) sinks: Vec<OutputSink>,
        pub(super) max_buffered_rx_bytes: Option<u32>,
        pub(super) max_buffered_tx_bytes: Option<u32>,
        pub(super) streaming: bool,
        pub(super) min_streamed_sent_bytes: Option<u32>,
    }
}

message! {
    /// Where it is written.
    pub(super) struct OutputSink: "envoy.config.tap.v3.OutputSink" {
        pub(super) format: Format,
        pub(super) oneof output_sink_type: OutputSinkType,
    }
}

one_of! {
    /// Kinds of sinks.
    pub(super) enum OutputSinkType {
        file_per_tap => FilePerTap(FilePerTapSink),
    }
}

message! {
    /// A file for each connection.
    pub(super) struct FilePerTapSink: "envoy.config.tap.v3.FilePerTapSink" {
        pub(super) path_prefix: String,
    }
}

enumeration! {
    /// How messages are written.
    pub(super) enum Format: "envoy.config.tap.v3.OutputSink.Format" {
        JSON_BODY_AS_BYTES => JsonBytes,
        JSON_BODY_AS_STRING => JsonString,
        PROTO_BINARY => Binary,
        PROTO_BINARY_LENGTH_DELIMITED => Delimited,
        PROTO_TEXT => Text,
    }
}

message! {
    /// A condition.
    pub(super) struct MatchPredicate: "envoy.config.common.matcher.v3.MatchPredicate" {
        pub(super) oneof rule: Rule,
    }
}

one_of! {
    /// Its kind.
    pub(super) enum Rule {
        or_match => Or(MatchSet),
        and_match => And(MatchSet),
        not_match => Not(Box<MatchPredicate>),
        any_match => Any(bool),
        http_request_headers_match => RequestHeaders(HeadersMatch),
        http_request_trailers_match => RequestTrailers(HeadersMatch),
        http_response_headers_match => ResponseHeaders(HeadersMatch),
        http_response_trailers_match => ResponseTrailers(HeadersMatch),
    }
}

message! {
    /// Several conditions.
    pub(super) struct MatchSet: "envoy.config.common.matcher.v3.MatchPredicate.MatchSet" {
        pub(super) rules: Vec<MatchPredicate>,
    }
}

message! {
    /// Headers that must all match.
    pub(super) struct HeadersMatch: "envoy.config.common.matcher.v3.HttpHeadersMatch" {
        pub(super) headers: Vec<HeaderMatcher>,
    }
}
