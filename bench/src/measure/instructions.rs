//! User instructions a request, counted by callgrind.
//!
//! The proxy runs under valgrind with counting off, takes a warm-up, then a fixed number of
//! requests with counting on. Instructions of all its processes count; the kernel's do not. The
//! figure hardly changes from run to run, so it shows small gains that seconds hide.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::{Bench, throughput};
use crate::exchange::Script;
use crate::load::{LoadPlan, RunningLoad, Way};
use crate::proxies::Proxy;
use crate::running::{Running, Site, StartPlan, is_installed};
use crate::samples::INSTRUCTIONS;

const START_LIMIT: Duration = Duration::from_secs(120);
const WARM_UP_REQUESTS: u64 = 300;
const COMPARE_REQUESTS: u64 = 2000;

/// What callgrind counted.
pub(crate) struct Count {
    /// User instructions a request.
    pub(crate) per_request: f64,
    /// Requests counted over.
    pub(crate) requests: u64,
    /// Callgrind's files, one a process.
    pub(crate) files: Vec<PathBuf>,
}

/// Counts for each proxy.
pub(crate) fn run(bench: &mut Bench) {
    if !is_installed("valgrind") {
        bench
            .samples
            .note("instructions: skipped, valgrind is not installed".into());
        return;
    }
    eprintln!("instructions a request");
    for proxy in &bench.proxies {
        match count(&bench.site, proxy, Script::get(), COMPARE_REQUESTS) {
            Ok(count) => {
                bench
                    .samples
                    .add(INSTRUCTIONS, proxy.kind, 0, count.per_request);
            }
            Err(error) => Bench::note(&mut bench.samples, proxy.kind, "instructions", error),
        }
    }
}

/// Counts over about `requests` requests.
///
/// # Errors
/// In plain words, when valgrind cannot run the proxy or the proxy fails.
pub(crate) fn count(
    site: &Site,
    proxy: &Proxy,
    script: Script,
    requests: u64,
) -> Result<Count, String> {
    let folder = site.folder.join(format!("callgrind-{}", proxy.kind.name()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = format!("--callgrind-out-file={}/out.%p", folder.display());
    let runner = [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        &output,
    ];
    let plan = StartPlan {
        runner: runner.map(Into::into).to_vec(),
        arguments: proxy.kind.single_process_arguments(),
        limit: START_LIMIT,
        ..StartPlan::small(proxy, 1)
    };
    let running = Running::start(site, &plan)?;
    count_running(running, &folder, script, requests).map_err(|error| error.to_string())
}

fn count_running(
    running: Running,
    folder: &Path,
    script: Script,
    requests: u64,
) -> io::Result<Count> {
    let mut plan = LoadPlan {
        target: running.address,
        connections: throughput::CONNECTIONS,
        script,
        rate: None,
        limit: Some(WARM_UP_REQUESTS),
        way: Way::Http1,
        tls: running.tls.clone(),
    };
    send(&plan)?;
    let processes = running.processes()?;
    for pid in &processes {
        control(*pid, &["-i", "on"])?;
    }
    plan.limit = Some(requests);
    let completed = send(&plan)?;
    for pid in &processes {
        control(*pid, &["-i", "off"])?;
        control(*pid, &["-d"])?;
    }
    let files = dumps(folder)?;
    drop(running);
    let mut instructions = 0;
    for file in &files {
        instructions += total(&fs::read_to_string(file)?);
    }
    if instructions == 0 {
        return Err(io::Error::other("callgrind wrote no counts"));
    }
    Ok(Count {
        per_request: instructions as f64 / completed as f64,
        requests: completed,
        files,
    })
}

fn send(plan: &LoadPlan) -> io::Result<u64> {
    let summary = RunningLoad::start(plan.clone())?.join()?;
    match summary.failures.first() {
        Some(failure) => Err(io::Error::other(failure.clone())),
        None => Ok(summary.completed),
    }
}

fn control(pid: u32, arguments: &[&str]) -> io::Result<Output> {
    let output = Command::new("callgrind_control")
        .args(arguments)
        .arg(pid.to_string())
        .output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(text));
    }
    Ok(output)
}

/// The files that a dump on request has written; the one written at exit has no part number.
fn dumps(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.matches('.').count() >= 2 {
            files.push(path);
        }
    }
    Ok(files)
}

/// The sum of a callgrind file.
fn total(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("totals: "))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_its_line() {
        assert_eq!(total("version: 1\nfn=(1)\n1 5\n\ntotals: 12345\n"), 12345);
        assert_eq!(total("events: Ir\n"), 0);
    }
}
