//! The options that the flags make, checked in Envoy's order and with its texts.

use std::path::PathBuf;

use super::parse::Given;
use super::{ErrorFormat, Instead, LogLevel, Mode};
use crate::log::loggers;

/// Until when a hot restart's parent is shut down; Envoy's default.
const PARENT_SHUTDOWN_TIME_S: u32 = 900;
/// Where the processes of a hot restart meet; Envoy's default.
const SOCKET_PATH: &str = "@envoy_domain_socket";

/// What `nuncio` was told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-c`, `--config-path`.
    pub config_path: Option<PathBuf>,
    /// `--config-yaml`.
    pub config_yaml: Option<String>,
    /// `--mode`.
    pub mode: Mode,
    /// `--concurrency`, at least 1; unless given, as many as the machine has CPUs, or with `--cpuset-threads` as many
    /// as the process may run on.
    pub concurrency: Option<u32>,
    /// Whether `--concurrency` was given.
    pub concurrency_given: bool,
    /// `-l`, `--log-level`.
    pub log_level: LogLevel,
    /// `--component-log-level` as written.
    pub component_log_level: String,
    /// `--component-log-level`, read.
    pub component_levels: Vec<ComponentLevel>,
    /// `--log-format`.
    pub log_format: Option<String>,
    /// `--log-format-escaped`.
    pub log_format_escaped: bool,
    /// `--log-path`.
    pub log_path: Option<PathBuf>,
    /// `--enable-fine-grain-logging`.
    pub enable_fine_grain_logging: bool,
    /// `--log-stacktrace-single-entry`.
    pub log_stacktrace_single_entry: bool,
    /// `--service-cluster`.
    pub service_cluster: String,
    /// `--service-node`.
    pub service_node: String,
    /// `--service-zone`.
    pub service_zone: String,
    /// `--admin-address-path`.
    pub admin_address_path: Option<PathBuf>,
    /// `--file-flush-interval-msec`.
    pub file_flush_interval_msec: u32,
    /// `--file-flush-min-size-kb`.
    pub file_flush_min_size_kb: u32,
    /// `--drain-time-s`.
    pub drain_time_s: u32,
    /// `--drain-strategy`: `gradual` or `immediate`.
    pub drain_strategy: String,
    /// `--parent-shutdown-time-s`.
    pub parent_shutdown_time_s: u32,
    /// `--base-id`.
    pub base_id: u32,
    /// `--use-dynamic-base-id`.
    pub use_dynamic_base_id: bool,
    /// `--base-id-path`.
    pub base_id_path: Option<PathBuf>,
    /// `--restart-epoch`.
    pub restart_epoch: u32,
    /// `--disable-hot-restart`.
    pub disable_hot_restart: bool,
    /// `--skip-hot-restart-on-no-parent`.
    pub skip_hot_restart_on_no_parent: bool,
    /// `--skip-hot-restart-parent-stats`.
    pub skip_hot_restart_parent_stats: bool,
    /// `--socket-path`.
    pub socket_path: String,
    /// `--socket-mode`; 0 where the path is an abstract one.
    pub socket_mode: u32,
    /// `--local-address-ip-version`: `v4` or `v6`.
    pub local_address_ip_version: String,
    /// `--allow-unknown-static-fields`, or `--allow-unknown-fields`.
    pub allow_unknown_static_fields: bool,
    /// `--allow-unknown-fields`, the old name.
    pub allow_unknown_fields: bool,
    /// `--reject-unknown-dynamic-fields`.
    pub reject_unknown_dynamic_fields: bool,
    /// `--ignore-unknown-dynamic-fields`.
    pub ignore_unknown_dynamic_fields: bool,
    /// `--skip-deprecated-logs`.
    pub skip_deprecated_logs: bool,
    /// `--disable-extensions`, split at commas.
    pub disabled_extensions: Vec<String>,
    /// `--cpuset-threads`.
    pub cpuset_threads: bool,
    /// `--enable-mutex-tracing`.
    pub enable_mutex_tracing: bool,
    /// `--enable-core-dump`.
    pub enable_core_dump: bool,
    /// `--stats-tag`, each.
    pub stats_tags: Vec<StatsTag>,
    /// `--allow-unsupported`.
    pub allow_unsupported: bool,
    /// `--watch`: reload the configuration whenever its file changes.
    pub watch: bool,
    /// `--config-env`.
    pub config_env: bool,
    /// `--error-format`.
    pub error_format: ErrorFormat,
}

