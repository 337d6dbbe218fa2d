//! The compiled connection manager: immutable, shared by all workers.
//! Defaults are Envoy's: 60 KiB of request headers, 100 of them, 5 minutes stream idle timeout, 1 hour
//! connection idle timeout, 1 s delayed close, 1 MiB buffer limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::http1::{Http1Settings, UnderscoresAction};
use nuncio_codec::http2::Http2Settings;
use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::access_log::{self, AccessLogConfig};
use nuncio_contract::early_header_mutation::EarlyHeaderMutation;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::AddressRanges;
use nuncio_contract::registry::Extensions;
use nuncio_contract::tracing::Provider;
use nuncio_upstream::ClusterId;
use nuncio_upstream::config::ignored_upgrades;

use super::client_certificate::{self, CertificateTree, ForwardedCertificate};
use super::local_reply::LocalReplies;
use super::original_address::{self, Detection};
use super::premature_resets::ResetLimits;
use super::proxy_status::ProxyStatus;
use super::request_id::RequestIds;
use super::route_source::RouteSource;
use super::scope_source::ScopeSource;
use super::scoped_routes;
use super::tracing::Tracing;
use super::upgrades::{self, Upgrade};
use crate::config::connection_manager as config;
use crate::config::router::RouterConfig;
use crate::connection_manager::jitter::Jitter;
use crate::discovered_filter::DiscoveredHttpFilter;
use crate::route::{RouteCompiler, RouteTable};

/// The message of the connection manager.
pub const MESSAGE: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// A connection manager as the config describes it.
pub struct ConnectionManagerConfig {
    /// `http.<stat_prefix>.` is where it counts.
    pub stat_prefix: Box<str>,
    /// `node.cluster`.
    pub service_cluster: Box<str>,
    /// The filters before the terminal one, in order.
    pub filters: Vec<FilterConfig>,
    /// What ends the chain.
    pub terminal: Terminal,
    /// Upgrades that are allowed or forbidden.
    pub upgrades: Vec<Upgrade>,
    /// Access logs, in order.
    pub access_logs: Vec<Arc<dyn AccessLogConfig>>,
    /// What connections speak.
    pub codec_type: config::CodecType,
    /// The settings of HTTP/1's codec.
    pub codec: Http1Settings,
    /// The settings of HTTP/2's codec.
    pub http2: Http2Settings,
    /// How many streams of HTTP/2 may end before they are answered.
    pub(crate) reset_limits: ResetLimits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Requests after which a connection is closed; none for no limit.
    pub max_requests_per_connection: Option<u32>,
    /// What is done to requests.
    pub request: RequestOptions,
    /// What is done to responses.
    pub response: ResponseOptions,
    /// Body bytes that filters may hold back in each direction.
    pub buffer_limit_bytes: u64,
    /// Whether an invalid message ends the stream only, not the connection.
    pub stream_error_on_invalid_http_message: bool,
    /// Whether `Expect: 100-continue` is left to the upstream.
    pub proxy_100_continue: bool,
    /// How answers of our own are worded, where it is said.
    pub local_replies: Option<LocalReplies>,
    /// What changes requests before they are routed, in order.
    pub early_mutations: Box<[Arc<dyn EarlyHeaderMutation>]>,
    /// Which requests are traced; none if nobody is to know.
    pub tracing: Option<Box<Tracing>>,
    /// When streams are logged beside at their ends.
    pub log_moments: LogMoments,
    /// Whether requests that are shed for overload are told that it was here.
    pub append_local_overload: bool,
    /// Where its routes come from, if they are not its own.
    pub route_source: Option<Box<RouteSource>>,
    /// Where its scopes of routes come from, if they are not its own.
    pub scope_source: Option<Box<ScopeSource>>,
}

/// Moments beside the end of a stream at which it is logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogMoments {
    /// When its filters have been made.
    pub begin: bool,
    /// When it has become a tunnel.
    pub tunnel: bool,
    /// Every so often.
    pub interval: Option<Duration>,
}

