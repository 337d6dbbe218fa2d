//! HTTP options of a cluster: `HttpProtocolOptions` and the deprecated fields in its place.

use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::http1::Http1Settings;
use nuncio_codec::http2::Http2Settings;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::hash_policy::{HashPolicies, HashPolicyMessage};
use nuncio_contract::head_limits::HeadLimit;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter_message::HttpFilterMessage;
use nuncio_contract::matching::StringMatcher;

use super::Cluster;
use super::alternates_options::AlternatesOptions;
use super::header_case::HeaderKeyFormat;
use super::http2_options::Http2Options;
use super::http3_options::Http3Options;
use super::ignored_upgrades::ignored_upgrades;
use super::messages::ClusterProtocolSelection;
use super::outlier_detection::HttpOutlierDetection;
use super::{redis_options, tcp_options, thrift_options};
use crate::cluster::{AlternatesSettings, ClusterResilience, HttpSettings, UpstreamProtocol};
use crate::mirror::{self, RequestMirrorPolicy};
use crate::outlier_detection::MatchPredicate;
use crate::retry::RetryPolicyMessage;
use crate::server_names::AutoNames;

/// The key under which Envoy looks for the options.
const KEY: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

message! {
    /// All options.
    pub(crate) struct HttpProtocolOptions: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" {
        pub(crate) common_http_protocol_options: Option<CommonHttpOptions>,
        pub(crate) upstream_http_protocol_options: Option<UpstreamHttpOptions>,
        pub(crate) oneof upstream_protocol_options: UpstreamProtocolOptions,
        pub(crate) hash_policy: Vec<HashPolicyMessage>,
        pub(crate) retry_policy: Option<RetryPolicyMessage>,
        pub(crate) request_mirror_policies: Vec<RequestMirrorPolicy>,
        pub(crate) outlier_detection: Option<HttpOutlierDetection>,
        pub(crate) http_filters: Vec<HttpFilterMessage>,
    }
}

one_of! {
    /// Which protocol is spoken.
    pub(crate) enum UpstreamProtocolOptions {
        explicit_http_config => Explicit(ExplicitHttpConfig),
        use_downstream_protocol_config => AsDownstream(UseDownstreamHttpConfig),
        auto_config => Auto(AutoHttpConfig),
    }
}

message! {
    /// One protocol alone.
    pub(crate) struct ExplicitHttpConfig: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig" {
        pub(crate) oneof protocol_config: ProtocolConfig,
    }
}

one_of! {
    /// The protocol.
    pub(crate) enum ProtocolConfig {
        http_protocol_options => Http1(Http1Options),
        http2_protocol_options => Http2(Http2Options),
        http3_protocol_options => Http3(Http3Options),
    }
}

message! {
    /// What the client speaks.
    pub(crate) struct UseDownstreamHttpConfig: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig" {
        pub(crate) http_protocol_options: Option<Http1Options>,
        pub(crate) http2_protocol_options: Option<Http2Options>,
        pub(crate) http3_protocol_options: Option<Http3Options>,
    }
}

message! {
    /// What ALPN agrees on.
    pub(crate) struct AutoHttpConfig: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig" {
        pub(crate) http_protocol_options: Option<Http1Options>,
        pub(crate) http2_protocol_options: Option<Http2Options>,
        pub(crate) http3_protocol_options: Option<Http3Options>,
        pub(crate) alternate_protocols_cache_options: Option<AlternatesOptions>,
    }
}

message! {
    /// Options of any HTTP.
    pub(crate) struct CommonHttpOptions: "envoy.config.core.v3.HttpProtocolOptions" {
        pub(crate) idle_timeout: Option<Duration>,
        pub(crate) max_connection_duration: Option<Duration>,
        pub(crate) max_stream_duration: Option<Duration>,
        pub(crate) max_headers_count: Option<u32>,
        pub(crate) max_response_headers_kb: Option<u32>,
        pub(crate) max_requests_per_connection: Option<u32>,
        inert headers_with_underscores_action = "it is about the headers of clients",
    }
}

