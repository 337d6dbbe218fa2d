//! Credentials in a file that is read again as it changes (`watched_directory`).
//!
//! Whoever signs asks whether it is another file, or was written to. What cannot be read, is empty or has more than 4 KiB
//! changes nothing; a file without credentials takes away those that were there.
//!
//! Differs from Envoy, which looks when something in the directory moves, and so misses what is written in place.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_config::typed::FileStamp;
use nuncio_contract::regular_file;

use super::credentials::{Credentials, FILE_LIMIT_BYTES};

/// The file, and what was in it.
pub(crate) struct WatchedFile {
    path: Box<str>,
    profile: Box<str>,
    seen: Mutex<Seen>,
}

struct Seen {
    stamp: FileStamp,
    credentials: Option<Arc<Credentials>>,
}

impl WatchedFile {
    /// With what was in it when the configuration was loaded.
    pub(crate) fn new(path: &str, profile: &str, text: &[u8]) -> Arc<Self> {
        Arc::new(WatchedFile {
            path: path.into(),
            profile: profile.into(),
            seen: Mutex::new(Seen {
                // It is read again when it is looked at first: it may have changed since.
                stamp: FileStamp::default(),
                credentials: read(text, profile),
            }),
        })
    }

    /// The credentials of now.
    pub(crate) fn current(&self) -> Option<Arc<Credentials>> {
        let stamp = FileStamp::of(Path::new(&*self.path));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp != seen.stamp {
            seen.stamp = stamp;
            let most = u64::try_from(FILE_LIMIT_BYTES).unwrap_or(u64::MAX);
            let content = regular_file::read(&*self.path, most).map(|(_, content)| content);
            if let Ok(text) = content
                && !text.is_empty()
            {
                seen.credentials = read(&text, &self.profile);
            }
        }
        seen.credentials.clone()
    }
}

fn read(text: &[u8], profile: &str) -> Option<Arc<Credentials>> {
    let text = String::from_utf8_lossy(text);
    Credentials::of_profile(&text, profile).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_what_is_none_changes_nothing() {
        let folder =
            std::env::temp_dir().join(format!("nuncio-aws-watched-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("credentials");
        let text = |id: &str| format!("[p]\naws_access_key_id={id}\naws_secret_access_key=s\n");
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
}
