//! The command line: Envoy 1.40's flags, and Nuncio's own.
//!
//! What a flag asks for and Nuncio can't do yet is said once at start ([`Options::not_acted_on`]), never
//! swallowed. Envoy accepts both `--flag value` and `--flag=value`; so do we.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

/// What `nuncio` was told on its command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "nuncio",
    version,
    about = "An Envoy-compatible proxy. Without arguments it runs a demo."
)]
pub struct Options {
    /// Path to configuration file
    #[arg(short = 'c', long)]
    pub config_path: Option<PathBuf>,
    /// Inline YAML configuration, merges with the contents of --config-path
    #[arg(long)]
    pub config_yaml: Option<String>,
    /// 'serve' (validate configs and then serve traffic), 'validate' (validate configs and exit) or 'init_only'
    #[arg(long, value_enum, default_value_t = Mode::Serve)]
    pub mode: Mode,
    /// # of worker threads to run; as many as the machine has CPUs by default
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Log levels: [trace][debug][info][warning|warn][error][critical][off]
    #[arg(short = 'l', long, default_value = "info", value_parser = parse_level)]
    pub log_level: LogLevel,
    /// Comma-separated list of component log levels. For example upstream:debug,config:trace
    #[arg(long, default_value = "")]
    pub component_log_level: String,
    /// Log message format in spdlog syntax
    #[arg(long)]
    pub log_format: Option<String>,
    /// Escape c-style escape sequences in the application logs
    #[arg(long)]
    pub log_format_escaped: bool,
    /// Path to logfile
    #[arg(long)]
    pub log_path: Option<PathBuf>,
    /// Logger mode: enable file level log control (Fine-Grain Logger) or not
    #[arg(long)]
    pub enable_fine_grain_logging: bool,
    /// Cluster name
    #[arg(long, default_value = "")]
    pub service_cluster: String,
    /// Node name
    #[arg(long, default_value = "")]
    pub service_node: String,
    /// Zone name
    #[arg(long, default_value = "")]
    pub service_zone: String,
    /// Admin address path
    #[arg(long)]
    pub admin_address_path: Option<PathBuf>,
    /// Interval for log flushing in msec
    #[arg(long, default_value_t = 10_000)]
    pub file_flush_interval_msec: u32,
    /// Minimum size in KB for log flushing
    #[arg(long, default_value_t = 64)]
    pub file_flush_min_size_kb: u32,
    /// Hot restart and LDS removal drain time in seconds
    #[arg(long, default_value_t = 600)]
    pub drain_time_s: u32,
    /// Hot restart drain sequence behaviour, one of 'gradual' (default) or 'immediate'
    #[arg(long, default_value = "gradual", value_parser = ["gradual", "immediate"])]
    pub drain_strategy: String,
    /// Hot restart parent shutdown time in seconds
    #[arg(long, default_value_t = 900)]
    pub parent_shutdown_time_s: u32,
    /// Base ID so that multiple envoys can run on the same host if needed
    #[arg(long, default_value_t = 0)]
    pub base_id: u32,
    /// The server chooses a base ID dynamically
    #[arg(long)]
    pub use_dynamic_base_id: bool,
    /// Path to which the base ID is written
    #[arg(long)]
    pub base_id_path: Option<PathBuf>,
    /// Hot restart epoch #
    #[arg(long, default_value_t = 0)]
    pub restart_epoch: u32,
    /// Disable hot restart functionality
    #[arg(long)]
    pub disable_hot_restart: bool,
    /// Continue with a regular startup where no parent answers
    #[arg(long)]
    pub skip_hot_restart_on_no_parent: bool,
    /// Reset all stats in the child process of a hot restart
    #[arg(long)]
    pub skip_hot_restart_parent_stats: bool,
    /// Hot restart compatibility version
    #[arg(long)]
    pub hot_restart_version: bool,
    /// Path to hot restart socket file
    #[arg(long, default_value = "@envoy_domain_socket")]
    pub socket_path: String,
    /// Socket file permission
    #[arg(long, default_value = "600")]
    pub socket_mode: String,
    /// The local IP address version (v4 or v6)
    #[arg(long, default_value = "v4", value_parser = ["v4", "v6"])]
    pub local_address_ip_version: String,
    /// Allow unknown fields in static configuration (DEPRECATED)
    #[arg(long)]
    pub allow_unknown_fields: bool,
    /// Allow unknown fields in static configuration
    #[arg(long)]
    pub allow_unknown_static_fields: bool,
    /// Reject unknown fields in dynamic configuration
    #[arg(long)]
    pub reject_unknown_dynamic_fields: bool,
    /// Ignore unknown fields in dynamic configuration
    #[arg(long)]
    pub ignore_unknown_dynamic_fields: bool,
    /// Skips the logging of deprecated field warnings during Protobuf message validation
    #[arg(long)]
    pub skip_deprecated_logs: bool,
    /// Comma-separated list of extensions to disable
    #[arg(long, default_value = "")]
    pub disable_extensions: String,
    /// Get the default # of worker threads from cpuset size
    #[arg(long)]
    pub cpuset_threads: bool,
    /// Enable mutex contention tracing functionality
    #[arg(long)]
    pub enable_mutex_tracing: bool,
    /// Enable core dumps
    #[arg(long)]
    pub enable_core_dump: bool,
    /// Emit the entire stack trace in a single log entry
    #[arg(long)]
    pub log_stacktrace_single_entry: bool,
    /// A universal tag for all stats, `tag:value`; may be repeated
    #[arg(long, action = ArgAction::Append)]
    pub stats_tag: Vec<String>,
    /// Nuncio's own: warn about what is not supported yet instead of refusing it
    #[arg(long)]
    pub allow_unsupported: bool,
    /// Nuncio's own: reload the configuration file whenever it changes
    #[arg(long)]
    pub watch: bool,
    /// Nuncio's own: the form of config errors, for people or for machines
    #[arg(long, value_enum, default_value_t = ErrorFormat::Text)]
    pub error_format: ErrorFormat,
}

