//! `%FILE_CONTENT(path)%`: what is in a file, which is looked at again as it changes.
//!
//! The file is read with the configuration, and whoever writes its content looks whether it has changed, at most twice a
//! second for all workers together. A file that cannot be read any more, or has grown beyond 1 MiB, leaves what was
//! there. Different from Envoy: any change counts, whether a directory is named to be watched or not; directories and
//! files of more than 1 MiB are refused.

use std::fs::Metadata;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::FormatContext;
use super::error::FormatError;

const LIMIT_BYTES: u64 = 1 << 20;
const INTERVAL: Duration = Duration::from_millis(500);

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
    mark: Mark,
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
        let Some((mark, text)) = read(path) else {
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
            seen: Arc::new(Mutex::new(Seen {
                at: None,
                mark,
                text,
            })),
        })
    }

    /// Appends what is in the file, which is there even if it is empty.
    pub(super) fn append(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.text(context.services.now()));
        true
    }

    fn text(&self, now: Instant) -> Arc<[u8]> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = seen
            .at
            .is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if is_due {
            seen.at = Some(now);
            let is_other = std::fs::metadata(&*self.path).is_ok_and(|it| mark(&it) != seen.mark);
            if is_other && let Some((mark, text)) = read(&self.path) {
                (seen.mark, seen.text) = (mark, text);
            }
        }
        Arc::clone(&seen.text)
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

fn read(path: &str) -> Option<(Mark, Arc<[u8]>)> {
    let file = std::fs::File::open(path).ok()?;
    let mark = mark(&file.metadata().ok()?);
    let mut text = Vec::new();
    file.take(LIMIT_BYTES + 1).read_to_end(&mut text).ok()?;
    let is_small = u64::try_from(text.len()).is_ok_and(|len| len <= LIMIT_BYTES);
    is_small.then(|| (mark, text.into()))
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
    fn what_is_no_file_is_refused_in_envoys_words() {
        let refusal = |argument: &str| FileContent::parse(argument).unwrap_err().to_string();
        let form = "FILE_CONTENT: expected format 'path' or 'path:watch_directory', got ";
        assert_eq!(refusal(""), format!("{form}''"));
        assert_eq!(refusal("a:b:c"), format!("{form}'a:b:c'"));
        assert_eq!(refusal("/no/file"), "Invalid path: /no/file");
    }
}
