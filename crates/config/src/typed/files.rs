//! Files that a configuration names: what was read of them, and how to tell that they changed since.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

/// A file as it was when a configuration was loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRead {
    /// Its path as the configuration has it.
    pub path: Arc<str>,
    /// What told it from its later states before it was read.
    pub stamp: FileStamp,
    digest: u64,
}

/// What changes when a file is written to, replaced, or reached by another symbolic link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileStamp(Option<Facts>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Facts {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileRead {
    /// Whether both reads found the same bytes under the same path.
    pub fn has_same_content(&self, other: &FileRead) -> bool {
        self.path == other.path && self.digest == other.digest
    }
}

impl FileStamp {
    /// The stamp of now, symbolic links followed; that of no file where there is none.
    pub fn of(path: &Path) -> FileStamp {
        FileStamp::from_metadata(std::fs::metadata(path).ok().as_ref())
    }

    /// Whether this is another file than the other one was, rather than the same one with other content.
    pub fn replaces(&self, other: &FileStamp) -> bool {
        let file = |stamp: &FileStamp| stamp.0.map(|facts| (facts.device, facts.inode));
        self.0.is_some() && file(self) != file(other)
    }

    fn from_metadata(metadata: Option<&std::fs::Metadata>) -> FileStamp {
        FileStamp(metadata.map(|metadata| Facts {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }))
    }
}

/// Reads a file; the stamp is taken before the bytes, so that a later change is never missed.
pub(super) fn read(path: &str, most_bytes: u64) -> (std::io::Result<Vec<u8>>, FileRead) {
    let mut stamp = FileStamp::default();
    let bytes = std::fs::File::open(path).and_then(|file| {
        stamp = FileStamp::from_metadata(file.metadata().ok().as_ref());
        let mut bytes = Vec::new();
        file.take(most_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let mut hasher = DefaultHasher::new();
    bytes.as_ref().ok().hash(&mut hasher);
    let file = FileRead {
        path: path.into(),
        stamp,
        digest: hasher.finish(),
    };
    (bytes, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_what_replaces_it_by_stamp_and_by_content() {
        let directory = std::env::temp_dir().join(format!("nuncio-files-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let path = directory.join("a");
        let text = path.to_string_lossy().into_owned();
        std::fs::write(&path, "one").expect("it can be written");
        let (bytes, first) = read(&text, 100);
        assert_eq!(bytes.expect("it can be read"), b"one");
        assert_eq!(first.stamp, FileStamp::of(&path));
        let copy = directory.join("b");
        std::fs::write(&copy, "one").expect("it can be written");
        std::fs::rename(&copy, &path).expect("it can be renamed");
        let (_, renamed) = read(&text, 100);
        assert_ne!(renamed.stamp, first.stamp);
        assert!(renamed.has_same_content(&first));
        std::fs::write(&path, "two").expect("it can be written");
        assert!(!read(&text, 100).1.has_same_content(&first));
        std::fs::remove_dir_all(&directory).expect("it can be removed");
        let (gone, file) = read(&text, 100);
        assert!(gone.is_err());
        assert_eq!(file.stamp, FileStamp::of(&path));
    }
}
