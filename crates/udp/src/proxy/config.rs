//! The messages of the UDP proxy, compiled once and shared by the workers.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::access_log::{self, AccessLog, AccessLogConfig, AccessLogRooms};
use nuncio_contract::hash::xxh64;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_upstream::ClusterId;

use super::filters::{FilterConfig, SessionFilter};
use super::route::Routes;
use super::stats::UdpProxyStats;
use super::tunnel::{Tunnel, TunnelingConfig};
use crate::socket::{SocketConfig, SocketMessage};

const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

message! {
    /// The filter's config.
    pub struct UdpProxy: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig" {
        stat_prefix: String,
        oneof route_specifier: RouteSpecifier,
        idle_timeout: Option<Duration>,
        use_original_src_ip: bool,
        hash_policies: Vec<HashPolicy>,
        upstream_socket_config: Option<SocketMessage>,
        use_per_packet_load_balancing: bool,
        access_log: Vec<AccessLog>,
        proxy_access_log: Vec<AccessLog>,
        access_log_options: Option<AccessLogOptions>,
        session_filters: Vec<SessionFilter>,
        tunneling_config: Option<TunnelingConfig>,
    }
}

one_of! {
    /// Where datagrams go.
    pub(super) enum RouteSpecifier {
        cluster => Cluster(String),
        matcher => Matcher(MatcherMessage),
    }
}

message! {
    /// By what a session's host is chosen.
    pub(super) struct HashPolicy: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.HashPolicy" {
        oneof policy_specifier: HashedPart,
    }
}

one_of! {
    /// What is hashed.
    pub(super) enum HashedPart {
        source_ip => SourceIp(bool),
        key => Key(String),
    }
}

message! {
    /// When lines are logged besides the end.
    pub(super) struct AccessLogOptions: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpAccessLogOptions" {
        access_log_flush_interval: Option<Duration>,
        flush_access_log_on_tunnel_connected: bool,
    }
}

/// What is hashed, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashed {
    SourceIp,
    /// A key's hash.
    Key(u64),
}

impl Hashed {
    fn compile(policies: &[HashPolicy]) -> Option<Self> {
        match &policies.first()?.policy_specifier {
            HashedPart::SourceIp(wanted) => wanted.then_some(Hashed::SourceIp),
            HashedPart::Key(key) => Some(Hashed::Key(xxh64(key.as_bytes(), 0))),
        }
    }
}

/// The compiled config.
pub struct UdpProxyConfig {
    /// `udp.<stat_prefix>.`
    pub(super) scope: Scope,
    pub(super) routes: Routes,
    /// All clusters that datagrams may go to.
    pub(super) clusters: Vec<ClusterId>,
    pub(super) idle_timeout: Duration,
    pub(super) keeps_source: bool,
    pub(super) hashed: Option<Hashed>,
    pub(super) socket: SocketConfig,
    pub(super) balances_each: bool,
    pub(super) access_logs: Vec<Arc<dyn AccessLogConfig>>,
    pub(super) proxy_logs: Vec<Arc<dyn AccessLogConfig>>,
    pub(super) log_interval: Option<Duration>,
    /// Whether sessions are logged as soon as they have a tunnel.
    pub(super) logs_tunnel: bool,
    /// What sees the datagrams of sessions on their way.
    pub(super) filters: Vec<FilterConfig>,
    /// How sessions go through HTTP, if they do.
    pub(super) tunnel: Option<Box<Tunnel>>,
}

/// What the compilation takes from the server.
pub struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// The kinds of access logs.
    pub access_loggers: AccessLogRooms,
    /// Gives the number of a cluster.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// The stats.
    pub stats: &'a StatsStore,
}

impl UdpProxyConfig {
    /// Compiles the filter's message; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(any: &Any, context: &mut CompileContext<'_>) -> Result<Self, Refused> {
        let message: UdpProxy = any.decode(context.ctx)?;
        let routes = match &message.route_specifier {
            RouteSpecifier::Cluster(name) => {
                let id = (context.cluster_id)(name);
                Ok((Routes::One(id), vec![id]))
            }
            RouteSpecifier::Matcher(matcher) => {
                Routes::compile(matcher, context.ctx, &mut *context.cluster_id)
            }
        };
        let access_logs = logs(&message.access_log, context);
        let proxy_logs = logs(&message.proxy_access_log, context);
        let filters = filters(&message.session_filters, context);
        let tunnel = message.tunneling_config.as_ref();
        let tunnel = tunnel.map(|tunnel| Tunnel::compile(tunnel, context.ctx).map(Box::new));
        check_together(&message, context.ctx)?;
        let (routes, clusters) = routes?;
        let options = message.access_log_options.as_ref();
        let scope = context.stats.scope(&format!("udp.{}", message.stat_prefix));
        scope.register::<UdpProxyStats>();
        Ok(UdpProxyConfig {
            scope,
            routes,
            clusters,
            idle_timeout: message.idle_timeout.unwrap_or(DEFAULT_IDLE_TIMEOUT),
            keeps_source: message.use_original_src_ip,
            hashed: Hashed::compile(&message.hash_policies),
            socket: SocketConfig::compile(message.upstream_socket_config.as_ref(), true),
            balances_each: message.use_per_packet_load_balancing,
            access_logs: access_logs?,
            proxy_logs: proxy_logs?,
            log_interval: options.and_then(|options| options.access_log_flush_interval),
            logs_tunnel: options.is_some_and(|it| it.flush_access_log_on_tunnel_connected),
            filters: filters?,
            tunnel: tunnel.transpose()?,
        })
    }
}

/// What a host for each datagram cannot have.
fn check_together(message: &UdpProxy, ctx: &mut Ctx) -> Result<(), Refused> {
    let other = match message {
        UdpProxy {
            use_per_packet_load_balancing: false,
            ..
        } => return Ok(()),
        UdpProxy {
            tunneling_config: Some(_),
            ..
        } => "tunneling_config",
        UdpProxy {
            session_filters, ..
        } if !session_filters.is_empty() => "session_filters",
        _ => return Ok(()),
    };
    let text = format!("Only one of use_per_packet_load_balancing or {other} can be used.");
    ctx.error(message.span(), text);
    Err(Refused)
}

fn filters(
    messages: &[SessionFilter],
    context: &mut CompileContext<'_>,
) -> Result<Vec<FilterConfig>, Refused> {
    let compiled: Vec<_> = messages
        .iter()
        .map(|filter| FilterConfig::compile(filter, context.stats, context.ctx))
        .collect();
    compiled.into_iter().collect()
}

fn logs(
    messages: &[AccessLog],
    context: &mut CompileContext<'_>,
) -> Result<Vec<Arc<dyn AccessLogConfig>>, Refused> {
    let compiled: Vec<_> = messages
        .iter()
        .map(|log| access_log::compile(log, context.access_loggers, context.ctx))
        .collect();
    compiled.into_iter().collect()
}