message! {
    /// How requests name their connections.
    pub(crate) struct UpstreamHttpOptions: "envoy.config.core.v3.UpstreamHttpProtocolOptions" {
        pub(crate) auto_sni: bool,
        pub(crate) auto_san_validation: bool,
        pub(crate) override_auto_sni_header: String,
    }
}

message! {
    /// Options of HTTP/1.
    pub(crate) struct Http1Options: "envoy.config.core.v3.Http1ProtocolOptions" {
        pub(crate) header_key_format: Option<HeaderKeyFormat>,
        pub(crate) enable_trailers: bool,
        pub(crate) allow_chunked_length: bool,
        pub(crate) send_fully_qualified_url: bool,
        inert override_stream_error_on_invalid_http_message = "it concerns requests that come in";
        inert use_balsa_parser = "there is one parser";
        pub(crate) ignore_http_11_upgrade: Vec<StringMatcher>,
        inert allow_custom_methods = "it concerns requests that come in";
        inert allow_absolute_url = "it concerns requests that come in";
        inert accept_http_10 = "it concerns requests that come in";
        inert default_host_for_http_10 = "it concerns requests that come in";
    }
}

/// The options of a cluster as written.
pub(super) fn decode(
    cluster: &Cluster,
    ctx: &mut Ctx,
) -> Result<Option<HttpProtocolOptions>, Refused> {
    let mut options = None;
    for (key, any) in &cluster.typed_extension_protocol_options {
        if [redis_options::KEY, tcp_options::KEY, thrift_options::KEY].contains(&&**key) {
            continue;
        }
        if key != KEY {
            let what = format!("protocol options `{key}`");
            return Err(ctx.unsupported_here(any.span, what));
        }
        options = Some(any.decode::<HttpProtocolOptions>(ctx)?);
    }
    Ok(options)
}

/// The options of a cluster, and its hash policies if it has some.
pub(super) fn read(
    cluster: &Cluster,
    options: Option<&HttpProtocolOptions>,
    hash_policies: &mut Option<Arc<HashPolicies>>,
    ctx: &mut Ctx,
) -> Result<HttpSettings, Refused> {
    let mut settings = HttpSettings::default();
    if let Some(options) = options.filter(|options| !options.hash_policy.is_empty()) {
        *hash_policies = Some(Arc::new(HashPolicies::compile(&options.hash_policy, ctx)?));
    }
    if let Some(most) = cluster.max_requests_per_connection {
        settings.max_requests_per_connection = (most > 0).then_some(most);
    }
    settings.serves_clients_apart = cluster.connection_pool_per_downstream_connection;
    let named = match options {
        Some(options) => options.upstream_http_protocol_options.as_ref(),
        None => cluster.upstream_http_protocol_options.as_ref(),
    };
    settings.auto_names = match named {
        Some(named) => named.names().map(Box::new),
        None => None,
    };
    let chosen = match options {
        Some(options) => options.upstream_protocol_options.choose(),
        None => deprecated_choice(cluster),
    };
    let common = match options {
        Some(options) => options.common_http_protocol_options.as_ref(),
        None => cluster.common_http_protocol_options.as_ref(),
    };
    let longest = common.and_then(|common| common.max_stream_duration);
    settings.resilience = resilience(options, longest, ctx)?.map(Box::new);
    settings.protocol = chosen.protocol;
    let mut http2 = Http2Settings::default();
    if let Some(options) = chosen.http2 {
        options.check(ctx)?;
        options.apply(&mut http2, None);
    }
    let http1 = chosen.http1;
    if common.is_some() || http1.is_some() {
        let by_runtime = codec_by_runtime(ctx);
        let mut codec = by_runtime.unwrap_or_else(Http1Settings::of_hosts);
        common
            .into_iter()
            .for_each(|common| common.apply(&mut settings, &mut codec));
        if let Some(http1) = http1 {
            http1.apply(&mut codec, ctx)?;
        }
        let has_kib = common.is_some_and(|common| common.max_response_headers_kb.is_some());
        set_limits(&mut http2, &codec, has_kib, ctx);
        settings.http1 = Arc::new(codec);
    } else if let Some(codec) = codec_by_runtime(ctx) {
        set_limits(&mut http2, &codec, false, ctx);
        settings.http1 = Arc::new(codec);
    }
    settings.http3 = chosen
        .http3
        .map(|options| Arc::new(options.compile(http2.max_headers_bytes, http2.max_headers_count)));
    if let Some(UpstreamProtocolOptions::Auto(auto)) =
        options.map(|it| &it.upstream_protocol_options)
    {
        settings.alternatives = auto.alternatives(ctx)?;
    }
    if http2 != Http2Settings::default() {
        settings.http2 = Arc::new(http2);
    }
    Ok(settings)
}

