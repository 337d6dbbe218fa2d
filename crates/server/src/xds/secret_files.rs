//! The files that a secret names, looked at as files of resources are: one that takes the place of another is seen at
//! once, one that is written in place when it looks the same twice.

use std::collections::HashSet;
use std::path::Path;

use nuncio_config::typed::{FileRead, FileStamp};

/// Files as they were read, and as they looked last.
pub(super) struct SecretFiles(Vec<(FileRead, FileStamp)>);

impl SecretFiles {
    pub(super) fn new(read: Vec<FileRead>) -> Self {
        let files = read.into_iter().map(|file| {
            let stamp = file.stamp;
            (file, stamp)
        });
        SecretFiles(files.collect())
    }

    /// How many stand in directories of those that are others than they were when this was asked last, all of them at
    /// rest; Envoy reads them again as often, for it watches the directory of each.
    pub(super) fn changed(&mut self) -> u64 {
        let mut directories = HashSet::new();
        let mut are_settled = true;
        let mut looks = Vec::with_capacity(self.0.len());
        for (file, seen) in &mut self.0 {
            let now = FileStamp::of(Path::new(&*file.path));
            // One that is gone for a moment is about to be replaced.
            if now != file.stamp && now != FileStamp::default() {
                directories.insert(directory(file).to_owned());
            }
            are_settled &= now == *seen || now.replaces(seen);
            *seen = now;
            looks.push(now);
        }
        if !are_settled {
            return 0;
        }
        for ((file, _), now) in self.0.iter_mut().zip(looks) {
            file.stamp = now;
        }
        let files = self.0.iter();
        let beside = files.filter(|(file, _)| directories.contains(directory(file)));
        u64::try_from(beside.count()).unwrap_or(u64::MAX)
    }
}

fn directory(file: &FileRead) -> &Path {
    let path = Path::new(&*file.path);
    path.parent().unwrap_or(path)
}
