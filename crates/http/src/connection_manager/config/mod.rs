//! The compiled connection manager: immutable, shared by all workers.
//! Defaults are Envoy's: 60 KiB of request headers, 100 of them, 5 minutes stream idle timeout, 1 hour
//! connection idle timeout, 1 s delayed close, 1 MiB buffer limit.

mod codecs;
mod log_moments;
mod request_options;
mod service;
mod timeouts;

use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::access_log::{self, AccessLogConfig};
use nuncio_contract::early_header_mutation::EarlyHeaderMutation;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::registry::Extensions;
use nuncio_contract::tracing::Provider;
use nuncio_upstream::ClusterId;

use super::client_certificate;
use super::local_reply::LocalReplies;
use super::original_address;
use super::premature_resets::ResetLimits;
use super::proxy_status::ProxyStatus;
use super::request_id::RequestIds;
use super::route_source::{RouteSource, refuse_more_hosts};
use super::scope_source::ScopeSource;
use super::scoped_routes;
use super::tracing::Tracing;
use super::upgrades::{self, Upgrade};
use crate::config::connection_manager as config;
use crate::config::router::RouterConfig;
use crate::discovered_filter::DiscoveredHttpFilter;
use crate::route::{RouteCompiler, RouteTable};

use codecs::{codec_settings, http2_settings, http3_settings};
pub use log_moments::LogMoments;
pub use request_options::{RequestOptions, SchemesOfPorts, StripPort};
use request_options::{internal_addresses, rejects_fragments};
pub use timeouts::Timeouts;

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
    /// What the codec of HTTP/3 is told.
    pub http3: Http3Settings,
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

fn max_requests(message: &config::HttpConnectionManager) -> Option<u32> {
    let common = common(message)?;
    common
        .max_requests_per_connection
        .filter(|limit| *limit > 0)
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
            http3: http3_settings(&message, &codec),
            reset_limits: ResetLimits::named(context.ctx),
            codec,
            timeouts: Timeouts::from_message(&message),
            max_requests_per_connection: max_requests(&message),
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
            refuse_more_hosts(table, context.ctx);
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