/// What takes the place of what routes say, and how long streams may last.
fn resilience(
    options: Option<&HttpProtocolOptions>,
    max_stream_duration: Option<Duration>,
    ctx: &mut Ctx,
) -> Result<Option<ClusterResilience>, Refused> {
    let policy = options.and_then(|options| options.retry_policy.as_ref());
    let retry_policy = policy.map(|policy| policy.compile(ctx));
    let policies = options.map(|options| options.request_mirror_policies.as_slice());
    let policies = policies.filter(|policies| !policies.is_empty());
    let mirrors = policies.map(|policies| mirror::of_cluster(policies, ctx));
    let resilience = ClusterResilience {
        retry_policy: retry_policy.transpose()?.map(Arc::new),
        max_stream_duration: max_stream_duration.filter(|longest| !longest.is_zero()),
        mirrors: mirrors.transpose()?,
    };
    let is_some = resilience.retry_policy.is_some()
        || resilience.max_stream_duration.is_some()
        || resilience.mirrors.is_some();
    Ok(is_some.then_some(resilience))
}

/// What is spoken, and how.
struct Chosen<'a> {
    protocol: UpstreamProtocol,
    http1: Option<&'a Http1Options>,
    http2: Option<&'a Http2Options>,
    http3: Option<&'a Http3Options>,
}

/// The same by the fields that `HttpProtocolOptions` took the place of: HTTP/2 where it has options.
fn deprecated_choice(cluster: &Cluster) -> Chosen<'_> {
    let http2 = cluster.http2_protocol_options.as_ref();
    let protocol = match cluster.protocol_selection {
        ClusterProtocolSelection::UseDownstreamProtocol => UpstreamProtocol::AsDownstream,
        ClusterProtocolSelection::UseConfiguredProtocol if http2.is_some() => {
            UpstreamProtocol::Http2
        }
        ClusterProtocolSelection::UseConfiguredProtocol => UpstreamProtocol::Http1,
    };
    Chosen {
        protocol,
        http1: cluster.http_protocol_options.as_ref(),
        http2,
        http3: None,
    }
}

impl HttpProtocolOptions {
    /// Which responses are errors to outlier detection, if it is said.
    pub(super) fn error_matcher(&self) -> Option<&MatchPredicate> {
        let outliers = self.outlier_detection.as_ref();
        outliers.map(HttpOutlierDetection::error_matcher)
    }
}

impl UpstreamProtocolOptions {
    fn choose(&self) -> Chosen<'_> {
        let mut http3 = None;
        let (protocol, http1, http2) = match self {
            Self::Explicit(explicit) => match &explicit.protocol_config {
                ProtocolConfig::Http3(options) => {
                    http3 = Some(options);
                    (UpstreamProtocol::Http3, None, None)
                }
                ProtocolConfig::Http1(http1) => (UpstreamProtocol::Http1, Some(http1), None),
                ProtocolConfig::Http2(http2) => (UpstreamProtocol::Http2, None, Some(http2)),
            },
            Self::AsDownstream(all) => {
                http3 = all.http3_protocol_options.as_ref();
                (
                    UpstreamProtocol::AsDownstream,
                    all.http_protocol_options.as_ref(),
                    all.http2_protocol_options.as_ref(),
                )
            }
            Self::Auto(all) => {
                http3 = all.http3_protocol_options.as_ref();
                (
                    UpstreamProtocol::ByAlpn,
                    all.http_protocol_options.as_ref(),
                    all.http2_protocol_options.as_ref(),
                )
            }
        };
        Chosen {
            protocol,
            http1,
            http2,
            http3,
        }
    }
}

