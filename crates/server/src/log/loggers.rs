//! The loggers, each with a level of its own: Envoy 1.40's names in the order of its `/logging`.
//!
//! All can be set, also those that nothing logs to yet.

use std::sync::atomic::{AtomicU8, Ordering};

use super::LogLevel;

/// How many loggers there are.
const COUNT: usize = 73;

/// Their names.
pub(crate) static NAMES: [&str; COUNT] = [
    "a2a",
    "admin",
    "ai_protocol_manager",
    "alternate_protocols_cache",
    "aws",
    "assert",
    "backtrace",
    "basic_auth",
    "cache_filter",
    "client",
    "config",
    "connection",
    "conn_handler",
    "compression",
    "credential_injector",
    "decompression",
    "dns",
    "dubbo",
    "envoy_bug",
    "ext_authz",
    "ext_proc",
    "rocketmq",
    "file",
    "filter",
    "forward_proxy",
    "geolocation",
    "grpc",
    "happy_eyeballs",
    "hc",
    "health_checker",
    "http",
    "http2",
    "hystrix",
    "init",
    "io",
    "jwt",
    "json_rpc",
    "kafka",
    "key_value_store",
    "lua",
    "local_rate_limit",
    "main",
    "matcher",
    "mcp",
    "misc",
    "mongo",
    "multi_connection",
    "notification",
    "oauth2",
    "quic",
    "quic_stream",
    "pool",
    "rate_limit_quota",
    "rbac",
    "rds",
    "redis",
    "router",
    "runtime",
    "stats",
    "secret",
    "sse",
    "tap",
    "testing",
    "thrift",
    "tracing",
    "upstream",
    "udp",
    "wasm",
    "websocket",
    "golang",
    "stats_sinks",
    "dynamic_modules",
    "ip_tagging",
];

static LEVELS: [AtomicU8; COUNT] = [const { AtomicU8::new(LogLevel::Info as u8) }; COUNT];

fn level_of(name: &str) -> Option<&'static AtomicU8> {
    let at = NAMES.iter().position(|known| *known == name)?;
    LEVELS.get(at)
}

/// From now on the logger logs what is at least this important; a name that there is not is passed over.
pub(crate) fn set_level(name: &str, level: LogLevel) {
    if let Some(cell) = level_of(name) {
        cell.store(level as u8, Ordering::Relaxed);
    }
}

/// The same for all loggers.
pub(crate) fn set_all(level: LogLevel) {
    for cell in &LEVELS {
        cell.store(level as u8, Ordering::Relaxed);
    }
}

/// Each logger with its level.
pub(crate) fn levels() -> Vec<(&'static str, LogLevel)> {
    let level = |cell: &AtomicU8| {
        let now = cell.load(Ordering::Relaxed);
        let known = LogLevel::ALL.into_iter().find(|level| *level as u8 == now);
        known.unwrap_or(LogLevel::Info)
    };
    NAMES
        .iter()
        .zip(&LEVELS)
        .map(|(name, cell)| (*name, level(cell)))
        .collect()
}

/// Whether a line of this level is written.
pub(super) fn lets_through(name: &str, level: LogLevel) -> bool {
    level_of(name).is_none_or(|cell| level as u8 >= cell.load(Ordering::Relaxed))
}