/// A filter of the chain.
pub struct FilterConfig {
    /// Its name in the config.
    pub name: String,
    /// Where the routes' configurations for it are found.
    pub place: usize,
    /// Its parsed config.
    pub config: Arc<dyn HttpFilterConfig>,
    /// Off unless a route switches it on.
    pub disabled: bool,
    /// The place of its config, if that comes from elsewhere.
    pub discovered: Option<Arc<DiscoveredHttpFilter>>,
}

/// What ends a filter chain.
pub enum Terminal {
    /// Requests go to a cluster.
    Router(RouterConfig),
    /// Requests are answered by the process itself (the admin interface).
    Service,
    /// Nothing: a chain without filters, where a request waits for the idle timeout of streams, as in Envoy.
    Nothing,
}

/// Timeouts; none means that there is no limit.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// No bytes either way on a stream.
    pub stream_idle: Option<Duration>,
    /// From the end of a response of HTTP/2 until the client has given window for all of it.
    pub stream_flush: Option<Duration>,
    /// No stream on a connection.
    pub connection_idle: Option<Duration>,
    /// The whole request.
    pub request: Option<Duration>,
    /// The request's head.
    pub request_headers: Option<Duration>,
    /// The life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// The life of a stream.
    pub max_stream_duration: Option<Duration>,
    /// From the notice that a connection takes no more streams to the last that it takes.
    pub drain: Duration,
    /// By how much `drain` may be longer.
    pub drain_jitter: Jitter,
    /// By how much `max_connection_duration` may be longer.
    pub max_connection_jitter: Jitter,
    /// Whether a connection of HTTP/1 that has lived its time waits for one more request instead.
    pub outlives_quietly: bool,
    /// From the last response to the close, for the client to read it.
    pub delayed_close: Option<Duration>,
}

impl Timeouts {
    /// `drain`, for a connection with this random number.
    pub(crate) fn jittered_drain(&self, random: impl FnOnce() -> u64) -> Duration {
        self.drain + self.drain_jitter.extra(self.drain, random)
    }

    /// How much longer than others a connection with this random number may live.
    pub(crate) fn extra_life(&self, random: impl FnOnce() -> u64) -> Duration {
        let whole = self.max_connection_duration.unwrap_or_default();
        self.max_connection_jitter.extra(whole, random)
    }
}

/// Ports that mean a scheme.
#[derive(Clone, Debug)]
pub struct SchemesOfPorts {
    /// `https`; these come first.
    pub https: Vec<u32>,
    /// `http`.
    pub http: Vec<u32>,
}

/// What is done to requests before they are routed.
#[derive(Clone, Debug)]
pub struct RequestOptions {
    /// The peer's address is the client's, and this is the edge.
    pub use_remote_address: bool,
    /// Proxies before this one that are trusted.
    pub xff_num_trusted_hops: u32,
    /// Whether `x-forwarded-for` stays as it came.
    pub skip_xff_append: bool,
    /// Who counts as internal.
    pub internal_addresses: AddressRanges,
    /// Whether clients on unix domain sockets do.
    pub unix_sockets_are_internal: bool,
    /// Whether a path with a fragment is refused, and not cut before it; so where nothing is said.
    pub rejects_fragments: RuntimeKey,
    /// What finds out the client's address; empty for `x-forwarded-for` by the number of hops.
    pub detections: Box<[Detection]>,
    /// Whether `x-forwarded-port` is set.
    pub append_x_forwarded_port: bool,
    /// Which scheme the port of a destination that was told or restored means, where it means one.
    pub schemes_of_ports: Option<Box<SchemesOfPorts>>,
    /// Whether requests get an id.
    pub generate_request_id: bool,
    /// What request ids are used for.
    pub request_ids: RequestIds,
    /// Whether an id from outside is kept.
    pub preserve_external_request_id: bool,
    /// The value of `user-agent` and `x-envoy-downstream-service-cluster` where wanted.
    pub user_agent: Option<Box<str>>,
    /// `x-envoy-downstream-service-node` beside the user agent; empty: none.
    pub service_node: Box<str>,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_certificate: ForwardedCertificate,
    /// The tree that decides on it before that; none if nobody asks one.
    pub client_certificate_tree: Option<Arc<CertificateTree>>,
    /// Appended to `via`, both ways.
    pub via: Box<str>,
    /// The scheme that every request gets.
    pub scheme: Option<Box<str>>,
    /// Whether the scheme becomes that of the connection to the host; not beside a scheme that is given.
    pub scheme_matches_upstream: bool,
    /// Whether PROXY headers to hosts name the client.
    pub tells_hosts_of_client: bool,
    /// RFC 3986 normalisation of the path.
    pub normalize_path: bool,
    /// `//` becomes `/`.
    pub merge_slashes: bool,
    /// What becomes of `%2F` and `%5C`.
    pub escaped_slashes: config::EscapedSlashesAction,
    /// Which port is taken off the host.
    pub strip_port: StripPort,
    /// Whether a trailing dot is taken off the host.
    pub strip_trailing_host_dot: bool,
}