impl AutoHttpConfig {
    /// How hosts that speak HTTP/3 are known, where it is tried.
    fn alternatives(&self, ctx: &mut Ctx) -> Result<Option<Arc<AlternatesSettings>>, Refused> {
        let options = self.alternate_protocols_cache_options.as_ref();
        if self.http3_protocol_options.is_none() {
            return Ok(None);
        }
        let Some(options) = options else {
            let text = "alternate protocols cache must be configured when HTTP/3 is enabled with \
                        auto_config";
            ctx.error(self.span(), text);
            return Err(Refused);
        };
        Ok(Some(Arc::new(options.compile())))
    }
}

/// What is told of heads for HTTP/1 counts for HTTP/2 and HTTP/3 as well; their own default is a smaller one.
fn set_limits(http2: &mut Http2Settings, codec: &Http1Settings, has_kib: bool, ctx: &Ctx) {
    if has_kib || HeadLimit::ResponseKib.by_runtime(&ctx.runtime).is_some() {
        http2.max_headers_bytes = codec.max_headers_bytes;
    }
    http2.max_headers_count = codec.max_headers_count;
}

/// Settings whose limits the runtime says, if it does.
fn codec_by_runtime(ctx: &Ctx) -> Option<Http1Settings> {
    let kib = HeadLimit::ResponseKib.by_runtime(&ctx.runtime);
    let count = HeadLimit::ResponseHeaders.by_runtime(&ctx.runtime);
    if kib.is_none() && count.is_none() {
        return None;
    }
    let mut codec = Http1Settings::of_hosts();
    if let Some(kib) = kib {
        codec.max_headers_bytes = kib.saturating_mul(1024);
    }
    if let Some(count) = count {
        codec.max_headers_count = count;
    }
    Some(codec)
}

impl CommonHttpOptions {
    fn apply(&self, settings: &mut HttpSettings, codec: &mut Http1Settings) {
        if let Some(timeout) = self.idle_timeout {
            settings.idle_timeout = (!timeout.is_zero()).then_some(timeout);
        }
        if let Some(duration) = self.max_connection_duration {
            settings.max_connection_duration = (!duration.is_zero()).then_some(duration);
        }
        if let Some(most) = self.max_requests_per_connection {
            settings.max_requests_per_connection = (most > 0).then_some(most);
        }
        if let Some(count) = self.max_headers_count {
            codec.max_headers_count = usize::try_from(count).unwrap_or(usize::MAX);
        }
        if let Some(kb) = self.max_response_headers_kb {
            codec.max_headers_bytes = usize::try_from(kb)
                .unwrap_or(usize::MAX)
                .saturating_mul(1024);
        }
    }
}

impl UpstreamHttpOptions {
    fn names(&self) -> Option<AutoNames> {
        let header = &self.override_auto_sni_header;
        (self.auto_sni || self.auto_san_validation).then(|| AutoNames {
            sni: self.auto_sni,
            san_validation: self.auto_san_validation,
            header: (!header.is_empty()).then(|| HeaderName::to_look_up(header)),
        })
    }
}

impl Http1Options {
    fn apply(&self, codec: &mut Http1Settings, ctx: &mut Ctx) -> Result<(), Refused> {
        codec.enable_trailers = self.enable_trailers;
        codec.allow_chunked_length = self.allow_chunked_length;
        codec.send_fully_qualified_url = self.send_fully_qualified_url;
        codec.ignored_upgrades = ignored_upgrades(&self.ignore_http_11_upgrade, ctx)?;
        if let Some(format) = &self.header_key_format {
            codec.header_case = format.compile(ctx)?;
        }
        Ok(())
    }
}
