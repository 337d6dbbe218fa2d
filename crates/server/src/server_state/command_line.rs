//! The command line as `/server_info` shows it: message `envoy.admin.v3.CommandLineOptions`, all fields, in the order
//! in which Envoy prints them.
//!
//! Differs from Envoy: `file_flush_min_size` is what counts, where Envoy leaves it at zero.

use std::path::Path;

use crate::admin::json::Json;
use crate::cli::{self, Options};
use crate::log;

/// The options in force.
pub(super) fn command_line(options: &Options, concurrency: usize) -> Json {
    let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let object = Json::object()
        .with("base_id", u64::from(options.base_id).to_string())
        .with("concurrency", concurrency);
    let object = with_config(object, options);
    let object = with_log_and_node(object, options);
    let object = with_times(object, options);
    let object = with_extensions_and_base_id(object, options);
    with_sockets_and_stats(object, options)
}

fn with_config(object: Json, options: &Options) -> Json {
    let yaml = options.config_yaml.clone().unwrap_or_default();
    object
        .with("config_path", path(options.config_path.as_deref()))
        .with("config_yaml", yaml)
        .with(
            "allow_unknown_static_fields",
            options.allow_unknown_static_fields,
        )
        .with(
            "admin_address_path",
            path(options.admin_address_path.as_deref()),
        )
        .with(
            "local_address_ip_version",
            options.local_address_ip_version.clone(),
        )
}

fn with_log_and_node(object: Json, options: &Options) -> Json {
    let format = options.log_format.clone();
    object
        .with("log_level", options.log_level.as_str())
        .with("component_log_level", options.component_log_level.clone())
        .with(
            "log_format",
            format.unwrap_or_else(|| log::DEFAULT_FORMAT.to_string()),
        )
        .with("log_path", path(options.log_path.as_deref()))
        .with("service_cluster", options.service_cluster.clone())
        .with("service_node", options.service_node.clone())
        .with("service_zone", options.service_zone.clone())
}

fn with_times(object: Json, options: &Options) -> Json {
    let mode = match options.mode {
        cli::Mode::Serve => "Serve",
        cli::Mode::Validate => "Validate",
        cli::Mode::InitOnly => "InitOnly",
    };
    let flush_s = f64::from(options.file_flush_interval_msec) / 1000.0;
    object
        .with("file_flush_interval", format!("{flush_s}s"))
        .with("drain_time", format!("{}s", options.drain_time_s))
        .with(
            "parent_shutdown_time",
            format!("{}s", options.parent_shutdown_time_s),
        )
        .with("mode", mode)
        .with("disable_hot_restart", options.disable_hot_restart)
        .with("enable_mutex_tracing", options.enable_mutex_tracing)
        .with("restart_epoch", options.restart_epoch)
        .with("cpuset_threads", options.cpuset_threads)
}

fn with_extensions_and_base_id(object: Json, options: &Options) -> Json {
    let disabled = options.disabled_extensions.iter().map(String::as_str);
    let drain_strategy = match options.drain_strategy == "immediate" {
        true => "Immediate",
        false => "Gradual",
    };
    object
        .with(
            "reject_unknown_dynamic_fields",
            options.reject_unknown_dynamic_fields,
        )
        .with("log_format_escaped", options.log_format_escaped)
        .with("disabled_extensions", strings(disabled))
        .with(
            "ignore_unknown_dynamic_fields",
            options.ignore_unknown_dynamic_fields,
        )
        .with("use_dynamic_base_id", options.use_dynamic_base_id)
        .with("base_id_path", path(options.base_id_path.as_deref()))
        .with("drain_strategy", drain_strategy)
        .with(
            "enable_fine_grain_logging",
            options.enable_fine_grain_logging,
        )
}

fn with_sockets_and_stats(object: Json, options: &Options) -> Json {
    let tags = options.stats_tags.iter();
    let tags: Vec<_> = tags
        .map(|tag| format!("{}:{}", tag.name, tag.value))
        .collect();
    object
        .with("socket_path", options.socket_path.clone())
        .with("socket_mode", options.socket_mode)
        .with("enable_core_dump", options.enable_core_dump)
        .with("stats_tag", strings(tags.iter().map(String::as_str)))
        .with(
            "skip_hot_restart_on_no_parent",
            options.skip_hot_restart_on_no_parent,
        )
        .with(
            "skip_hot_restart_parent_stats",
            options.skip_hot_restart_parent_stats,
        )
        .with("skip_deprecated_logs", options.skip_deprecated_logs)
        .with(
            "file_flush_min_size",
            Json::Number(f64::from(options.file_flush_min_size_kb)),
        )
        .with(
            "log_stacktrace_single_entry",
            options.log_stacktrace_single_entry,
        )
}

fn path(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn strings<'a>(texts: impl Iterator<Item = &'a str>) -> Json {
    Json::List(texts.map(Json::from).collect())
}
