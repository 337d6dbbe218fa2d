//! The tokens that a worker keeps, by what was asked for; of those that are too many the one goes that was not used for longest.

use super::token::{Token, Wanted};
use std::collections::HashMap;

/// How long before their end tokens count no more.
const SKEW_SECONDS: u64 = 60;

pub(super) struct Cache {
    most: usize,
    kept: HashMap<Wanted, Kept>,
    uses: u64,
}

struct Kept {
    token: Token,
    last_use: u64,
}

impl Cache {
    /// For so many tokens.
    pub(super) fn new(most: usize) -> Self {
        Cache {
            most,
            kept: HashMap::new(),
            uses: 0,
        }
    }

    /// The one for what is asked for, if it counts at this time.
    pub(super) fn find(&mut self, wanted: &Wanted, now_seconds: u64) -> Option<&Token> {
        let end = self.kept.get(wanted)?.token.end_seconds;
        if end.is_some_and(|end| now_seconds.saturating_add(SKEW_SECONDS) > end) {
            self.kept.remove(wanted);
            return None;
        }
        self.uses += 1;
        let kept = self.kept.get_mut(wanted)?;
        kept.last_use = self.uses;
        Some(&kept.token)
    }

    pub(super) fn keep(&mut self, wanted: Wanted, token: Token) {
        self.uses += 1;
        let last_use = self.uses;
        self.kept.insert(wanted, Kept { token, last_use });
        if self.kept.len() > self.most {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_use);
            let oldest = oldest.map(|(wanted, _)| wanted.clone());
            oldest.map(|wanted| self.kept.remove(&wanted));
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
        cache.keep(one.clone(), token(Some(1000)));
        cache.keep(two.clone(), token(None));
        assert!(cache.find(&one, 940).is_some());
        assert!(cache.find(&one, 941).is_none());
        assert!(cache.find(&one, 940).is_none());
        assert!(cache.find(&two, u64::MAX).is_some());
    }

    #[test]
    fn the_one_goes_that_was_not_used_for_longest() {
        let mut cache = Cache::new(2);
        let [one, two, three] = ["one", "two", "three"].map(wanted);
        cache.keep(one.clone(), token(None));
        cache.keep(two.clone(), token(None));
        assert!(cache.find(&wanted("one"), 0).is_some());
        cache.keep(three.clone(), token(None));
        assert!(cache.find(&two, 0).is_none());
        assert!(cache.find(&one, 0).is_some() && cache.find(&three, 0).is_some());
    }
}
