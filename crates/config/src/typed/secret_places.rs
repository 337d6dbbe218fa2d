//! Secrets that are read while requests pass, such as passwords, in places that whoever delivers them fills again.
//!
//! Those who want the same one share its place. It is empty before the secret has come; what is taken back stays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::SecretWish;

type Slot = RwLock<Option<Arc<[u8]>>>;

/// Whose place it is, and where, as long as somebody reads it.
type Known = (SecretWish, Weak<Slot>);

/// The place of one secret.
#[derive(Clone, Debug, Default)]
pub struct SecretPlace(Arc<Slot>);

impl SecretPlace {
    /// What is there now.
    pub fn read(&self) -> Option<Arc<[u8]>> {
        let slot = self.0.read();
        slot.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fill(&self, secret: &Arc<[u8]>) {
        let slot = self.0.write();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(secret));
    }
}

/// All places that somebody reads; cheap to share.
#[derive(Clone, Debug, Default)]
pub struct SecretPlaces(Arc<Mutex<Vec<Known>>>);

impl SecretPlaces {
    /// The place of a secret.
    pub fn place(&self, wish: &SecretWish) -> SecretPlace {
        let mut places = self.places();
        places.retain(|(_, slot)| slot.strong_count() > 0);
        let known = places.iter().find(|(one, _)| one == wish);
        if let Some(slot) = known.and_then(|(_, slot)| slot.upgrade()) {
            return SecretPlace(slot);
        }
        let place = SecretPlace::default();
        places.push((wish.clone(), Arc::downgrade(&place.0)));
        place
    }

    /// Has those who read a secret find this one from now on.
    pub fn fill(&self, wish: &SecretWish, secret: &Arc<[u8]>) {
        let places = self.places();
        let place = places.iter().find(|(one, _)| one == wish);
        if let Some(slot) = place.and_then(|(_, slot)| slot.upgrade()) {
            SecretPlace(slot).fill(secret);
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::span::Span;
    use crate::tree::Message;

    use super::*;

    fn wish(name: &str) -> SecretWish {
        let descriptor = nuncio_api::message("envoy.config.core.v3.ConfigSource");
        let source =
            Message::with_entries(descriptor.expect("the API has it"), Span::NONE, Vec::new());
        SecretWish {
            kind: "generic_secret",
            name: name.into(),
            source: Arc::new(source),
        }
    }

    #[test]
    fn those_who_want_the_same_secret_share_its_place() {
        let places = SecretPlaces::default();
        let (one, again, other) = (
            places.place(&wish("a")),
            places.place(&wish("a")),
            places.place(&wish("b")),
        );
        assert_eq!(one.read(), None);
        places.fill(&wish("a"), &Arc::from(&b"first"[..]));
        places.fill(&wish("a"), &Arc::from(&b"second"[..]));
        assert_eq!(one.read().as_deref(), Some(&b"second"[..]));
        assert_eq!(again.read().as_deref(), Some(&b"second"[..]));
        assert_eq!(other.read(), None);
    }

    #[test]
    fn a_place_that_nobody_reads_is_forgotten() {
        let places = SecretPlaces::default();
        for _ in 0..100 {
            drop(places.place(&wish("a")));
        }
        places.fill(&wish("a"), &Arc::from(&b"late"[..]));
        assert_eq!(places.place(&wish("a")).read(), None);
        assert_eq!(places.places().len(), 1, "the one of the line before");
    }
}
