//! `%FILE_CONTENT(path)%`: what is in a file, which is looked at again as it changes.
//!
//! The file is read with the configuration, and whoever writes its content looks whether it has changed, at most twice a
//! second for all workers together. A file that cannot be read any more, or has grown beyond 1 MiB, leaves what was
//! there. What had changed less than a second before it was read is read again, since a change in the same tick of the
//! file system's clock would not show. Different from Envoy: any change counts, whether a directory is named to be
//! watched or not; what is no regular file, and files of more than 1 MiB, are refused.

use std::fs::Metadata;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::FormatContext;
use super::error::FormatError;
use crate::regular_file;

const LIMIT_BYTES: u64 = 1 << 20;
const INTERVAL: Duration = Duration::from_millis(500);
/// No file system's clock has longer ticks.
const TICK: Duration = Duration::from_secs(1);

/// A file whose content stands in a format.
#[derive(Clone, Debug)]
pub(super) struct FileContent {
    path: Arc<str>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    /// When it was looked at last; none before the first look.
    at: Option<Instant>,
    read: Read,
}

/// What was read.
#[derive(Clone, Debug)]
struct Read {
    mark: Mark,
    /// Whether each change since then shows in the mark.
    is_settled: bool,
    text: Arc<[u8]>,
}

/// What tells a file from the same one changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

impl FileContent {
    /// The file that a command names, with a directory behind a colon if one is to be watched.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        let mut parts = argument.split(':');
        let (path, directory) = (parts.next().unwrap_or_default(), parts.next());
        if path.is_empty() || parts.next().is_some() {
            return Err(FormatError::new(format!(
                "FILE_CONTENT: expected format 'path' or 'path:watch_directory', got '{argument}'"
            )));
        }
        let Some(read) = Read::of(path) else {
            return Err(FormatError::new(format!("Invalid path: {path}")));
        };
        match directory {
            Some(directory) if !std::path::Path::new(directory).is_dir() => {
                return Err(FormatError::new(format!(
                    "unable to add filesystem watch for file {directory}/: No such file or directory"
                )));
            }
            None if !path.contains('/') => {
                return Err(FormatError::new(format!("invalid file path {path}")));
            }
            _ => {}
        }
        Ok(FileContent {
            path: path.into(),
            seen: Arc::new(Mutex::new(Seen { at: None, read })),
        })
    }

    /// Appends what is in the file, which is there even if it is empty.
    pub(super) fn append(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.text(context.services.now()));
        true
    }

    fn text(&self, now: Instant) -> Arc<[u8]> {
        let before = {
            let mut seen = self.seen();
            let is_due = seen
                .at
                .is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
            if !is_due {
                return Arc::clone(&seen.read.text);
            }
            seen.at = Some(now);
            seen.read.clone()
        };
        // Nobody waits for a slow disk but who looks.
        let is_other = !before.is_settled
            || std::fs::metadata(&*self.path).is_ok_and(|it| mark(&it) != before.mark);
        if is_other && let Some(read) = Read::of(&self.path) {
            let text = Arc::clone(&read.text);
            self.seen().read = read;
            return text;
        }
        before.text
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    fn of(path: &str) -> Option<Self> {
        let now = SystemTime::now();
        let (metadata, text) = regular_file::read(path, LIMIT_BYTES).ok()?;
        let mark = mark(&metadata);
        let age = mark.modified.and_then(|at| now.duration_since(at).ok());
        Some(Read {
            mark,
            is_settled: age.is_some_and(|age| age >= TICK),
            text: text.into(),
        })
    }
}

fn mark(metadata: &Metadata) -> Mark {
    use std::os::unix::fs::MetadataExt as _;
    Mark {
        modified: metadata.modified().ok(),
        len: metadata.len(),
        inode: metadata.ino(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_once_it_has_changed_and_some_time_has_passed() {
        let name = format!("nuncio-file-content-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("one");
        let content = FileContent::parse(path.to_str().expect("a text")).expect("a file");
        let start = Instant::now();
        let text = |after_ms| {
            content
                .text(start + Duration::from_millis(after_ms))
                .to_vec()
        };
        assert_eq!(text(0), b"one");
        write("three");
        assert_eq!(text(499), b"one");
        assert_eq!(text(500), b"three");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(text(1000), b"three");
        write("again it is there");
        assert_eq!(text(1500), b"again it is there");
        let _cleaned_up = std::fs::remove_file(&path);
    }

    #[test]
    fn a_change_that_leaves_no_mark_is_seen_if_the_file_was_new() {
        let name = format!("nuncio-file-content-new-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let write = |text: &str, modified: SystemTime| {
            std::fs::write(&path, text).expect("written");
            let file = std::fs::File::options().write(true).open(&path);
            let file = file.expect("a file");
            file.set_modified(modified).expect("a time");
        };
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        for (modified, seen) in [(now + hour, b"two"), (now - hour, b"one")] {
            write("one", modified);
            let content = FileContent::parse(path.to_str().expect("a text")).expect("a file");
            write("two", modified);
            assert_eq!(*content.text(start), *seen);
        }
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_pipe_in_place_of_the_file_leaves_what_was_there() {
        let name = format!("nuncio-file-content-pipe-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "one").expect("written");
        let named = path.to_str().expect("a text");
        let content = FileContent::parse(named).expect("a file");
        std::fs::remove_file(&path).expect("removed");
        let mut mkfifo = std::process::Command::new("mkfifo");
        assert!(mkfifo.arg(&path).status().expect("mkfifo").success());
        assert_eq!(*content.text(Instant::now()), *b"one");
        let refusal = FileContent::parse(named).unwrap_err().to_string();
        assert_eq!(refusal, format!("Invalid path: {named}"));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn what_is_no_file_is_refused_in_envoys_words() {
        let refusal = |argument: &str| FileContent::parse(argument).unwrap_err().to_string();
        let form = "FILE_CONTENT: expected format 'path' or 'path:watch_directory', got ";
        assert_eq!(refusal(""), format!("{form}''"));
        assert_eq!(refusal("a:b:c"), format!("{form}'a:b:c'"));
        assert_eq!(refusal("/no/file"), "Invalid path: /no/file");
    }
}
