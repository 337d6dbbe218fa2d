//! Starts a proxy (Envoy or anything with its command line) and stops it again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{DEADLINE, client};

const POLL: Duration = Duration::from_millis(5);
const START_DEADLINE: Duration = Duration::from_secs(20);

/// The value of a counter or gauge on the admin's page of stats; none if it is not listed.
pub fn stat_on(page: &str, name: &str) -> Option<u64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.and_then(|value| value.parse().ok())
}

/// A directory that vanishes with its value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new empty directory.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("nuncio-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What keeps a proxy apart from others, where the arguments leave it open.
fn apart(arguments: &[String]) -> Option<&'static str> {
    let about_it = ["base-id", "hot-restart", "restart-epoch"];
    let says = |argument: &String| about_it.iter().any(|flag| argument.contains(flag));
    (!arguments.iter().any(says)).then_some("--disable-hot-restart")
}

/// A running proxy; killed when dropped.
pub struct Proxy {
    child: Child,
    admin_port: u16,
    log: PathBuf,
}

impl Proxy {
    /// Runs `binary -c CONFIG` with `arguments`, and waits until its admin answers `/ready` with
    /// 200. Its output goes to `proxy.log` in `directory`. Unless the arguments say something about it, it does not
    /// restart hot, so that proxies of different tests are not taken for one another's kin.
    ///
    /// # Errors
    /// If it does not start, exits, or is not ready in time; the text ends with its output.
    pub fn start(
        binary: &Path,
        arguments: &[String],
        config: &str,
        admin_port: u16,
        directory: &Path,
    ) -> io::Result<Self> {
        Self::start_in(binary, arguments, &[], config, admin_port, directory)
    }

    /// The same with more variables in its environment.
    ///
    /// # Errors
    /// As above.
    pub fn start_in(
        binary: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        config: &str,
        admin_port: u16,
        directory: &Path,
    ) -> io::Result<Self> {
        let is_json = config.trim_start().starts_with('{');
        let config_path = directory.join(if is_json {
            "config.json"
        } else {
            "config.yaml"
        });
        fs::write(&config_path, config)?;
        let log = directory.join("proxy.log");
        let output = File::create(&log)?;
        let child = Command::new(binary)
            .arg("-c")
            .arg(&config_path)
            .args(arguments)
            .args(apart(arguments))
            .envs(environment.iter().cloned())
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut proxy = Self {
            child,
            admin_port,
            log,
        };
        proxy.await_ready()?;
        Ok(proxy)
    }

    fn await_ready(&mut self) -> io::Result<()> {
        let until = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failure(&format!(
                    "the proxy ended with {status} before it was ready"
                )));
            }
            if client::get(self.admin_port, "/ready").is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(self.failure("the proxy did not become ready"));
            }
            std::thread::sleep(POLL);
        }
    }

    fn failure(&self, what: &str) -> io::Error {
        let output = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        let tail: Vec<String> = lines[lines.len().saturating_sub(8)..]
            .iter()
            .map(|line| line.chars().take(500).collect())
            .collect();
        let tail = tail.join("\n");
        io::Error::other(format!("{what}; its last words:\n{tail}"))
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it SIGHUP.
    ///
    /// # Errors
    /// If it has ended.
    pub fn hang_up(&self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map_or(Ok(()), |pid| Ok(kill_process(pid, Signal::HUP)?))
    }

    /// What it has written so far.
    ///
    /// # Errors
    /// If its log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        fs::read_to_string(&self.log)
    }

    /// Text of an admin page.
    ///
    /// # Errors
    /// If the admin does not answer.
    pub fn admin(&self, target: &str) -> io::Result<String> {
        let answer = client::get(self.admin_port, target)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Waits until something holds, as seen from outside.
    ///
    /// # Panics
    /// With the process's log when it does not come about within [`DEADLINE`].
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "it never came about that {what}:\n{}",
                self.log().unwrap_or_default()
            );
            std::thread::yield_now();
        }
    }

    /// Asks it to end with SIGTERM and waits.
    ///
    /// # Errors
    /// If it does not end in time (it is killed then), or ended with a failure.
    pub fn stop(self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        self.await_end()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it does not end in time (it is killed then), or ended with a failure.
    pub fn await_end(mut self) -> io::Result<()> {
        let until = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                return Err(self.failure(&format!("the proxy ended with {status}")));
            }
            if Instant::now() > until {
                return Err(self.failure("the proxy did not end"));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
