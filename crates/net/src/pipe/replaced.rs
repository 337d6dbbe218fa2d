//! The file of a socket that a new one is bound in the place of, until it is certain that the new one stays.
//!
//! What was at the path is moved aside, so that whoever listened there can be found there again. It has the path's
//! name with an end of its own, which needs not fit into the address of a socket. A directory stays where it is.
//! Envoy removes the file at once, and with an update that it rejects later nobody is found there any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A path that a socket takes. Dropped without [`Replaced::keep`], it is again as it was.
#[derive(Debug)]
#[must_use = "what was there comes back when this is dropped"]
pub struct Replaced {
    path: Arc<str>,
    /// Where what was there before is meanwhile.
    aside: Option<PathBuf>,
    is_kept: bool,
}

impl Replaced {
    /// Makes room at a path. What cannot be moved is left in the way: to bind says so.
    pub(super) fn at(path: &Arc<str>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let aside = PathBuf::from(format!("{path}.{}-{number}.old", std::process::id()));
        let file = Path::new(&**path);
        let there = std::fs::symlink_metadata(file);
        let is_file = there.as_ref().is_ok_and(|there| !there.is_dir());
        let is_moved = is_file && std::fs::rename(file, &aside).is_ok();
        Replaced {
            path: Arc::clone(path),
            aside: is_moved.then_some(aside),
            // What is still in the way is not ours to remove.
            is_kept: there.is_ok() && !is_moved,
        }
    }

    /// The new socket stays; what was there goes.
    pub fn keep(mut self) {
        self.is_kept = true;
        if let Some(aside) = self.aside.take() {
            let _a_file_too_many_is_no_harm = std::fs::remove_file(aside);
        }
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let _nothing_else_can_be_done = match &self.aside {
            Some(aside) => std::fs::rename(aside, &*self.path),
            None => std::fs::remove_file(&*self.path),
        };
    }
}
