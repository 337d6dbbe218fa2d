//! What rooms write into the process's own log: scripts' words and mistakes. Whoever runs the process says where lines
//! go, once at start; until then, and where nobody does, they are lost.

use std::sync::OnceLock;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What may be wrong.
    Warning,
    /// What is wrong.
    Error,
    /// What ends the process elsewhere.
    Critical,
}

/// Takes a line: its importance, the name of its logger and its text.
pub type Write = fn(Severity, &'static str, &str);

static WRITE: OnceLock<Write> = OnceLock::new();

/// Has lines go to `write` from now on; only the first one counts.
pub fn set(write: Write) {
    let _set_once_at_start = WRITE.set(write);
}

/// Writes a line to the logger of this name.
pub fn write(severity: Severity, logger: &'static str, text: &str) {
    if let Some(write) = WRITE.get() {
        write(severity, logger, text);
    }
}
