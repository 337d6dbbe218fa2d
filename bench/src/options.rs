//! The command line of the bench.
//!
//! Everything that costs time is bounded here: rounds, seconds a window, connections.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::proxies::{Binaries, Kind};

/// Compares Nuncio with Envoy, HAProxy and nginx on this machine, over loopback only.
#[derive(Parser)]
#[command(name = "nuncio-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) compare: CompareOptions,
}

/// What else the binary can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Count Nuncio's user instructions per request and list the dearest functions (callgrind).
    Profile(ProfileOptions),
    /// Serve as the bench's origin until ended.
    Origin(OriginOptions),
    /// Pass bytes on and nothing else, with the ports of a configuration.
    #[command(hide = true)]
    Relay(RelayOptions),
    /// Pin this process to a core, then become the given program.
    #[command(hide = true)]
    Launch(LaunchOptions),
}

/// Options of the comparison.
#[derive(Args)]
pub(crate) struct CompareOptions {
    /// Fewer and shorter rounds, and no instruction counts: about two minutes.
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) binaries: Binaries,
    /// The proxies to run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "nuncio,envoy,haproxy,nginx,relay"
    )]
    pub(crate) proxies: Vec<Kind>,
    /// The measurements to take; all of them when not given.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Section>,
    /// Interleaved rounds [default: 7, quick: 3].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rounds: Option<u32>,
    /// Milliseconds of each measured window [default: 1000, quick: 700].
    #[arg(long, value_parser = clap::value_parser!(u64).range(200..=30_000))]
    pub(crate) window_ms: Option<u64>,
    /// Idle connections to open for the memory of one.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=7000))]
    pub(crate) idle_connections: u32,
    /// Compare with the bars and exit with 1 when one is missed or could not be measured.
    #[arg(long)]
    pub(crate) check: bool,
    /// Folder that the JSON goes to.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    pub(crate) results: PathBuf,
}

/// Options of `profile`.
#[derive(Args)]
pub(crate) struct ProfileOptions {
    #[command(flatten)]
    pub(crate) binaries: Binaries,
    /// The proxy to profile.
    #[arg(long, default_value = "nuncio")]
    pub(crate) proxy: Kind,
    /// The load to send.
    #[arg(long, default_value = "h1")]
    pub(crate) load: LoadName,
    /// Requests to count over.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=100_000))]
    pub(crate) requests: u64,
    /// Lines of the profile to print.
    #[arg(long, default_value_t = 40)]
    pub(crate) top: usize,
    /// Keep callgrind's file here.
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
}

/// Options of `origin`.
#[derive(Args)]
pub(crate) struct OriginOptions {
    /// Port on 127.0.0.1; 0 picks a free one and prints it.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
}

/// Options of `relay`.
#[derive(Args)]
pub(crate) struct RelayOptions {
    /// File with the ports of ingress, /ready and origin.
    pub(crate) config: PathBuf,
}

/// Options of `launch`.
#[derive(Args)]
pub(crate) struct LaunchOptions {
    /// The core to run on; any when not given.
    #[arg(long)]
    pub(crate) core: Option<usize>,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) program: Vec<std::ffi::OsString>,
}

/// One measurement that can be asked for by `--only`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// GET, 1 KiB answers, 64 connections.
    H1,
    /// POST with a body of 256 bytes, 1 KiB answers, 64 connections.
    Post,
    /// GET, 64 KiB answers, 64 connections.
    Large,
    /// GET at a fixed rate far below what any of them can do.
    Latency,
    /// GET over HTTP/2, 1 KiB answers, 8 connections of 32 streams.
    H2,
    /// GET over TLS, 1 KiB answers, 64 connections.
    Tls,
    /// GET on a TLS connection of its own each, 8 at once.
    Handshakes,
    /// 1 KiB answers by TCP proxy, 64 connections.
    Tcp,
    /// 16 MiB answers by TCP proxy, 8 connections.
    Bulk,
    /// Memory at rest, with one and two workers.
    Idle,
    /// Memory of an idle connection that has carried one request.
    Connections,
    /// Time from start to /ready on a small configuration.
    Ready,
    /// Time to /ready and memory with 10,000 static clusters.
    Clusters,
    /// /stats/prometheus with 10,000 static clusters, and /ready meanwhile.
    Scrape,
    /// Requests per CPU-second with three filters and an access log in JSON.
    Observed,
    /// Requests per CPU-second with 10 and with 10,000 routes.
    Routes,
    /// User instructions per request, by callgrind.
    Instructions,
}

/// The loads that a profile can be taken of.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LoadName {
    /// GET, 1 KiB answers.
    H1,
    /// POST with a body of 256 bytes.
    Post,
    /// GET, 64 KiB answers.
    Large,
}

impl CompareOptions {
    /// Whether the measurement is to be taken.
    pub(crate) fn wants(&self, section: Section) -> bool {
        if self.only.is_empty() {
            return !(self.quick && section == Section::Instructions);
        }
        self.only.contains(&section)
    }

    /// How many interleaved rounds to run.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 7 })
    }

    /// How long each measured window is.
    pub(crate) fn window(&self) -> std::time::Duration {
        let default_ms = if self.quick { 700 } else { 1000 };
        std::time::Duration::from_millis(self.window_ms.unwrap_or(default_ms))
    }
}
