//! The process: command line, bootstrap, workers, admin and life cycle.
#![forbid(unsafe_code)]

pub mod admin;
mod admin_service;
mod bootstrap;
pub mod cli;
mod clusters;
mod commands;
mod config;
mod demo;
pub mod explain;
pub mod fuzz;
pub mod json;
mod listener;
mod log;
mod main_thread;
mod memory;
mod number;
mod reading;
mod reload;
mod resource;
mod running;
mod semantics;
mod server_state;
mod workers;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};
use nuncio_config::report::Style;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_upstream::ClusterManager;

use bootstrap::{Compiled, Findings, Surroundings};
use cli::{ErrorFormat, Mode, Options};

/// The version in the form of Envoy's: revision, the version that we are compatible with, and so on.
pub const VERSION: &str = concat!(
    "nuncio/",
    env!("CARGO_PKG_VERSION"),
    "/1.40.0/Clean/RELEASE/rustls-aws-lc"
);

/// Runs the process to its end.
pub fn run(extensions: Extensions) -> ExitCode {
    nuncio_net::machine::use_small_pages();
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some((name, rest)) = arguments.get(1..).and_then(<[_]>::split_first)
        && let Some(command) = commands::named(name)
    {
        return (command.run)(rest, &extensions);
    }
    if arguments
        .iter()
        .skip(1)
        .any(|argument| argument == "--version")
    {
        println!("nuncio  version: {VERSION}");
        return ExitCode::SUCCESS;
    }
    let parser = Options::command().after_help(format!("Commands:\n{}", commands::help()));
    let parsed = parser.try_get_matches_from(&arguments);
    let options = match parsed.and_then(|parsed| Options::from_arg_matches(&parsed)) {
        Ok(options) => options,
        Err(error) => {
            let _broken_pipe_is_no_news = error.print();
            return if error.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if options.hot_restart_version {
        println!("disabled");
        return ExitCode::SUCCESS;
    }
    match with_options(&options, &extensions, arguments.len() == 1) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

fn with_options(options: &Options, extensions: &Extensions, is_demo: bool) -> Result<(), ()> {
    let file = match &options.log_path {
        None => None,
        Some(path) => match std::fs::File::options()
            .append(true)
            .create(true)
            .open(path)
        {
            Ok(file) => Some(file),
            Err(error) => {
                eprintln!("Failed to open log-file '{}'. {error}", path.display());
                return Err(());
            }
        },
    };
    log::configure(options.log_level, file);
    for flag in options.not_acted_on() {
        log::warning(
            "main",
            &format!("{flag} is accepted, but does nothing in Nuncio yet"),
        );
    }
    let stats = StatsStore::default();
    let workers = main_thread::concurrency(options.concurrency);
    let _listed_as_long_as_the_process_lives =
        nuncio_contract::stats::groups::register_process(&stats, workers);
    let manager = Arc::new(ClusterManager::new(stats.clone()));
    let around = Surroundings {
        options,
        extensions,
        manager: &manager,
        stats: &stats,
    };
    if is_demo {
        return demo::run(&around);
    }
    if !options.has_config() {
        log::critical(
            "main",
            "error initializing configuration '': At least one of --config-path or --config-yaml or \
             Options::configProto() should be non-empty",
        );
        return Err(());
    }
    let file = reload::config_file(options);
    let (compiled, findings) =
        bootstrap::compile(&around).map_err(|findings| refuse(options, &findings))?;
    tell(options, &findings);
    match options.mode {
        Mode::Validate => {
            println!("configuration '{}' OK", config_name(options));
            Ok(())
        }
        Mode::Serve | Mode::InitOnly => serve(&around, compiled, file),
    }
}

fn serve(
    around: &Surroundings<'_>,
    compiled: Compiled,
    file: Option<reload::ConfigFile>,
) -> Result<(), ()> {
    main_thread::run(around, compiled, file).map_err(|error| log::critical("main", &error))
}

/// Prints every finding of a refused config, then Envoy's summary.
fn refuse(options: &Options, findings: &Findings) {
    eprint!("{}", findings.render(style(options)));
    log::critical(
        "main",
        &format!(
            "error initializing configuration '{}': {}",
            config_name(options),
            findings.first_error()
        ),
    );
}

/// Prints warnings and what the upgrade from v2 changed.
fn tell(options: &Options, findings: &Findings) {
    if !findings.is_empty() {
        eprint!("{}", findings.render(style(options)));
    }
    if !findings.changes.is_empty() {
        log::warning("config", "the v2 configuration was upgraded to v3:");
        eprint!("{}", findings.render_changes());
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
