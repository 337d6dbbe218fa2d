//! The tokens that a worker keeps, by what was asked for; of those that are too many the one goes that was not used for
//! longest, and those that ended go whenever the cache is asked. Of who asked for another's token only a digest is kept.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::token::{Token, Wanted};

/// How long before their end tokens count no more.
const SKEW_SECONDS: u64 = 60;

pub(super) struct Cache {
    most: usize,
    kept: HashMap<Rc<Wanted>, Kept>,
    /// What was asked for, by its last use.
    by_use: BTreeMap<u64, Rc<Wanted>>,
    /// The same by its end and its first use, where it has an end.
    by_end: BTreeMap<(u64, u64), Rc<Wanted>>,
    uses: u64,
}

struct Kept {
    token: Token,
    first_use: u64,
    last_use: u64,
}

impl Cache {
    /// For so many tokens.
    pub(super) fn new(most: usize) -> Self {
        Cache {
            most,
            kept: HashMap::new(),
            by_use: BTreeMap::new(),
            by_end: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The one for what is asked for, if it counts at this time.
    pub(super) fn find(&mut self, wanted: &Wanted, now_seconds: u64) -> Option<&Token> {
        self.forget_ended(now_seconds);
        let kept = self.kept.get_mut(&wanted.without_credential())?;
        let key = self.by_use.remove(&kept.last_use)?;
        self.uses += 1;
        kept.last_use = self.uses;
        self.by_use.insert(self.uses, key);
        Some(&kept.token)
    }

    /// Keeps one that came at this time.
    pub(super) fn keep(&mut self, wanted: &Wanted, token: Token, now_seconds: u64) {
        let key = Rc::new(wanted.without_credential());
        self.forget(&key);
        self.uses += 1;
        let this_use = self.uses;
        if let Some(end) = token.end_seconds {
            self.by_end.insert((end, this_use), Rc::clone(&key));
        }
        self.by_use.insert(this_use, Rc::clone(&key));
        let kept = Kept {
            token,
            first_use: this_use,
            last_use: this_use,
        };
        self.kept.insert(key, kept);
        self.forget_ended(now_seconds);
        if self.kept.len() > self.most
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.forget(&oldest);
        }
    }

    fn forget_ended(&mut self, now_seconds: u64) {
        let until = now_seconds.saturating_add(SKEW_SECONDS);
        while let Some(first) = self.by_end.first_entry()
            && first.key().0 < until
        {
            let ended = first.remove();
            self.forget(&ended);
        }
    }

    fn forget(&mut self, key: &Wanted) {
        let Some(kept) = self.kept.remove(key) else {
            return;
        };
        self.by_use.remove(&kept.last_use);
        if let Some(end) = kept.token.end_seconds {
            self.by_end.remove(&(end, kept.first_use));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nuncio_contract::gcp_audience::GcpAudience;

    use super::*;

    fn wanted(url: &str) -> Wanted {
        Wanted {
            asked: Arc::new(GcpAudience {
                url: url.into(),
                ..GcpAudience::default()
            }),
            impersonated: None,
        }
    }

    fn token(end_seconds: Option<u64>) -> Token {
        Token {
            text: b"t".as_slice().into(),
            end_seconds,
        }
    }

    #[test]
    fn tokens_are_kept_until_a_minute_before_their_end() {
        let mut cache = Cache::new(2);
        let [one, two] = ["one", "two"].map(wanted);
        cache.keep(&one, token(Some(1000)), 0);
        cache.keep(&two, token(None), 0);
        assert!(cache.find(&one, 940).is_some());
        assert!(cache.find(&one, 941).is_none());
        assert!(cache.find(&one, 940).is_none());
        assert!(cache.find(&two, u64::MAX).is_some());
    }

    #[test]
    fn the_one_goes_that_was_not_used_for_longest() {
        let mut cache = Cache::new(2);
        let [one, two, three] = ["one", "two", "three"].map(wanted);
        cache.keep(&one, token(None), 0);
        cache.keep(&two, token(None), 0);
        assert!(cache.find(&wanted("one"), 0).is_some());
        cache.keep(&three, token(None), 0);
        assert!(cache.find(&two, 0).is_none());
        assert!(cache.find(&one, 0).is_some() && cache.find(&three, 0).is_some());
    }

    #[test]
    fn nothing_stays_of_what_ended_and_nothing_is_known_of_who_asked() {
        let of = |who: &[u8]| Wanted {
            impersonated: Some(("a".into(), who.into())),
            ..wanted("u")
        };
        let mut cache = Cache::new(2);
        cache.keep(&of(b"secret"), token(Some(1000)), 0);
        cache.keep(&of(b"secret"), token(Some(2000)), 0);
        assert!(cache.kept.keys().all(|key| **key != of(b"secret")));
        assert!(cache.find(&of(b"secret"), 1000).is_some());
        assert!(cache.find(&of(b"other"), 1000).is_none());
        cache.keep(&of(b"other"), token(Some(3000)), 2500);
        assert_eq!(cache.kept.len(), 1);
        cache.keep(&of(b"secret"), token(Some(2000)), 2500);
        let sizes = (cache.kept.len(), cache.by_use.len(), cache.by_end.len());
        assert_eq!(sizes, (1, 1, 1));
        cache.keep(&of(b"third"), token(None), 2500);
        cache.keep(&of(b"fourth"), token(None), 2500);
        let sizes = (cache.kept.len(), cache.by_use.len(), cache.by_end.len());
        assert_eq!(sizes, (2, 2, 0));
    }
}