/// Which port is taken off the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripPort {
    /// None.
    No,
    /// The listener's own.
    Matching,
    /// Every one.
    Any,
}

/// What is done to responses.
#[derive(Clone, Debug)]
pub struct ResponseOptions {
    /// The value of `server`.
    pub server_name: Box<str>,
    /// What becomes of the upstream's `server`.
    pub server: config::ServerHeaderTransformation,
    /// Whether responses carry the request id.
    pub always_set_request_id: bool,
    /// How responses tell what went wrong, if they do.
    pub proxy_status: Option<Box<ProxyStatus>>,
}

/// What the compilation takes from the server.
pub struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// All rooms.
    pub extensions: &'a Extensions,
    /// The slot of a cluster's name.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// Whether a cluster exists.
    pub known_clusters: &'a dyn Fn(&str) -> bool,
    /// `node.cluster`, for `add_user_agent`.
    pub service_cluster: &'a str,
    /// `node.id`, likewise.
    pub service_node: &'a str,
    /// The bootstrap's `tracing`, for who asks for spans and names nobody to make them.
    pub default_tracer: Option<&'a Provider>,
    /// `per_connection_buffer_limit_bytes` of the listener.
    pub buffer_limit_bytes: u64,
    /// Whether the listener's traffic goes out.
    pub is_outbound: bool,
}

impl ConnectionManagerConfig {
    /// Parses and compiles the message and its route table; all mistakes go to the context.
    pub fn compile(
        any: &Any,
        context: &mut CompileContext<'_>,
    ) -> Result<(Self, RouteTable), Refused> {
        let message = any.decode::<config::HttpConnectionManager>(context.ctx)?;
        let filters = super::compile_filters::compile(&message.http_filters, "http", context);
        let mut upgrades = upgrades::compile(&message.upgrade_configs, context);
        let there = filters.as_ref().map(|(filters, _)| filters.as_slice());
        let mut names = filter_names(&message, there.unwrap_or_default());
        if let Ok(upgrades) = &mut upgrades {
            upgrades::place_filters(upgrades, &mut names);
        }
        let (routes, route_source, scope_source) = routes(&message, names, context);
        let access_logs = access_logs(&message, context);
        let early_mutations = early_mutations(&message, context);
        let local_replies = message
            .local_reply_config
            .as_ref()
            .map(|replies| LocalReplies::compile(replies, context.ctx))
            .transpose();
        let internal = internal_addresses(message.internal_address_config.as_ref(), context.ctx);
        let codec = codec_settings(&message, context.ctx);
        let detections = original_address::compile(&message, context.ctx);
        let certificate_tree = client_certificate::tree(&message, context.ctx);
        let request_ids = RequestIds::compile(message.request_id_extension.as_ref(), context.ctx);
        let tracing = tracing(&message, context);
        let log_moments = LogMoments::from_message(&message, context.ctx);
        let (filters, terminal) = filters?;
        let codec = codec?;
        one_port_option(&message, context).and(no_header_validator(&message, context))?;
        let config = ConnectionManagerConfig {
            stat_prefix: message.stat_prefix.as_str().into(),
            service_cluster: context.service_cluster.into(),
            filters,
            terminal,
            upgrades: upgrades?,
            access_logs: access_logs?,
            codec_type: message.codec_type,
            http2: http2_settings(&message, &codec, context.ctx)?,
            reset_limits: ResetLimits::named(context.ctx),
            codec,
            timeouts: Timeouts::from_message(&message),
            max_requests_per_connection: common(&message)
                .and_then(|common| common.max_requests_per_connection)
                .filter(|limit| *limit > 0),
            request: RequestOptions::from_message(
                &message,
                (internal?, rejects_fragments(context.ctx)),
                (detections?, request_ids?, certificate_tree?),
                (context.service_cluster, context.service_node),
            ),
            response: ResponseOptions {
                server_name: server_name(&message).into(),
                server: message.server_header_transformation,
                always_set_request_id: message.always_set_request_id_in_response,
                proxy_status: proxy_status(&message, context.service_node),
            },
            buffer_limit_bytes: context.buffer_limit_bytes,
            stream_error_on_invalid_http_message: message
                .http_protocol_options
                .as_ref()
                .and_then(|http1| http1.override_stream_error_on_invalid_http_message)
                .or(message.stream_error_on_invalid_http_message)
                == Some(true),
            proxy_100_continue: message.proxy_100_continue,
            local_replies: local_replies?,
            early_mutations: early_mutations?,
            tracing: tracing?,
            log_moments: log_moments?,
            append_local_overload: message.append_local_overload,
            route_source,
            scope_source,
        };
        Ok((config, routes?))
    }
}

