//! Files under logs: what is written when, and what happens when it can't be.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nuncio_contract::access_log::{AccessLogFiles, FileOptions};
use nuncio_contract::stats::{StatValue, StatsStore};

use super::LogFiles;
use super::log_file::LogFile;

/// A directory that goes away with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "nuncio-log-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new directory");
        Directory(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a UTF-8 path").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Process {
    files: LogFiles,
    store: StatsStore,
}

impl Process {
    fn new(min_flush_bytes: usize) -> Self {
        let process = Process {
            files: LogFiles::new(),
            store: StatsStore::default(),
        };
        // No flushing thread runs in these tests, so that nothing depends on time.
        let options = FileOptions {
            flush_interval: Duration::from_secs(3600),
            min_flush_bytes,
        };
        process.files.configure(options, &process.store);
        process
    }

    fn open(&self, path: &str) -> Arc<LogFile> {
        self.files.open(path).expect("a file that can be opened")
    }

    fn stat(&self, wanted: &str) -> i64 {
        let mut found = None;
        for scope in self.store.scopes() {
            scope.for_each(&mut |view| {
                if view.name.to_string() == format!("filesystem.{wanted}") {
                    found = Some(match view.value {
                        StatValue::Counter { value, .. } => {
                            i64::try_from(value).expect("a small count")
                        }
                        StatValue::Gauge { value, .. } => {
                            i64::try_from(value).expect("a small value")
                        }
                        _ => panic!("`{wanted}` is a number"),
                    });
                }
            });
        }
        found.expect("the stat is listed")
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("the file is there")
}

fn line(text: &str) -> impl FnOnce(&mut Vec<u8>) + '_ {
    move |lines| lines.extend_from_slice(text.as_bytes())
}

#[test]
fn lines_are_written_at_a_flush_and_not_before() {
    let (directory, process) = (Directory::new(), Process::new(1024));
    let path = directory.path("a.log");
    let file = process.open(&path);
    let buffer = file.add_buffer();
    buffer.add(line("one\n"));
    buffer.add(line("two\n"));
    assert_eq!(read(&path), "");
    assert_eq!(
        (
            process.stat("write_buffered"),
            process.stat("write_total_buffered")
        ),
        (2, 8)
    );
    process.files.flush_all();
    assert_eq!(read(&path), "one\ntwo\n");
    assert_eq!(
        (
            process.stat("write_completed"),
            process.stat("write_total_buffered")
        ),
        (1, 0)
    );
}

#[test]
fn a_buffer_asks_for_a_flush_at_its_first_line_and_when_it_grows_beyond_the_minimum() {
    let (directory, process) = (Directory::new(), Process::new(8));
    let file = process.open(&directory.path("a.log"));
    let buffer = file.add_buffer();
    let wanted: Vec<bool> = (0..4).map(|_| buffer.add(line("abcd"))).collect();
    assert_eq!(
        wanted,
        [true, false, true, false],
        "the first line is never kept waiting"
    );
    file.flush();
    assert!(
        !buffer.add(line("abcd")),
        "counting begins anew after a flush"
    );
}

#[test]
fn what_was_in_the_file_stays_and_both_loggers_of_a_path_share_it() {
    let (directory, process) = (Directory::new(), Process::new(0));
    let path = directory.path("a.log");
    std::fs::write(&path, "before\n").expect("a new file");
    let (first, second) = (process.open(&path), process.open(&path));
    assert!(Arc::ptr_eq(&first, &second));
    first.add_buffer().add(line("x\n"));
    second.add_buffer().add(line("y\n"));
    process.files.flush_all();
    assert_eq!(read(&path), "before\nx\ny\n");
}

#[test]
fn after_a_rotation_lines_go_to_a_new_file() {
    let (directory, process) = (Directory::new(), Process::new(0));
    let (path, rotated) = (directory.path("a.log"), directory.path("a.log.1"));
    let buffer = process.open(&path).add_buffer();
    buffer.add(line("old\n"));
    process.files.flush_all();
    std::fs::rename(&path, &rotated).expect("the file is there");
    process.files.reopen_all();
    buffer.add(line("new\n"));
    process.files.flush_all();
    assert_eq!(
        (read(&rotated).as_str(), read(&path).as_str()),
        ("old\n", "new\n")
    );
}

