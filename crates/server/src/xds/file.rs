//! Resources from a file, read when the subscription begins and again whenever the file is another.
//!
//! The file is looked at [`LOOKS_PER_SECOND`] times a second, symbolic links followed, so that renames, links that are
//! swapped (of the file, or of a directory on its way) and edits in place are all seen. One that takes the place of
//! another is read at once; one that is edited in place is read when it looks the same twice.
//!
//! What comes, goes or moves in `watched_directory` has it read again too.
//!
//! Differs from Envoy, which sees moves alone, and those into `watched_directory` alone where there is one.

use std::path::Path;
use std::sync::Arc;

use nuncio_config::resources::{UnknownFields, read_response};
use nuncio_config::text::Limits;
use nuncio_config::typed::FileStamp;

use super::delivery::{Delivery, Failure};

/// How often files are looked at.
pub(super) const LOOKS_PER_SECOND: u32 = 10;

/// A file of resources.
pub(super) struct FileSource {
    path: Arc<str>,
    unknown: UnknownFields,
    /// The directory whose moves have it read again, and how that looked last.
    watched: Option<(Arc<str>, FileStamp)>,
    /// How it looked when it was read last.
    read: FileStamp,
    /// How it looked last.
    seen: FileStamp,
}

impl FileSource {
    /// Reads it for the first time.
    pub(super) fn begin(
        path: Arc<str>,
        watched: Option<Arc<str>>,
        unknown: UnknownFields,
    ) -> (Self, Delivery) {
        let stamp = looks(&path);
        let watched = watched.map(|directory| {
            let stamp = looks(&directory);
            (directory, stamp)
        });
        let source = FileSource {
            path,
            unknown,
            watched,
            read: stamp,
            seen: stamp,
        };
        let delivery = source.deliver();
        (source, delivery)
    }

    /// What it says now, if that may be another.
    pub(super) fn look(&mut self) -> Option<Delivery> {
        let now = looks(&self.path);
        let has_moved = self.watched.as_mut().is_some_and(|(directory, seen)| {
            let now = looks(directory);
            std::mem::replace(seen, now) != now
        });
        let has_settled = now == self.seen || now.replaces(&self.seen);
        self.seen = now;
        // A file that is gone for a moment is about to be replaced.
        let may_differ = now != self.read || has_moved;
        if !may_differ || !has_settled || now == FileStamp::default() {
            return None;
        }
        self.read = now;
        Some(self.deliver())
    }

    fn deliver(&self) -> Delivery {
        read_response(&self.path, self.unknown, &Limits::default()).map_err(|unreadable| {
            let envoy = match unreadable.has_unknown_fields_alone {
                true => unreadable.envoy.clone(),
                false => format!("in {}, {}", self.path, unreadable.envoy),
            };
            Box::new(Failure {
                envoy,
                findings: unreadable,
            })
        })
    }
}

fn looks(path: &str) -> FileStamp {
    FileStamp::of(Path::new(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn version(delivery: Option<Delivery>) -> Option<String> {
        let response = delivery?.unwrap_or_default();
        Some(response.version.into())
    }

    #[test]
    fn a_file_that_takes_its_place_is_read_at_once_and_an_edit_when_it_has_settled() {
        let directory = std::env::temp_dir().join(format!("nuncio-xds-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory can be made");
        let path = directory.join("file.yaml");
        fs::write(&path, "version_info: first").expect("it can be written");
        let (mut source, delivery) = FileSource::begin(
            path.to_string_lossy().as_ref().into(),
            None,
            UnknownFields::Warned,
        );
        assert_eq!(version(Some(delivery)).as_deref(), Some("first"));
        assert!(source.look().is_none());
        let next = directory.join("next");
        fs::write(&next, "version_info: second").expect("it can be written");
        fs::rename(&next, &path).expect("it can be moved");
        assert_eq!(version(source.look()).as_deref(), Some("second"));
        fs::write(&path, "version_info: third time").expect("it can be written");
        assert!(source.look().is_none());
        assert_eq!(version(source.look()).as_deref(), Some("third time"));
        fs::remove_file(&path).expect("it can be removed");
        assert!(source.look().is_none() && source.look().is_none());
        fs::remove_dir_all(&directory).expect("it can be removed");
    }
}