/// One `name:level` of `--component-log-level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentLevel {
    /// The logger.
    pub logger: String,
    /// What it logs.
    pub level: LogLevel,
}

/// A tag that all stats have: `--stats-tag name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsTag {
    /// Letters, digits and underscores.
    pub name: String,
    /// Anything without a dot.
    pub value: String,
}

impl Default for Options {
    /// What no arguments mean.
    fn default() -> Options {
        Options::unchecked(&Given::default())
    }
}

fn wrong<T>(text: impl std::fmt::Display) -> Result<T, Instead> {
    Err(Instead::Wrong(format!("{text}\n")))
}

impl Options {
    /// How many workers there are: as asked, or as many as the machine has CPUs.
    pub(crate) fn workers(&self) -> usize {
        let machine = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.concurrency
            .map_or(machine, |asked| usize::try_from(asked).unwrap_or(1))
            .max(1)
    }

    /// Checks what was given, in Envoy's order.
    pub(super) fn of(given: &Given) -> Result<Options, Instead> {
        let mut options = Options::unchecked(given);
        options.log_level = log_level(given)?;
        options.component_levels = component_levels(&options)?;
        options.mode = mode(given)?;
        check_ip_version(&options)?;
        if options.use_dynamic_base_id && options.restart_epoch > 0 {
            return wrong(format_args!(
                "error: cannot use --restart-epoch={} with --use-dynamic-base-id",
                options.restart_epoch
            ));
        }
        options.socket_mode = socket_mode(given, &options.socket_path)?;
        check_drain_strategy(given, &options)?;
        if given.has("hot-restart-version") {
            let version = match options.disable_hot_restart {
                true => "disabled",
                false => crate::HOT_RESTART_VERSION,
            };
            return Err(Instead::Aside(version.to_owned()));
        }
        options.stats_tags = stats_tags(given)?;
        options.error_format = error_format(given)?;
        Ok(options)
    }