/// What the process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mode {
    /// Serve traffic.
    Serve,
    /// Check the configuration and exit.
    Validate,
    /// Set everything up and exit.
    InitOnly,
}

/// How config errors are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorFormat {
    /// With the source line and a caret.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What may be wrong.
    Warning,
    /// What is wrong.
    Error,
    /// What ends the process.
    Critical,
    /// Nothing.
    Off,
}

impl LogLevel {
    /// All levels, most talkative first.
    pub const ALL: [LogLevel; 7] = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warning,
        LogLevel::Error,
        LogLevel::Critical,
        LogLevel::Off,
    ];

    /// Envoy's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
            LogLevel::Off => "off",
        }
    }
}

fn parse_level(text: &str) -> Result<LogLevel, String> {
    Ok(match text {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warning" | "warn" => LogLevel::Warning,
        "error" => LogLevel::Error,
        "critical" => LogLevel::Critical,
        "off" => LogLevel::Off,
        other => return Err(format!("error: invalid log level specified '{other}'")),
    })
}

impl Options {
    /// Whether the command line names a configuration.
    pub fn has_config(&self) -> bool {
        self.config_path.is_some() || self.config_yaml.is_some()
    }

    /// The flags that were given and that nothing acts on yet.
    pub fn not_acted_on(&self) -> Vec<&'static str> {
        let given = [
            (
                !self.component_log_level.is_empty(),
                "--component-log-level",
            ),
            (self.log_format.is_some(), "--log-format"),
            (self.log_format_escaped, "--log-format-escaped"),
            (
                self.enable_fine_grain_logging,
                "--enable-fine-grain-logging",
            ),
            (self.restart_epoch != 0, "--restart-epoch"),
            (
                self.skip_hot_restart_on_no_parent,
                "--skip-hot-restart-on-no-parent",
            ),
            (
                self.skip_hot_restart_parent_stats,
                "--skip-hot-restart-parent-stats",
            ),
            (self.base_id_path.is_some(), "--base-id-path"),
            (
                self.reject_unknown_dynamic_fields,
                "--reject-unknown-dynamic-fields",
            ),
            (
                self.ignore_unknown_dynamic_fields,
                "--ignore-unknown-dynamic-fields",
            ),
            (!self.disable_extensions.is_empty(), "--disable-extensions"),
            (self.cpuset_threads, "--cpuset-threads"),
            (self.enable_mutex_tracing, "--enable-mutex-tracing"),
            (self.enable_core_dump, "--enable-core-dump"),
            (!self.stats_tag.is_empty(), "--stats-tag"),
            (self.allow_unknown_fields, "--allow-unknown-fields"),
            (
                self.allow_unknown_static_fields,
                "--allow-unknown-static-fields",
            ),
        ];
        given
            .into_iter()
            .filter(|(given, _)| *given)
            .map(|(_, flag)| flag)
            .collect()
    }
}
