//! Starting and ending the proxies, so that none is left behind.
//!
//! Each proxy leads a process group of its own, which is asked to end, and then killed, when its [`Process`] is
//! dropped, and killed when a signal ends the bench; if the bench itself is killed, the kernel sends the proxy
//! SIGTERM. Before the proxy's program starts, [`become_program`] pins the process
//! and, where it may, raises its priority.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, kill_process_group, set_parent_process_death_signal, setpriority_process,
};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::options::LaunchOptions;

/// Nice value of the proxies.
const PRIORITY: i32 = -10;

/// How long a proxy may take to end by itself; one that records a profile writes it then.
const END_LIMIT: Duration = Duration::from_secs(2);
const END_POLL: Duration = Duration::from_millis(10);

/// The groups to kill when a signal ends the bench.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A started program and everything that it started.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on `core` with both outputs going to the file `log`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(core: Option<usize>, program: &[OsString], log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("launch");
        if let Some(core) = core {
            command.arg("--core").arg(core.to_string());
        }
        let child = command
            .arg("--")
            .args(program)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        let group = Pid::from_child(&child);
        if let Ok(mut groups) = GROUPS.lock() {
            groups.push(group);
        }
        Ok(Self {
            child,
            group,
            log: log.to_owned(),
        })
    }

    /// The process group, whose number is also the first process's.
    pub(crate) fn group(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Whether the first process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines that the program wrote.
    pub(crate) fn last_words(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(4);
        lines.get(start..).unwrap_or_default().join("\n    ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        let _ = kill_process_group(self.group, Signal::TERM);
        let until = Instant::now() + END_LIMIT;
        while !self.has_ended() && Instant::now() < until {
            thread::sleep(END_POLL);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        if let Ok(mut groups) = GROUPS.lock() {
            groups.retain(|group| *group != self.group);
        }
    }
}

/// Kills every group that is still running.
pub(crate) fn kill_all() {
    let Ok(groups) = GROUPS.lock() else { return };
    for group in groups.iter() {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// Pins this process and replaces it by the program; returns only when that fails.
pub(crate) fn become_program(options: &LaunchOptions) -> io::Error {
    if let Err(error) = prepare(options.core) {
        return error;
    }
    let Some((program, arguments)) = options.program.split_first() else {
        return io::ErrorKind::InvalidInput.into();
    };
    Command::new(program).args(arguments).exec()
}

fn prepare(core: Option<usize>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if let Some(core) = core {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores)?;
    }
    // Only root may; it keeps neighbours on a shared machine from cooling the proxy's caches.
    let _ = setpriority_process(None, PRIORITY);
    Ok(())
}