    /// What needs no check, and defaults for the rest.
    fn unchecked(given: &Given) -> Options {
        let path = |long| {
            given
                .text(long)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        let text = |long| given.text(long).unwrap_or_default();
        let or = |long, default: &str| given.text(long).unwrap_or_else(|| default.to_owned());
        Options {
            config_path: path("config-path"),
            config_yaml: given.text("config-yaml").filter(|yaml| !yaml.is_empty()),
            mode: Mode::Serve,
            concurrency_given: given.has("concurrency"),
            concurrency: Some(concurrency(given)),
            log_level: LogLevel::Info,
            component_log_level: text("component-log-level"),
            component_levels: Vec::new(),
            log_format: given.text("log-format"),
            log_format_escaped: given.has("log-format-escaped"),
            log_path: path("log-path"),
            enable_fine_grain_logging: given.has("enable-fine-grain-logging"),
            log_stacktrace_single_entry: given.has("log-stacktrace-single-entry"),
            service_cluster: text("service-cluster"),
            service_node: text("service-node"),
            service_zone: text("service-zone"),
            admin_address_path: path("admin-address-path"),
            file_flush_interval_msec: given.number("file-flush-interval-msec").unwrap_or(10_000),
            file_flush_min_size_kb: given.number("file-flush-min-size-kb").unwrap_or(64),
            drain_time_s: given.number("drain-time-s").unwrap_or(600),
            drain_strategy: or("drain-strategy", "gradual"),
            parent_shutdown_time_s: given
                .number("parent-shutdown-time-s")
                .unwrap_or(PARENT_SHUTDOWN_TIME_S),
            base_id: given.number("base-id").unwrap_or(0),
            use_dynamic_base_id: given.has("use-dynamic-base-id"),
            base_id_path: path("base-id-path"),
            restart_epoch: given.number("restart-epoch").unwrap_or(0),
            disable_hot_restart: given.has("disable-hot-restart"),
            skip_hot_restart_on_no_parent: given.has("skip-hot-restart-on-no-parent"),
            skip_hot_restart_parent_stats: given.has("skip-hot-restart-parent-stats"),
            socket_path: or("socket-path", SOCKET_PATH),
            socket_mode: 0,
            local_address_ip_version: or("local-address-ip-version", "v4"),
            allow_unknown_static_fields: given.has("allow-unknown-static-fields")
                || given.has("allow-unknown-fields"),
            allow_unknown_fields: given.has("allow-unknown-fields"),
            reject_unknown_dynamic_fields: given.has("reject-unknown-dynamic-fields"),
            ignore_unknown_dynamic_fields: given.has("ignore-unknown-dynamic-fields"),
            skip_deprecated_logs: given.has("skip-deprecated-logs"),
            disabled_extensions: disabled_extensions(given),
            cpuset_threads: given.has("cpuset-threads"),
            enable_mutex_tracing: given.has("enable-mutex-tracing"),
            enable_core_dump: given.has("enable-core-dump"),
            stats_tags: Vec::new(),
            allow_unsupported: given.has("allow-unsupported"),
            watch: given.has("watch"),
            config_env: given.has("config-env"),
            error_format: ErrorFormat::Text,
        }
    }

    /// What is odd in the command line, in Envoy's words.
    pub fn warnings(&self) -> Vec<&'static str> {
        let both = "Both --concurrency and --cpuset-threads options are set; not applying --cpuset-threads.";
        let old =
            "--allow-unknown-fields is deprecated, use --allow-unknown-static-fields instead.";
        let odd = [
            (self.concurrency_given && self.cpuset_threads, both),
            (self.allow_unknown_fields && !self.skip_deprecated_logs, old),
        ];
        odd.into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, text)| text)
            .collect()
    }

    /// Whether the command line names a configuration.
    pub fn has_config(&self) -> bool {
        self.config_path.is_some() || self.config_yaml.is_some()
    }

    /// The flags that were given and that nothing acts on yet.
    pub fn not_acted_on(&self) -> Vec<&'static str> {
        let given = [
            (
                self.enable_fine_grain_logging,
                "--enable-fine-grain-logging",
            ),
            (
                self.log_stacktrace_single_entry,
                "--log-stacktrace-single-entry",
            ),
            (self.enable_mutex_tracing, "--enable-mutex-tracing"),
            (self.enable_core_dump, "--enable-core-dump"),
        ];
        let acted_on_by_nothing = given.into_iter().filter(|(given, _)| *given);
        acted_on_by_nothing.map(|(_, flag)| flag).collect()
    }
}

fn concurrency(given: &Given) -> u32 {
    let of_process = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let of_machine = || {
        let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN);
        online
            .ok()
            .flatten()
            .and_then(|count| u32::try_from(count).ok())
    };
    let chosen = match given.number("concurrency") {
        Some(number) => number,
        None if given.has("cpuset-threads") => u32::try_from(of_process()).unwrap_or(1),
        None => of_machine().unwrap_or(1),
    };
    chosen.max(1)
}

fn level(word: &str) -> Result<LogLevel, Instead> {
    match LogLevel::of(word) {
        Some(level) => Ok(level),
        None => wrong(format_args!("error: invalid log level specified '{word}'")),
    }
}

