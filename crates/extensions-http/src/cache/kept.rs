//! Finding and keeping answers, in memory and in files. What is kept in files is there once it is written, for which
//! nobody waits.

use std::sync::Arc;

use nuncio_contract::headers::HeaderMap;

use super::config::Settings;
use crate::caching::files::FileStore;
use crate::caching::store::{Counted, Entry};
use crate::caching::vary;

/// What is kept for a request.
pub(super) struct Kept {
    /// The key of its own.
    pub(super) own_key: Vec<u8>,
    pub(super) entry: Arc<Entry>,
}

/// An answer that is to be kept.
pub(super) struct Answer<'a> {
    pub(super) key: &'a [u8],
    /// The headers that it depends on.
    pub(super) names: vary::Names,
    /// The request as it was looked up.
    pub(super) request: Option<&'a HeaderMap>,
    pub(super) entry: Entry,
}

pub(super) fn find_in_memory(settings: &Settings, key: &[u8], request: &HeaderMap) -> Option<Kept> {
    let allowed = &settings.allowed_vary;
    let memory = settings.storage.memory();
    let (own_key, entry) = memory.find(key, |names| allowed.variant(names, request))?;
    Some(Kept { own_key, entry })
}

pub(super) async fn find_in_files(
    files: &FileStore,
    settings: &Settings,
    key: Vec<u8>,
    request: Option<HeaderMap>,
) -> Option<Kept> {
    let entry = files.find(&key).await.flatten()?;
    let Some(names) = entry.names() else {
        let entry = Arc::new(entry);
        return Some(Kept {
            own_key: key,
            entry,
        });
    };
    let variant = settings.allowed_vary.variant(&names, &request?)?;
    let own_key = [key, variant].concat();
    let entry = files.find(&own_key).await.flatten()?;
    match entry.names() {
        Some(_) => None,
        None => Some(Kept {
            own_key,
            entry: Arc::new(entry),
        }),
    }
}

impl Answer<'_> {
    /// Keeps it; `counted` counts its body.
    pub(super) fn keep(self, settings: &Settings, counted: Counted) {
        let variant = match self.names.is_empty() {
            true => None,
            false => {
                let allowed = &settings.allowed_vary;
                let variant = self
                    .request
                    .and_then(|request| allowed.variant(&self.names, request));
                match variant {
                    Some(variant) => Some(variant),
                    None => return,
                }
            }
        };
        let memory = settings.storage.memory();
        match (settings.storage.files(), variant) {
            (None, None) => memory.keep(self.key, self.entry),
            (None, Some(variant)) => {
                memory.keep_variant(self.key, self.names, &variant, self.entry);
            }
            (Some(files), None) => {
                let _goes_on = files.keep(self.key, Arc::new(self.entry), Some(counted));
            }
            (Some(files), Some(variant)) => {
                let names = Entry::of_names(&self.names, self.entry.came);
                let _goes_on = files.keep(self.key, Arc::new(names), None);
                let own_key = [self.key, &variant].concat();
                let _goes_on = files.keep(&own_key, Arc::new(self.entry), Some(counted));
            }
        }
    }
}

/// Puts `new` in the place of `old`, if that is still there.
pub(super) fn renew(settings: &Settings, own_key: &[u8], old: &Arc<Entry>, new: Entry) {
    match settings.storage.files() {
        None => settings.storage.memory().renew(own_key, old, new),
        Some(files) => {
            let _goes_on = files.renew(own_key, Arc::clone(old), Arc::new(new));
        }
    }
}
