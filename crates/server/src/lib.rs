//! The process: command line, bootstrap, workers, admin and life cycle.
#![forbid(unsafe_code)]

pub mod admin;
mod admin_service;
mod agents;
mod bootstrap;
pub mod cli;
mod clusters;
mod commands;
mod config;
mod demo;
mod disabled;
pub mod explain;
pub mod fuzz;
mod hds;
mod hot_restart;
pub mod json;
mod listener;
mod live_connections;
mod log;
mod lrs;
mod main_thread;
mod memory;
mod message_tree;
mod node;
mod number;
mod outlier_log;
mod overload;
mod process_options;
mod reading;
mod reload;
mod resource;
mod resource_name;
mod running;
mod runtime;
mod semantics;
mod server_state;
mod stat_sinks;
mod statm;
mod watchdog;
mod workers;
mod xds;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::report::Style;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_upstream::ClusterManager;

use bootstrap::{Findings, SecretShelf, Surroundings};
use cli::{ErrorFormat, Instead, Mode, Options};
use hot_restart::HotRestart;

/// The version in the form of Envoy's: revision, the version that we are compatible with, and so on.
pub const VERSION: &str = concat!(
    "nuncio/",
    env!("CARGO_PKG_VERSION"),
    "/1.40.0/Clean/RELEASE/rustls-aws-lc"
);

/// What processes must agree on to restart hot, to be compared as a text.
pub const HOT_RESTART_VERSION: &str = "nuncio.1";

/// Runs the process to its end.
pub fn run(extensions: Extensions) -> ExitCode {
    nuncio_net::machine::use_small_pages();
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some((name, rest)) = arguments.get(1..).and_then(<[_]>::split_first)
        && let Some(command) = commands::named(name)
    {
        return (command.run)(rest, &extensions);
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match cli::read(&arguments, VERSION, &commands::help()) {
        Ok(options) => match with_options(&options, &extensions, arguments.len() == 1) {
            Ok(()) => ExitCode::SUCCESS,
            Err(()) => ExitCode::FAILURE,
        },
        Err(Instead::Out(text)) => {
            let mut out = std::io::stdout().lock();
            let _broken_pipe_is_no_news = out.write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Instead::Aside(text)) => {
            eprint!("{text}");
            ExitCode::SUCCESS
        }
        Err(Instead::Wrong(text)) => {
            eprint!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn with_options(options: &Options, extensions: &Extensions, is_demo: bool) -> Result<(), ()> {
    open_log(options)?;
    for warning in options.warnings() {
        log::warning("config", warning);
    }
    for flag in options.not_acted_on() {
        log::warning(
            "main",
            &format!("{flag} is accepted, but does nothing in Nuncio yet"),
        );
    }
    disabled::tell(options, extensions);
    if options.local_address_ip_version == "v6" {
        nuncio_net::machine::prefer_ipv6();
    }
    let stats = StatsStore::default();
    let workers = options.workers();
    let _listed_as_long_as_the_process_lives =
        nuncio_contract::stats::groups::register_process(&stats, workers);
    let manager = Arc::new(ClusterManager::new(stats.clone()));
    let around = Surroundings {
        options,
        extensions,
        manager: &manager,
        stats: &stats,
        runtime: &Rc::default(),
        secrets: SecretShelf::default(),
        channels: nuncio_config::typed::Channels::default(),
    };
    if is_demo {
        return demo::run(&around);
    }
    if !options.has_config() {
        let error = "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty";
        fail(options, error);
        return Err(());
    }
    let hot_restart = take_place(options, &stats)?;
    let file = reload::config_file(options);
    let (compiled, findings) =
        bootstrap::compile(&around).map_err(|findings| refuse(options, &findings))?;
    tell(options, &findings);
    if let Some(format) = &compiled.process.log_format {
        log::set_format(format);
    }
    match options.mode {
        Mode::Validate => {
            let mut listeners = compiled.listeners.iter();
            listeners
                .try_for_each(|resource| running::check_sharing(&resource.listener, workers))
                .map_err(|error| fail(options, &error))?;
            println!("configuration '{}' OK", config_name(options));
            Ok(())
        }
        Mode::Serve | Mode::InitOnly => main_thread::run(&around, compiled, file, hot_restart)
            .map_err(|error| fail(options, &error)),
    }
}

/// Among the processes that follow each other, before anything else is done.
fn take_place(options: &Options, stats: &StatsStore) -> Result<Option<HotRestart>, ()> {
    if options.mode == Mode::Validate {
        return Ok(None);
    }
    let hot_restart = HotRestart::begin(options, stats).map_err(|error| eprintln!("{error}"))?;
    let (base_id, version) = match &hot_restart {
        Some(place) => (place.base_id, HOT_RESTART_VERSION),
        None => (options.base_id, "disabled"),
    };
    let epoch = options.restart_epoch;
    let text =
        format!("initializing epoch {epoch} (base id={base_id}, hot restart version={version})");
    log::info("main", &text);
    Ok(hot_restart)
}

/// Sets levels and format of the log, and where it goes: to its file only when serving.
fn open_log(options: &Options) -> Result<(), ()> {
    log::of_rooms::take();
    log::loggers::set_all(options.log_level);
    for component in &options.component_levels {
        log::loggers::set_level(&component.logger, component.level);
    }
    let path = options.log_path.as_deref();
    let path = path.filter(|_| options.mode != Mode::Validate);
    let format = options.log_format.as_deref();
    log::configure(format, options.log_format_escaped, path).map_err(|error| fail(options, &error))
}

/// Prints every finding of a refused config, then Envoy's summary; for machines the findings are all.
fn refuse(options: &Options, findings: &Findings) {
    eprint!("{}", findings.render(style(options)));
    if style(options) != Style::Json {
        fail(options, &findings.first_error());
    }
}

/// Says in Envoy's words that the process does not come up.
fn fail(options: &Options, error: &str) {
    let path = config_name(options);
    if options.mode == Mode::Validate {
        let text = format!("error initializing configuration '{path}': {error}");
        log::critical("main", &text);
        return;
    }
    let yaml = options.config_yaml.as_deref().unwrap_or_default();
    let text = format!("error `{error}` initializing config ' {yaml} {path}'");
    log::critical("main", &text);
    log::info("main", "exiting");
    eprintln!("{error}");
}

/// Prints warnings and what the upgrade from v2 changed.
fn tell(options: &Options, findings: &Findings) {
    if !findings.is_empty() {
        eprint!("{}", findings.render(style(options)));
    }
    match style(options) {
        _ if findings.changes.is_empty() => {}
        Style::Json => eprint!("{}", findings.changes_for_machines()),
        Style::Plain | Style::Coloured => {
            log::warning("config", "the v2 configuration was upgraded to v3:");
            eprint!("{}", findings.render_changes());
        }
    }
}

fn config_name(options: &Options) -> String {
    options
        .config_path
        .as_ref()
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn style(options: &Options) -> Style {
    match options.error_format {
        ErrorFormat::Json => Style::Json,
        ErrorFormat::Text if std::io::stderr().is_terminal() => Style::Coloured,
        ErrorFormat::Text => Style::Plain,
    }
}
