//! Noticing that files changed, by looking at them again and again.
//!
//! Looking costs a system call a file and sees every way in which a file changes: written in place, renamed
//! over, reached by another symbolic link (as Kubernetes swaps a mounted ConfigMap), on a network file system
//! too. A change counts once the file looks the same twice in a row, so that one that is still being written
//! is left alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::FileStamp;

/// How often files are looked at. A change is acted on after one to two of these.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// Files and how they looked.
#[derive(Default)]
pub(super) struct FileWatch(BTreeMap<Arc<str>, Looks>);

struct Looks {
    /// What was acted on.
    known: FileStamp,
    /// The last look.
    last: FileStamp,
}

impl FileWatch {
    /// Watches these files from now on and no others, each with how it looked when it was read.
    pub(super) fn set<'a>(&mut self, files: impl Iterator<Item = (&'a Arc<str>, FileStamp)>) {
        let mut before = std::mem::take(&mut self.0);
        for (path, known) in files {
            let last = before.remove(path).map_or(known, |looks| looks.last);
            let looks = Looks { known, last };
            self.0.entry(Arc::clone(path)).or_insert(looks);
        }
    }

    /// Whether there is anything to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks at all files and returns those that changed and have settled since.
    pub(super) fn look(&mut self, look: impl Fn(&Path) -> FileStamp) -> Vec<Arc<str>> {
        let mut changed = Vec::new();
        for (path, looks) in &mut self.0 {
            let now = look(Path::new(&**path));
            if now != looks.known && now == looks.last {
                looks.known = now;
                changed.push(Arc::clone(path));
            }
            looks.last = now;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A directory with one watched file in it.
    struct Watched {
        directory: PathBuf,
        path: PathBuf,
        watch: FileWatch,
    }

    impl Watched {
        fn new(name: &str) -> Self {
            let directory =
                std::env::temp_dir().join(format!("nuncio-watch-{}-{name}", std::process::id()));
            fs::create_dir_all(&directory).expect("a directory can be made");
            let path = directory.join("file");
            fs::write(&path, "one").expect("it can be written");
            let mut watch = FileWatch::default();
            watch.set(std::iter::once((
                &path.to_string_lossy().as_ref().into(),
                FileStamp::of(&path),
            )));
            Watched {
                directory,
                path,
                watch,
            }
        }

        /// How often each of three looks finds a settled change.
        fn looks(&mut self) -> [usize; 3] {
            [(); 3].map(|()| self.watch.look(FileStamp::of).len())
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.directory).expect("it can be removed");
        }
    }

    #[test]
    fn a_file_that_stays_is_quiet() {
        assert_eq!(Watched::new("stays").looks(), [0, 0, 0]);
    }

    #[test]
    fn an_edit_in_place_counts_once_when_it_has_settled() {
        let mut watched = Watched::new("edit");
        fs::write(&watched.path, "another").expect("it can be written");
        assert_eq!(watched.looks(), [0, 1, 0]);
    }

    #[test]
    fn a_file_renamed_over_it_counts() {
        let mut watched = Watched::new("rename");
        let new = watched.directory.join("new");
        fs::write(&new, "one").expect("it can be written");
        fs::rename(&new, &watched.path).expect("it can be renamed");
        assert_eq!(watched.looks(), [0, 1, 0]);
    }

    #[test]
    fn a_swapped_link_to_its_directory_counts() {
        let mut watched = Watched::new("link");
        let directory = watched.directory.clone();
        for version in ["v1", "v2"] {
            fs::create_dir(directory.join(version)).expect("it can be made");
            fs::write(directory.join(version).join("file"), version).expect("it can be written");
        }
        let (link, path) = (directory.join("..data"), directory.join("linked"));
        std::os::unix::fs::symlink("v1", &link).expect("it can be linked");
        std::os::unix::fs::symlink("..data/file", &path).expect("it can be linked");
        let name = path.to_string_lossy().as_ref().into();
        let stamp = FileStamp::of(&path);
        watched.watch.set(std::iter::once((&name, stamp)));
        assert_eq!(watched.looks(), [0, 0, 0]);
        let swap = directory.join("..data_tmp");
        std::os::unix::fs::symlink("v2", &swap).expect("it can be linked");
        fs::rename(&swap, &link).expect("it can be renamed");
        assert_eq!(watched.looks(), [0, 1, 0]);
    }

    #[test]
    fn a_file_that_still_changes_is_left_alone() {
        let mut watched = Watched::new("busy");
        let (length, path) = (Cell::new(1), watched.path.clone());
        let growing = |_: &Path| {
            length.set(length.get() + 1);
            fs::write(&path, "x".repeat(length.get())).expect("it can be written");
            FileStamp::of(&path)
        };
        assert!((0..5).all(|_| watched.watch.look(growing).is_empty()));
        assert_eq!(watched.looks(), [1, 0, 0]);
    }

    #[test]
    fn a_change_between_reading_and_watching_is_not_missed() {
        let mut watched = Watched::new("early");
        let name: Arc<str> = "elsewhere".into();
        let read_as = FileStamp::default();
        watched.watch.set(std::iter::once((&name, read_as)));
        let stamp = FileStamp::of(&watched.path);
        let found: Vec<_> = (0..3)
            .map(|_| watched.watch.look(|_| stamp).len())
            .collect();
        assert_eq!(found, [0, 1, 0]);
    }
}