impl ConnectionManagerConfig {
    /// The filters whose configurations come from elsewhere, those of upgrades too.
    pub fn discovered(&self) -> impl Iterator<Item = &Arc<DiscoveredHttpFilter>> {
        let chains = self.upgrades.iter().filter_map(|it| it.chain.as_ref());
        let of_upgrades = chains.flat_map(|chain| &chain.filters);
        let all = self.filters.iter().chain(of_upgrades);
        all.filter_map(|filter| filter.discovered.as_ref())
    }
}

/// Routes, and where they come from: they themselves, or those of their scopes.
type RoutesOrSource = (
    Result<RouteTable, Refused>,
    Option<Box<RouteSource>>,
    Option<Box<ScopeSource>>,
);

/// The routes of the message itself, or none and where they come from.
fn routes(
    message: &config::HttpConnectionManager,
    filter_names: Vec<String>,
    context: &mut CompileContext<'_>,
) -> RoutesOrSource {
    let table = match &message.route_specifier {
        config::RouteSpecifier::RouteConfig(table) => {
            if let Some(vhds) = &table.vhds {
                let what =
                    "virtual hosts from elsewhere (`vhds`) but for routes that come by `rds`";
                context.ctx.unsupported(vhds.span(), what);
            }
            table
        }
        config::RouteSpecifier::Rds(rds) => {
            let source = RouteSource::new(rds, &message.stat_prefix, filter_names, context.ctx);
            return match source {
                Ok(source) => (Ok(RouteTable::empty()), Some(Box::new(source)), None),
                Err(Refused) => (Err(Refused), None, None),
            };
        }
        config::RouteSpecifier::ScopedRoutes(scoped) => {
            let prefix = &message.stat_prefix;
            return match scoped_routes::compile(scoped, prefix, filter_names, context) {
                Ok((table, source)) => (Ok(table), None, source.map(Box::new)),
                Err(Refused) => (Err(Refused), None, None),
            };
        }
    };
    let routes = RouteCompiler {
        plugins: Default::default(),
        ctx: context.ctx,
        extensions: context.extensions,
        filter_names: &filter_names,
        cluster_id: context.cluster_id,
        known_clusters: Some(context.known_clusters),
    }
    .compile(table);
    (routes, None, None)
}