#[test]
fn when_a_file_can_not_be_opened_anew_the_old_one_is_kept_until_it_can() {
    let (directory, process) = (Directory::new(), Process::new(0));
    let (path, rotated) = (directory.path("a.log"), directory.path("a.log.1"));
    let buffer = process.open(&path).add_buffer();
    std::fs::rename(&path, &rotated).expect("the file is there");
    std::fs::create_dir(&path).expect("a directory in its place");
    process.files.reopen_all();
    buffer.add(line("kept\n"));
    process.files.flush_all();
    assert_eq!(
        (read(&rotated).as_str(), process.stat("reopen_failed")),
        ("kept\n", 1)
    );
    std::fs::remove_dir(&path).expect("the directory is empty");
    buffer.add(line("new\n"));
    process.files.flush_all();
    assert_eq!(read(&path), "new\n");
}

#[test]
fn a_full_disk_is_counted_and_memory_is_freed() {
    let process = Process::new(0);
    let buffer = process.open("/dev/full").add_buffer();
    buffer.add(line("lost\n"));
    process.files.flush_all();
    assert_eq!(
        (
            process.stat("write_failed"),
            process.stat("write_completed")
        ),
        (1, 0)
    );
    assert_eq!(process.stat("write_total_buffered"), 0);
}

#[test]
fn when_nothing_is_written_for_too_long_lines_are_dropped_and_counted() {
    let (directory, process) = (Directory::new(), Process::new(64 << 10));
    let path = directory.path("a.log");
    let buffer = process.open(&path).add_buffer();
    let large = "x".repeat(1 << 20);
    for _ in 0..20 {
        buffer.add(line(&large));
    }
    assert_eq!(
        (process.stat("write_buffered"), process.stat("write_failed")),
        (16, 4)
    );
    process.files.flush_all();
    assert_eq!(read(&path).len(), 16 << 20);
}

#[test]
fn the_last_lines_of_a_worker_that_went_away_are_written() {
    let (directory, process) = (Directory::new(), Process::new(0));
    let path = directory.path("a.log");
    process.open(&path).add_buffer().add(line("last\n"));
    process.files.flush_all();
    assert_eq!(read(&path), "last\n");
}

#[test]
fn the_flushing_thread_writes_when_a_buffer_is_large_enough() {
    let (directory, process) = (Directory::new(), Process::new(0));
    let path = directory.path("a.log");
    let file = process.open(&path);
    let buffer = file.attach_worker();
    if buffer.add(line("soon\n")) {
        file.flush_soon();
    }
    while process.stat("write_completed") == 0 {
        std::thread::yield_now();
    }
    assert_eq!(read(&path), "soon\n");
    assert_eq!(process.stat("flushed_by_timer"), 0);
}

#[test]
fn a_path_that_can_not_be_opened_is_refused_in_envoys_words() {
    let process = Process::new(0);
    let refusal = |path: &str| process.files.open(path).err().expect("refused");
    assert_eq!(
        refusal("/no/such/directory/a.log"),
        "unable to open file '/no/such/directory/a.log': No such file or directory"
    );
    assert_eq!(refusal("/"), "unable to open file '/': Is a directory");
}

#[test]
fn files_that_were_opened_before_the_process_was_configured_count_too() {
    let directory = Directory::new();
    let path = directory.path("a.log");
    let process = Process {
        files: LogFiles::new(),
        store: StatsStore::default(),
    };
    let file = process.open(&path);
    process
        .files
        .configure(FileOptions::default(), &process.store);
    file.add_buffer().add(line("x\n"));
    process.files.flush_all();
    assert_eq!(
        (
            process.stat("write_buffered"),
            process.stat("write_completed")
        ),
        (1, 1)
    );
}
