//! Lines to files: what the loggers that write to files and streams share.
//!
//! Each worker formats into a buffer of its own; the only lock on its way is that buffer's, which nobody else
//! holds but for the moment of a swap. One thread a file takes the buffers' contents and appends them, whole
//! lines at a time: as soon as a buffer holds `--file-flush-min-size-kb`, and at the latest after
//! `--file-flush-interval-msec`; a worker's first line goes at once. At an orderly end the server flushes all.
//!
//! Limits: a worker's buffer of a file takes new lines up to 16 MiB. When the disk stalls for longer, lines are
//! dropped and each is counted in `filesystem.write_failed`; nothing waits and memory stays bounded.
//!
//! Different from Envoy, which has one buffer a file behind a lock and no bound: lines of different workers may
//! be out of order by up to the flush interval; when opening a file anew fails, the old one is kept until it
//! works, and no line is lost.

mod files;
mod line_log;
mod log_file;
mod plain_lines;
#[cfg(test)]
pub(crate) mod tests;
mod worker_buffer;

pub use files::LogFiles;
pub(crate) use files::StandardStream;
pub(crate) use line_log::LineLog;

/// The files of the process: one for each path, however many loggers write to it.
pub static FILES: LogFiles = LogFiles::new();