/// Refuses to strip ports by both options at once.
fn one_port_option(
    message: &config::HttpConnectionManager,
    context: &mut CompileContext<'_>,
) -> Result<(), Refused> {
    let any = matches!(
        message.strip_port_mode,
        Some(config::StripPortMode::Any(true))
    );
    if any && message.strip_matching_host_port {
        let text =
            "Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.";
        context.ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(())
}

fn access_logs(
    message: &config::HttpConnectionManager,
    context: &mut CompileContext<'_>,
) -> Result<Vec<Arc<dyn AccessLogConfig>>, Refused> {
    let mut access_logs: Vec<_> = message
        .access_log
        .iter()
        .map(|log| access_log::compile(log, context.extensions.access_loggers, context.ctx))
        .collect();
    if context.ctx.leaves_out {
        access_logs.retain(Result::is_ok);
    }
    access_logs.into_iter().collect()
}

fn early_mutations(
    message: &config::HttpConnectionManager,
    context: &mut CompileContext<'_>,
) -> Result<Box<[Arc<dyn EarlyHeaderMutation>]>, Refused> {
    let mut mutations: Vec<_> = message
        .early_header_mutation_extensions
        .iter()
        .map(|extension| early_mutation(extension, context))
        .collect();
    if context.ctx.leaves_out {
        mutations.retain(Result::is_ok);
    }
    mutations.into_iter().collect()
}

fn early_mutation(
    extension: &config::Extension,
    context: &mut CompileContext<'_>,
) -> Result<Arc<dyn EarlyHeaderMutation>, Refused> {
    let ctx = &mut *context.ctx;
    let what = format!("the early header mutation `{}`", extension.name);
    let Some(any) = &extension.typed_config else {
        let what = format!("{what} without `typed_config`");
        return Err(ctx.unsupported_here(extension.span(), what));
    };
    match context.extensions.early_header_mutation(any.type_name()) {
        Some(room) => (room.parse)(any, ctx),
        None => {
            let what = format!("{what} ({})", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}

/// The filters' names by their places in the chain; those that have none, as they were left out or end the chain,
/// stand behind.
fn filter_names(message: &config::HttpConnectionManager, there: &[FilterConfig]) -> Vec<String> {
    let is_there = |name: &str| there.iter().any(|filter| filter.name == name);
    let all = message.http_filters.iter().map(|filter| &filter.name.value);
    let others = all.filter(|name| !is_there(name));
    let names = there.iter().map(|filter| &filter.name);
    names.chain(others).cloned().collect()
}

fn common(message: &config::HttpConnectionManager) -> Option<&config::HttpProtocolOptions> {
    message.common_http_protocol_options.as_ref()
}

fn codec_settings(
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
fn http2_settings(
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

impl Timeouts {
    fn from_message(message: &config::HttpConnectionManager) -> Self {
        let limit = |given: Option<Duration>, default: Option<Duration>| {
            given.or(default).filter(|limit| !limit.is_zero())
        };
        let common = common(message);
        Timeouts {
            stream_idle: limit(message.stream_idle_timeout, Some(Duration::from_secs(300))),
            stream_flush: limit(
                message.stream_flush_timeout.or(message.stream_idle_timeout),
                Some(Duration::from_secs(300)),
            ),
            connection_idle: limit(
                common.and_then(|common| common.idle_timeout),
                Some(Duration::from_secs(3600)),
            ),
            request: limit(message.request_timeout, None),
            request_headers: limit(message.request_headers_timeout, None),
            max_connection_duration: limit(
                common.and_then(|common| common.max_connection_duration),
                None,
            ),
            max_stream_duration: limit(common.and_then(|common| common.max_stream_duration), None),
            drain: message.drain_timeout.unwrap_or(DRAIN_TIMEOUT),
            drain_jitter: Jitter::of(message.drain_timeout_jitter.as_ref()),
            max_connection_jitter: Jitter::of(
                common.and_then(|common| common.max_connection_duration_jitter.as_ref()),
            ),
            outlives_quietly: message.http1_safe_max_connection_duration,
            delayed_close: limit(message.delayed_close_timeout, Some(Duration::from_secs(1))),
        }
    }
}

impl RequestOptions {
    fn from_message(
        message: &config::HttpConnectionManager,
        (internal_addresses, rejects_fragments): (AddressRanges, RuntimeKey),
        (detections, request_ids, client_certificate_tree): (
            Box<[Detection]>,
            RequestIds,
            Option<Arc<CertificateTree>>,
        ),
        (service_cluster, service_node): (&str, &str),
    ) -> Self {
        let any_port = matches!(
            message.strip_port_mode,
            Some(config::StripPortMode::Any(true))
        );
        let transformation = message.scheme_header_transformation.as_ref();
        let scheme = transformation.and_then(|scheme| scheme.transformation.as_ref());
        RequestOptions {
            use_remote_address: message.use_remote_address == Some(true),
            xff_num_trusted_hops: message.xff_num_trusted_hops,
            skip_xff_append: message.skip_xff_append,
            internal_addresses,
            unix_sockets_are_internal: (message.internal_address_config.as_ref())
                .is_some_and(|config| config.unix_sockets),
            detections,
            rejects_fragments,
            append_x_forwarded_port: message.append_x_forwarded_port,
            schemes_of_ports: message.forward_proto_config.as_ref().map(|ports| {
                Box::new(SchemesOfPorts {
                    https: ports.https_destination_ports.clone(),
                    http: ports.http_destination_ports.clone(),
                })
            }),
            generate_request_id: message.generate_request_id != Some(false),
            request_ids,
            preserve_external_request_id: message.preserve_external_request_id,
            user_agent: (message.add_user_agent == Some(true)).then(|| service_cluster.into()),
            service_node: service_node.into(),
            client_certificate: ForwardedCertificate::from_message(message),
            client_certificate_tree,
            via: message.via.as_str().into(),
            scheme: scheme
                .map(|config::SchemeTransformation::Overwrite(scheme)| scheme.as_str().into()),
            scheme_matches_upstream: scheme.is_none()
                && transformation.is_some_and(|scheme| scheme.match_upstream),
            tells_hosts_of_client: message.add_proxy_protocol_connection_state != Some(false),
            normalize_path: message.normalize_path == Some(true),
            merge_slashes: message.merge_slashes,
            escaped_slashes: message.path_with_escaped_slashes_action,
            strip_port: match (any_port, message.strip_matching_host_port) {
                (true, _) => StripPort::Any,
                (false, true) => StripPort::Matching,
                (false, false) => StripPort::No,
            },
            strip_trailing_host_dot: message.strip_trailing_host_dot,
        }
    }
}

fn tracing(
    message: &config::HttpConnectionManager,
    context: &mut CompileContext<'_>,
) -> Result<Option<Box<Tracing>>, Refused> {
    let Some(tracing) = &message.tracing else {
        return Ok(None);
    };
    let tracers = context.extensions.tracers;
    let provider = tracing.provider.as_ref().or(context.default_tracer);
    let tracers = provider.map(|provider| (provider, tracers));
    let compiled = Tracing::compile(tracing, context.is_outbound, tracers, context.ctx)?;
    Ok(Some(Box::new(compiled)))
}

/// Envoy's binary has no extension of this kind.
fn no_header_validator(
    message: &config::HttpConnectionManager,
    context: &mut CompileContext<'_>,
) -> Result<(), Refused> {
    let Some(validator) = &message.typed_header_validation_config else {
        return Ok(());
    };
    let text = format!(
        "This Envoy binary does not support header validator extensions.: '{}'",
        validator.name
    );
    context.ctx.error(validator.span(), text);
    Err(Refused)
}

fn proxy_status(
    message: &config::HttpConnectionManager,
    service_node: &str,
) -> Option<Box<ProxyStatus>> {
    let config = message.proxy_status_config.as_ref()?;
    let server = server_name(message);
    Some(Box::new(ProxyStatus::compile(config, service_node, server)))
}

fn server_name(message: &config::HttpConnectionManager) -> &str {
    match message.server_name.as_str() {
        "" => "envoy",
        own => own,
    }
}

impl LogMoments {
    fn from_message(
        message: &config::HttpConnectionManager,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let (on_new, interval) = (
            message.flush_access_log_on_new_request,
            message.access_log_flush_interval,
        );
        let Some(options) = &message.access_log_options else {
            return Ok(LogMoments {
                begin: on_new,
                tunnel: false,
                interval,
            });
        };
        let twice = match (on_new, interval) {
            (true, _) => Some("flush_access_log_on_new_request"),
            (false, Some(_)) => Some("access_log_flush_interval"),
            (false, None) => None,
        };
        if let Some(twice) = twice {
            let text = format!("Only one of {twice} or access_log_options can be specified.");
            ctx.error(options.span(), text);
            return Err(Refused);
        }
        Ok(LogMoments {
            begin: options.flush_access_log_on_new_request,
            tunnel: options.flush_log_on_tunnel_successfully_established,
            interval: options.access_log_flush_interval,
        })
    }
}

/// The time between a connection's notice and its end, where the configuration has none.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a list without ranges stands for: addresses of private networks, and the machine itself.
const PRIVATE: [(IpAddr, u32); 6] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 32),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Without a list, Envoy 1.40 takes no address for internal.
fn rejects_fragments(ctx: &Ctx) -> RuntimeKey {
    ctx.runtime
        .key("envoy.reloadable_features.http_reject_path_with_fragment")
}

fn internal_addresses(
    config: Option<&config::InternalAddressConfig>,
    ctx: &mut Ctx,
) -> Result<AddressRanges, Refused> {
    let Some(config) = config else {
        return Ok(AddressRanges::default());
    };
    match config.cidr_ranges.as_slice() {
        [] => Ok(AddressRanges::of(PRIVATE)),
        ranges => AddressRanges::compile(ranges, ctx),
    }
}

impl ConnectionManagerConfig {
    /// A connection manager whose requests the process answers itself: the admin, the demo's upstreams.
    pub fn for_service(
        stat_prefix: &str,
        access_logs: Vec<Arc<dyn AccessLogConfig>>,
        codec: Http1Settings,
    ) -> Self {
        ConnectionManagerConfig {
            stat_prefix: stat_prefix.into(),
            service_cluster: Box::default(),
            filters: Vec::new(),
            terminal: Terminal::Service,
            upgrades: Vec::new(),
            access_logs,
            codec_type: config::CodecType::Auto,
            http2: Http2Settings::default(),
            reset_limits: ResetLimits::default(),
            codec,
            timeouts: Timeouts {
                stream_idle: Some(Duration::from_secs(300)),
                stream_flush: Some(Duration::from_secs(300)),
                connection_idle: Some(Duration::from_secs(3600)),
                request: None,
                request_headers: None,
                max_connection_duration: None,
                max_stream_duration: None,
                drain: DRAIN_TIMEOUT,
                drain_jitter: Jitter::default(),
                max_connection_jitter: Jitter::default(),
                outlives_quietly: false,
                delayed_close: Some(Duration::from_secs(1)),
            },
            max_requests_per_connection: None,
            request: RequestOptions {
                use_remote_address: true,
                xff_num_trusted_hops: 0,
                skip_xff_append: false,
                internal_addresses: AddressRanges::default(),
                unix_sockets_are_internal: false,
                rejects_fragments: RuntimeKey::default(),
                detections: Box::default(),
                append_x_forwarded_port: false,
                schemes_of_ports: None,
                generate_request_id: false,
                request_ids: RequestIds::default(),
                preserve_external_request_id: false,
                user_agent: None,
                service_node: "".into(),
                client_certificate: ForwardedCertificate::SANITIZE,
                client_certificate_tree: None,
                via: "".into(),
                scheme: None,
                scheme_matches_upstream: false,
                tells_hosts_of_client: true,
                normalize_path: false,
                merge_slashes: false,
                escaped_slashes: config::EscapedSlashesAction::KeepUnchanged,
                strip_port: StripPort::No,
                strip_trailing_host_dot: false,
            },
            response: ResponseOptions {
                server_name: "envoy".into(),
                server: config::ServerHeaderTransformation::Overwrite,
                always_set_request_id: false,
                proxy_status: None,
            },
            buffer_limit_bytes: 1 << 20,
            stream_error_on_invalid_http_message: false,
            proxy_100_continue: false,
            local_replies: None,
            early_mutations: Box::default(),
            tracing: None,
            log_moments: LogMoments::default(),
            append_local_overload: false,
            route_source: None,
            scope_source: None,
        }
    }
}
