//! A proxy that runs with a configuration and has answered /ready.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine;
use crate::process::Process;
use crate::procfs::{self, Memory};
use crate::proxies::Proxy;
use crate::tls::Client;

/// How long a proxy may take on the small configuration.
pub(crate) const SMALL_START_LIMIT: Duration = Duration::from_secs(10);
const READY_POLL_INTERVAL: Duration = Duration::from_micros(500);
const READY_ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Where proxies run: shared by all measurements.
pub(crate) struct Site {
    /// The core of the proxy, when there is more than one.
    pub(crate) core: Option<usize>,
    /// What greets proxies over TLS.
    pub(crate) tls: Client,
    /// Folder for configurations and logs.
    pub(crate) folder: PathBuf,
    /// Connections that HAProxy and nginx are told to expect.
    pub(crate) max_connections: u32,
    /// The origin's port.
    pub(crate) origin_port: u16,
}

/// How to start a proxy.
pub(crate) struct StartPlan<'a> {
    pub(crate) proxy: &'a Proxy,
    /// Configuration with the names of ports and the like still in it.
    pub(crate) template: &'a str,
    pub(crate) workers: u32,
    /// A program, with arguments, that runs the proxy; none when empty.
    pub(crate) runner: Vec<OsString>,
    /// Arguments of the proxy beside the usual ones.
    pub(crate) arguments: &'static [&'static str],
    /// How long it may take to be ready.
    pub(crate) limit: Duration,
}

impl<'a> StartPlan<'a> {
    /// The small configuration.
    pub(crate) fn small(proxy: &'a Proxy, workers: u32) -> Self {
        Self {
            proxy,
            template: proxy.kind.template(),
            workers,
            runner: Vec::new(),
            arguments: &[],
            limit: SMALL_START_LIMIT,
        }
    }
}

/// A proxy that is ready; killed when dropped.
pub(crate) struct Running {
    process: Process,
    /// What greets it over TLS.
    pub(crate) tls: Client,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    /// Where it answers /ready; of those that read Envoy's configuration, the admin.
    pub(crate) admin: SocketAddr,
    /// From starting its program to its 200 for /ready.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// Starts a proxy and waits until it is ready.
    ///
    /// # Errors
    /// In plain words, with the proxy's last output, when it ends or is late.
    pub(crate) fn start(site: &Site, plan: &StartPlan<'_>) -> Result<Self, String> {
        Self::try_start(site, plan)
            .map_err(|error| format!("{} did not start: {error}", plan.proxy.kind.name()))
    }

    fn try_start(site: &Site, plan: &StartPlan<'_>) -> io::Result<Self> {
        let name = plan.proxy.kind.name();
        let listen_port = machine::free_port()?;
        let ready_port = machine::free_port()?;
        let config = plan
            .template
            .replace("@LISTEN_PORT@", &listen_port.to_string())
            .replace("@READY_PORT@", &ready_port.to_string())
            .replace("@ORIGIN_PORT@", &site.origin_port.to_string())
            .replace("@WORKERS@", &plan.workers.to_string())
            .replace("@MAX_CONNECTIONS@", &site.max_connections.to_string())
            .replace("@DIRECTORY@", &site.folder.to_string_lossy());
        let extension = if plan.proxy.kind.reads_bootstrap() {
            "yaml"
        } else {
            "conf"
        };
        let path = site.folder.join(format!("{name}.{extension}"));
        fs::write(&path, config)?;
        let mut program = plan.runner.clone();
        program.extend(plan.proxy.command_line(&path, plan.workers));
        program.extend(plan.arguments.iter().map(Into::into));

        let started = Instant::now();
        let log = site.folder.join(format!("{name}.log"));
        let mut process = Process::start(site.core, &program, &log)?;
        wait_ready(&mut process, ready_port, started + plan.limit)?;
        Ok(Self {
            process,
            tls: site.tls.clone(),
            address: SocketAddr::from(([127, 0, 0, 1], listen_port)),
            admin: SocketAddr::from(([127, 0, 0, 1], ready_port)),
            ready_after: started.elapsed(),
        })
    }

    /// User and system time of its processes, in seconds.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu_seconds(&self) -> io::Result<f64> {
        procfs::cpu_seconds(self.process.group())
    }

    /// Memory of its processes.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn memory(&self) -> io::Result<Memory> {
        procfs::memory(self.process.group())
    }

    /// Resident memory of its processes, without a burden to them.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        procfs::resident_bytes(self.process.group())
    }

    /// Its processes.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn processes(&self) -> io::Result<Vec<u32>> {
        procfs::processes(self.process.group())
    }
}

fn wait_ready(process: &mut Process, port: u16, deadline: Instant) -> io::Result<()> {
    while !is_ready(port).unwrap_or(false) {
        let trouble = if process.has_ended() {
            "it ended"
        } else if Instant::now() > deadline {
            "it was not ready in time"
        } else {
            thread::sleep(READY_POLL_INTERVAL);
            continue;
        };
        let text = format!("{trouble}\n    {}", process.last_words());
        return Err(io::Error::other(text));
    }
    Ok(())
}

fn is_ready(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(READY_ANSWER_LIMIT))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: bench.test\r\nconnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start.ends_with(b" 200"))
}

/// Whether a program by this name is in the path.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}
