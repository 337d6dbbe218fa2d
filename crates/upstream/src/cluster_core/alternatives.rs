//! The caches of a worker that know which hosts speak HTTP/3, by their names. One lives as long as a cluster uses it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Instant;

use hashbrown::HashMap;
use nuncio_contract::alternate_protocols::AlternateProtocolsCache;

use crate::cluster::AlternatesSettings;

thread_local! {
    static CACHES: RefCell<HashMap<Box<str>, Weak<AlternateProtocolsCache>>> = RefCell::default();
}

/// The cache of this name on this thread. As in Envoy whoever was first has said how large it is, and what it knows.
pub(super) fn on_thread(
    settings: &AlternatesSettings,
    now: Instant,
) -> Rc<AlternateProtocolsCache> {
    CACHES.with_borrow_mut(|caches| {
        if let Some(known) = caches.get(&settings.name).and_then(Weak::upgrade) {
            return known;
        }
        caches.retain(|_, cache| cache.strong_count() > 0);
        let cache = Rc::new(AlternateProtocolsCache::new(settings.max_entries));
        for origin in &settings.prepopulated {
            cache.prepopulate(origin, now);
        }
        caches.insert(settings.name.clone(), Rc::downgrade(&cache));
        cache
    })
}