fn log_level(given: &Given) -> Result<LogLevel, Instead> {
    match given.text("log-level") {
        Some(word) => level(&word),
        None => Ok(LogLevel::Info),
    }
}

fn component_levels(options: &Options) -> Result<Vec<ComponentLevel>, Instead> {
    let written = &options.component_log_level;
    if options.enable_fine_grain_logging && !written.is_empty() {
        return wrong(
            "error: --component-log-level will not work with --enable-fine-grain-logging",
        );
    }
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let one = |pair: &str| {
        let mut parts = pair.split(':');
        let (Some(logger), Some(word), None) = (parts.next(), parts.next(), parts.next()) else {
            return wrong(format_args!(
                "error: component log level not correctly specified '{pair}'"
            ));
        };
        let level = level(word)?;
        if !loggers::NAMES.contains(&logger) {
            return wrong(format_args!(
                "error: invalid component specified '{logger}'"
            ));
        }
        Ok(ComponentLevel {
            logger: logger.to_owned(),
            level,
        })
    };
    written.split(',').map(one).collect()
}

fn mode(given: &Given) -> Result<Mode, Instead> {
    match given.text("mode").as_deref() {
        None | Some("serve") => Ok(Mode::Serve),
        Some("validate") => Ok(Mode::Validate),
        Some("init_only") => Ok(Mode::InitOnly),
        Some(other) => wrong(format_args!("error: unknown mode '{other}'")),
    }
}

fn check_ip_version(options: &Options) -> Result<(), Instead> {
    match options.local_address_ip_version.as_str() {
        "v4" | "v6" => Ok(()),
        other => wrong(format_args!("error: unknown IP address version '{other}'")),
    }
}

/// The permissions of the hot restart's socket, in octal; an abstract socket has none.
fn socket_mode(given: &Given, socket_path: &str) -> Result<u32, Instead> {
    if socket_path.starts_with('@') {
        return Ok(0);
    }
    let written = given.text("socket-mode").unwrap_or_else(|| "600".into());
    match u64::from_str_radix(&written, 8) {
        // Only the lower bits are permissions.
        Ok(mode) => Ok(u32::try_from(mode & 0xffff_ffff).unwrap_or(0)),
        Err(_) => wrong(format_args!("error: invalid socket-mode '{written}'")),
    }
}

/// Envoy's text names the mode where it means the strategy.
fn check_drain_strategy(given: &Given, options: &Options) -> Result<(), Instead> {
    match options.drain_strategy.as_str() {
        "gradual" | "immediate" => Ok(()),
        _ => wrong(format_args!(
            "error: unknown drain-strategy '{}'",
            given.text("mode").unwrap_or_else(|| "serve".into())
        )),
    }
}

fn disabled_extensions(given: &Given) -> Vec<String> {
    let written = given.text("disable-extensions").unwrap_or_default();
    let names = written.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn stats_tags(given: &Given) -> Result<Vec<StatsTag>, Instead> {
    let one = |pair: String| {
        let Some((name, value)) = pair.split_once(':') else {
            return wrong(format_args!("error: misformatted stats-tag '{pair}'"));
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric();
        let bad = match name {
            _ if !name.bytes().all(is_name) => Some(name),
            _ if value.is_empty() || value.contains('.') => Some(value),
            _ => None,
        };
        match bad {
            Some(bad) => wrong(format_args!(
                "error: misformatted stats-tag '{pair}' contains invalid char in '{bad}'"
            )),
            None => Ok(StatsTag {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
        }
    };
    given.texts("stats-tag").into_iter().map(one).collect()
}

fn error_format(given: &Given) -> Result<ErrorFormat, Instead> {
    match given.text("error-format").as_deref() {
        None | Some("text") => Ok(ErrorFormat::Text),
        Some("json") => Ok(ErrorFormat::Json),
        Some(other) => wrong(format_args!("error: unknown error-format '{other}'")),
    }
}
