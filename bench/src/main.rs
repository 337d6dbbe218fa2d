//! Compares Nuncio with Envoy, HAProxy and nginx: CPU, latency, memory, time to be ready.
//!
//! See README.md beside this package. Everything runs on loopback, is bounded in time, and is
//! killed at the end, also when the bench is interrupted. Linux only: it reads `/proc`.

#![forbid(unsafe_code)]

mod bars;
mod exchange;
mod http2;
mod json;
mod load;
mod machine;
mod measure;
mod options;
mod origin;
mod process;
mod procfs;
mod profile;
mod proxies;
mod relay;
mod report;
mod running;
mod samples;
mod statistics;
mod tls;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{io, thread};

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use machine::Scratch;
use measure::{
    Bench, clusters, instructions, memory, observed, protocols, ready, routes, scrape, throughput,
};
use options::{Command, CommandLine, CompareOptions, OriginOptions, ProfileOptions, Section};
use proxies::{Kind, Proxy};
use running::Site;
use samples::{PROGRAM_MIB, Samples};
use tls::Pair;

/// Connections that a proxy needs beside the idle ones.
const OTHER_CONNECTIONS: u32 = 100;
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = match &line.command {
        Some(Command::Launch(launch)) => Err(process::become_program(launch).into()),
        Some(Command::Origin(options)) => serve_origin(options),
        Some(Command::Relay(options)) => relay::run(&options.config)
            .map(|()| true)
            .map_err(Into::into),
        Some(Command::Profile(options)) => count_instructions(options),
        None => compare(&line.compare),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("nuncio-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Takes all measurements; returns false when bars were to be checked and not all were passed.
fn compare(options: &CompareOptions) -> Result<bool, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    end_everything_on_signals(scratch.path())?;
    let mut bench = prepare(options, &scratch)?;
    let (few, many) = if options.quick { (1, 5) } else { (3, 15) };
    throughput::run(&mut bench, options);
    protocols::run(&mut bench, options);
    if options.wants(Section::Observed) {
        observed::run(&mut bench, options);
    }
    if options.wants(Section::Routes) {
        routes::run(&mut bench, options);
    }
    if options.wants(Section::Idle) {
        memory::at_rest(&mut bench, few);
    }
    if options.wants(Section::Connections) {
        let most = bench.site.max_connections.saturating_sub(OTHER_CONNECTIONS);
        let count = options.idle_connections.min(most);
        memory::idle_connection(&mut bench, count, few);
    }
    if options.wants(Section::Ready) {
        ready::run(&mut bench, many);
    }
    if options.wants(Section::Clusters) {
        clusters::run(&mut bench, few);
    }
    if options.wants(Section::Scrape) {
        scrape::run(&mut bench, few);
    }
    if options.wants(Section::Instructions) {
        instructions::run(&mut bench);
    }
    report::print(&bench);
    let passed = !options.check || report::print_bars(&bench.samples);
    let path = report::write_json(&bench, &options.results)?;
    println!("\nwritten to {}", path.display());
    Ok(passed)
}

fn prepare(options: &CompareOptions, scratch: &Scratch) -> Result<Bench, Box<dyn Error>> {
    let mut samples = Samples::default();
    let mut proxies = Vec::new();
    for kind in &options.proxies {
        match Proxy::find(*kind, &options.binaries) {
            Ok(proxy) => proxies.push(proxy),
            Err(error) if *kind == Kind::Nuncio => return Err(format!("nuncio: {error}").into()),
            Err(error) => samples.note(format!("{}: skipped, {error}", kind.name())),
        }
    }
    for proxy in &proxies {
        let bytes = fs::metadata(&proxy.program)?.len();
        samples.add(
            PROGRAM_MIB,
            proxy.kind,
            0,
            bytes as f64 / f64::from(1 << 20),
        );
    }
    let core = machine::split_cores()?;
    if core.is_none() {
        samples.note("there is one core only: proxy and load share it".into());
    }
    let pair = Pair::new()?;
    pair.write(&scratch.path().join("pair.pem"))?;
    let site = Site {
        core,
        tls: pair.client()?,
        folder: PathBuf::from(scratch.path()),
        max_connections: machine::max_connections(),
        origin_port: origin::start(0)?.port(),
    };
    Ok(Bench {
        site,
        proxies,
        samples,
    })
}

fn count_instructions(options: &ProfileOptions) -> Result<bool, Box<dyn Error>> {
    let scratch = Scratch::new()?;
    end_everything_on_signals(scratch.path())?;
    profile::run(options, &scratch)?;
    Ok(true)
}

fn serve_origin(options: &OriginOptions) -> Result<bool, Box<dyn Error>> {
    println!("origin on {}", origin::start(options.port)?);
    loop {
        thread::park();
    }
}

fn end_everything_on_signals(scratch: &Path) -> Result<(), Box<dyn Error>> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let scratch = scratch.to_owned();
    let wait = move || {
        if signals.forever().next().is_some() {
            process::kill_all();
            // What is left is in the system's folder for temporary files.
            let _ = fs::remove_dir_all(&scratch);
            eprintln!("nuncio-bench: interrupted, every proxy was killed");
            std::process::exit(INTERRUPTED);
        }
    };
    let started: io::Result<_> = thread::Builder::new().name("signals".into()).spawn(wait);
    started?;
    Ok(())
}
