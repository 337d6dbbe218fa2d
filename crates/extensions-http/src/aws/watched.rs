//! Credentials in a file that is read again as it changes (`watched_directory`).
//!
//! Whoever signs asks whether it is another file, or was written to. What is empty or has more than 4 KiB changes nothing,
//! and what cannot be read is tried again; a file without credentials takes away those that were there, but not where the
//! same file was written in place: that may be half of what is being written. While one thread looks, the others have
//! what was there before.
//!
//! Differs from Envoy, which looks when something in the directory moves, and so misses what is written in place.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use nuncio_config::typed::FileStamp;
use nuncio_contract::regular_file;

use super::credentials::{Credentials, FILE_LIMIT_BYTES};

/// The file, and what was in it.
pub(crate) struct WatchedFile {
    path: Box<str>,
    profile: Box<str>,
    known: Mutex<Known>,
    credentials: Mutex<Option<Arc<Credentials>>>,
}

/// What is known of the file; held by the one who looks.
struct Known {
    /// As it was seen last.
    seen: FileStamp,
    /// Whether what is in it was taken into account since.
    is_read: bool,
}

impl WatchedFile {
    /// With what was in it when the configuration was loaded.
    pub(crate) fn new(path: &str, profile: &str, text: &[u8]) -> Arc<Self> {
        Arc::new(WatchedFile {
            path: path.into(),
            profile: profile.into(),
            known: Mutex::new(Known {
                seen: FileStamp::of(Path::new(path)),
                // It may have changed since.
                is_read: false,
            }),
            credentials: Mutex::new(read(text, profile)),
        })
    }

    /// The credentials of now.
    pub(crate) fn current(&self) -> Option<Arc<Credentials>> {
        let known = match self.known.try_lock() {
            Ok(known) => Some(known),
            Err(TryLockError::Poisoned(known)) => Some(known.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut known) = known {
            let most = u64::try_from(FILE_LIMIT_BYTES).unwrap_or(u64::MAX);
            self.look(&mut known, FileStamp::of(Path::new(&*self.path)), || {
                regular_file::read(&*self.path, most).map(|(_, content)| content)
            });
        }
        let credentials = self.credentials.lock();
        credentials.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It has this stamp, and can be read.
    fn look(
        &self,
        known: &mut Known,
        stamp: FileStamp,
        content: impl FnOnce() -> io::Result<Vec<u8>>,
    ) {
        if known.is_read && stamp == known.seen {
            return;
        }
        let is_another = stamp.replaces(&known.seen);
        let content = content();
        known.seen = stamp;
        known.is_read = content.as_ref().map_or_else(is_final, |_| true);
        let text = content.unwrap_or_default();
        if text.is_empty() {
            return;
        }
        let found = read(&text, &self.profile);
        if found.is_some() || is_another {
            let credentials = self.credentials.lock();
            *credentials.unwrap_or_else(PoisonError::into_inner) = found;
        }
    }
}

/// Whether it is so as long as the file is the same.
fn is_final(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(
        kind,
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge
    )
}

fn read(text: &[u8], profile: &str) -> Option<Arc<Credentials>> {
    let text = String::from_utf8_lossy(text);
    Credentials::of_profile(&text, profile).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> String {
        format!("[p]\naws_access_key_id={id}\naws_secret_access_key=s\n")
    }

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_what_is_none_changes_nothing() {
        let folder =
            std::env::temp_dir().join(format!("nuncio-aws-watched-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("credentials");
        let put = |content: &str| {
            std::fs::write(folder.join("new"), content).expect("written");
            std::fs::rename(folder.join("new"), &path).expect("moved");
        };
        put(&text("one"));
        let file = WatchedFile::new(&path.to_string_lossy(), "p", text("one").as_bytes());
        let current = || file.current().map(|it| it.access_key_id.to_string());
        assert_eq!(current().as_deref(), Some("one"));
        put(&text("two"));
        assert_eq!(current().as_deref(), Some("two"));
        put("");
        assert_eq!(current().as_deref(), Some("two"));
        put(&format!(
            "{}{}",
            "#".repeat(FILE_LIMIT_BYTES),
            text("three")
        ));
        assert_eq!(current().as_deref(), Some("two"));
        put("[p]\n");
        assert_eq!(current(), None);
        put(&text("four"));
        assert_eq!(current().as_deref(), Some("four"));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(current().as_deref(), Some("four"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_file_that_could_not_be_read_for_now_is_read_again() {
        let file = WatchedFile::new("/proc/self/exe", "p", text("one").as_bytes());
        let mut known = file.known.lock().expect("nobody looks");
        let stamp = FileStamp::of(Path::new("/proc/self/exe"));
        let id = || {
            let credentials = file.credentials.lock().expect("nobody looks");
            credentials.as_ref().map(|it| it.access_key_id.to_string())
        };
        let too_many_open = || Err(io::Error::from_raw_os_error(24));
        file.look(&mut known, stamp, too_many_open);
        assert_eq!(id().as_deref(), Some("one"));
        file.look(&mut known, stamp, || Ok(text("two").into_bytes()));
        assert_eq!(id().as_deref(), Some("two"));
        file.look(&mut known, stamp, || panic!("it is as it was"));
    }

    #[test]
    fn half_of_what_is_written_in_place_takes_no_credentials_away() {
        let path = std::env::temp_dir().join(format!("nuncio-aws-place-{}", std::process::id()));
        std::fs::write(&path, text("one")).expect("written");
        let file = WatchedFile::new(&path.to_string_lossy(), "p", text("one").as_bytes());
        let current = || file.current().map(|it| it.access_key_id.to_string());
        for half in ["", "[p]\n", "[p]\naws_access_key_id=second\n"] {
            std::fs::write(&path, half).expect("written");
            assert_eq!(current().as_deref(), Some("one"), "{half}");
        }
        std::fs::write(&path, text("second")).expect("written");
        assert_eq!(current().as_deref(), Some("second"));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn nobody_waits_for_the_one_who_looks() {
        let file = WatchedFile::new("/dev/null", "p", text("one").as_bytes());
        let _looking = file.known.lock().expect("nobody looks");
        assert!(file.current().is_some());
    }
}
