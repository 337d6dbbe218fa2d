//! `profile`: where one proxy's user instructions go.

use std::error::Error;
use std::fs;
use std::process::Command;

use crate::exchange::Script;
use crate::machine::{self, Scratch};
use crate::measure::instructions;
use crate::options::{LoadName, ProfileOptions};
use crate::origin;
use crate::proxies::Proxy;
use crate::running::{Site, is_installed};
use crate::tls::Pair;

/// Counts, prints the count and the dearest functions by their own instructions.
///
/// # Errors
/// In plain words, when valgrind is missing or the proxy fails under it.
pub(crate) fn run(options: &ProfileOptions, scratch: &Scratch) -> Result<(), Box<dyn Error>> {
    if !is_installed("valgrind") {
        return Err("valgrind is not installed".into());
    }
    let proxy = Proxy::find(options.proxy, &options.binaries)
        .map_err(|error| format!("{}: {error}", options.proxy.name()))?;
    let site = Site {
        tls: Pair::new()?.client()?,
        core: machine::split_cores()?,
        folder: scratch.path().to_owned(),
        max_connections: machine::max_connections(),
        origin_port: origin::start(0)?.port(),
    };
    let script = match options.load {
        LoadName::H1 => Script::get(),
        LoadName::Post => Script::post(),
        LoadName::Large => Script::large(),
    };
    let count = instructions::count(&site, &proxy, script, options.requests)?;
    println!(
        "{:.0} user instructions a request over {} requests\n",
        count.per_request, count.requests
    );
    for file in &count.files {
        let output = Command::new("callgrind_annotate")
            .arg("--auto=no")
            .arg(file)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let from_table = text
            .lines()
            .skip_while(|line| !line.contains("file:function"));
        for line in from_table.take(options.top + 2) {
            println!("{}", line.get(..180).unwrap_or(line));
        }
        if let Some(path) = &options.output {
            fs::copy(file, path)?;
        }
    }
    Ok(())
}
