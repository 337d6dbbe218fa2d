//! The configuration of the Redis proxy, compiled once and shared by the workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Refused};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::stats::Scope;
use nuncio_upstream::forward_proxy::DnsCache;
use nuncio_upstream::redis_cluster::ReadPolicy;

use crate::commands::COMMANDS;
use crate::faults::Faults;
use crate::messages::{ConnPoolSettings, RedisProxyMessage};
use crate::routes::Routes;
use crate::stats::{CommandStats, LatencyMicros, LatencyMillis, ProxyStats, SplitterStats};
use crate::targets::{CompileContext, Target, Targets};

const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_millis(3);
const DEFAULT_MAX_STRANGERS: usize = 100;
const MAX_PASSWORD_BYTES: usize = 1 << 20;

/// How hosts are asked.
pub(crate) struct PoolSettings {
    pub(crate) op_timeout: Duration,
    pub(crate) tags_keys: bool,
    pub(crate) follows_redirections: bool,
    /// From so many bytes on they are sent at once.
    pub(crate) flush_bytes: usize,
    pub(crate) flush_timeout: Duration,
    pub(crate) counts_commands: bool,
    /// Which hosts of a Redis cluster are read; all are told that they may be replicas unless it is the primaries.
    pub(crate) read_policy: ReadPolicy,
    pub(crate) connections_per_second: Option<u32>,
    /// To how many hosts that are none of the cluster's a worker is connected at most.
    pub(crate) max_strangers: usize,
    /// Where names are looked up that redirections tell; none: they are not.
    pub(crate) names: Option<Arc<DnsCache>>,
}

/// The compiled config.
pub struct RedisProxyConfig {
    /// `redis.<stat_prefix>.`
    pub(crate) scope: Scope,
    pub(crate) settings: PoolSettings,
    pub(crate) in_micros: bool,
    pub(crate) routes: Routes,
    /// The clusters that routes name by their places here.
    pub(crate) targets: Vec<Target>,
    pub(crate) username: Vec<u8>,
    pub(crate) passwords: Vec<Vec<u8>>,
    pub(crate) faults: Faults,
    /// As they stand there: those that are not in lower case are never found, as in Envoy.
    pub(crate) custom_commands: Vec<String>,
    /// Where commands are counted, by name; held, so that all are listed.
    pub(crate) command_scopes: HashMap<Box<str>, Scope>,
}

impl RedisProxyConfig {
    /// Compiles the filter's message; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(any: &Any, context: &mut CompileContext<'_>) -> Result<Self, Refused> {
        let message: RedisProxyMessage = any.decode(context.ctx)?;
        let scope = context
            .stats
            .scope(&format!("redis.{}", message.stat_prefix));
        let settings = message.settings.compile(context)?;
        let mut targets = Targets::new(context);
        let routes = Routes::compile(message.prefix_routes.as_ref(), &mut targets);
        let targets = targets.all();
        let mut bytes = |source: &DataSource| source.read(MAX_PASSWORD_BYTES, &mut *context.ctx);
        let username = message.downstream_auth_username.as_ref().map(&mut bytes);
        let passwords: Vec<_> = message
            .downstream_auth_password
            .iter()
            .chain(&message.downstream_auth_passwords)
            .map(&mut bytes)
            .collect();
        let passwords: Vec<Vec<u8>> = passwords.into_iter().collect::<Result<_, _>>()?;
        let custom = message.custom_commands.iter();
        let custom_commands: Vec<_> = custom.cloned().collect();
        Ok(RedisProxyConfig {
            command_scopes: register(&scope, &custom_commands, message.latency_in_micros),
            settings,
            in_micros: message.latency_in_micros,
            routes: routes?,
            targets,
            username: username.transpose()?.unwrap_or_default(),
            passwords: passwords
                .into_iter()
                .filter(|password| !password.is_empty())
                .collect(),
            faults: Faults::compile(&message.faults),
            custom_commands,
            scope,
        })
    }
}

/// Has all be listed from the start.
fn register(scope: &Scope, custom: &[String], in_micros: bool) -> HashMap<Box<str>, Scope> {
    scope.register::<ProxyStats>();
    scope
        .scope("splitter")
        .inspect(Scope::register::<SplitterStats>);
    let known = COMMANDS.iter().map(|(name, _)| *name);
    let each = known.chain(custom.iter().map(String::as_str));
    let scopes = each.filter_map(|name| {
        let scope = scope.scope(&format!("command.{}", name.to_ascii_lowercase()))?;
        scope.register::<CommandStats>();
        match in_micros {
            true => scope.register::<LatencyMicros>(),
            false => scope.register::<LatencyMillis>(),
        }
        Some((name.into(), scope))
    });
    scopes.collect()
}

impl ConnPoolSettings {
    fn compile(&self, context: &mut CompileContext<'_>) -> Result<PoolSettings, Refused> {
        let names = self.dns_cache_config.as_ref();
        let names = names
            .map(|config| config.compile(context.ctx))
            .transpose()?;
        let names = names.filter(|_| self.enable_redirection);
        Ok(PoolSettings {
            names: names.map(|settings| (context.cache_of_names)(&settings)),
            op_timeout: self.op_timeout,
            tags_keys: self.enable_hashtagging,
            follows_redirections: self.enable_redirection,
            flush_bytes: usize::try_from(self.max_buffer_size_before_flush).unwrap_or(usize::MAX),
            flush_timeout: self.buffer_flush_timeout.unwrap_or(DEFAULT_FLUSH_TIMEOUT),
            counts_commands: self.enable_command_stats,
            read_policy: self.read_policy.compile(),
            connections_per_second: self
                .connection_rate_limit
                .as_ref()
                .map(|limit| limit.connection_rate_limit_per_sec),
            max_strangers: self
                .max_upstream_unknown_connections
                .map_or(DEFAULT_MAX_STRANGERS, |limit| {
                    usize::try_from(limit).unwrap_or(usize::MAX)
                }),
        })
    }
}

/// For what keeps a compiled config alive.
pub(crate) type SharedConfig = Arc<RedisProxyConfig>;

/// A config that asks clients who they are.
#[cfg(test)]
pub(crate) fn of_passwords(username: &str, passwords: &[&str]) -> RedisProxyConfig {
    let store = nuncio_contract::stats::StatsStore::default();
    RedisProxyConfig {
        scope: store.root(),
        settings: PoolSettings {
            op_timeout: Duration::from_secs(1),
            tags_keys: false,
            follows_redirections: false,
            flush_bytes: 0,
            flush_timeout: DEFAULT_FLUSH_TIMEOUT,
            counts_commands: false,
            read_policy: ReadPolicy::Primary,
            connections_per_second: None,
            max_strangers: DEFAULT_MAX_STRANGERS,
            names: None,
        },
        in_micros: false,
        routes: Routes::default(),
        targets: Vec::new(),
        username: username.into(),
        passwords: passwords.iter().map(|it| (*it).into()).collect(),
        faults: Faults::compile(&[]),
        custom_commands: Vec::new(),
        command_scopes: HashMap::new(),
    }
}
