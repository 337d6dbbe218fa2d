//! The tokens that a worker keeps, by audience; of those that are too many the one goes that was not used for longest.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_contract::gcp_audience::GcpAudience;

use super::token::Token;

/// How long before their end tokens count no more.
const SKEW_SECONDS: u64 = 60;

pub(super) struct Cache {
    most: usize,
    kept: HashMap<Arc<GcpAudience>, Kept>,
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

    /// The one for an audience, if it counts at this time.
    pub(super) fn find(&mut self, audience: &Arc<GcpAudience>, now_seconds: u64) -> Option<&Token> {
        let end = self.kept.get(audience)?.token.end_seconds;
        if end.is_some_and(|end| now_seconds.saturating_add(SKEW_SECONDS) > end) {
            self.kept.remove(audience);
            return None;
        }
        self.uses += 1;
        let kept = self.kept.get_mut(audience)?;
        kept.last_use = self.uses;
        Some(&kept.token)
    }

    pub(super) fn keep(&mut self, audience: Arc<GcpAudience>, token: Token) {
        self.uses += 1;
        let last_use = self.uses;
        self.kept.insert(audience, Kept { token, last_use });
        if self.kept.len() > self.most {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_use);
            let oldest = oldest.map(|(audience, _)| Arc::clone(audience));
            oldest.map(|audience| self.kept.remove(&audience));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(url: &str) -> Arc<GcpAudience> {
        Arc::new(GcpAudience {
            url: url.into(),
            scopes: None,
        })
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
        let [one, two] = ["one", "two"].map(audience);
        cache.keep(Arc::clone(&one), token(Some(1000)));
        cache.keep(Arc::clone(&two), token(None));
        assert!(cache.find(&one, 940).is_some());
        assert!(cache.find(&one, 941).is_none());
        assert!(cache.find(&one, 940).is_none());
        assert!(cache.find(&two, u64::MAX).is_some());
    }

    #[test]
    fn the_one_goes_that_was_not_used_for_longest() {
        let mut cache = Cache::new(2);
        let [one, two, three] = ["one", "two", "three"].map(audience);
        cache.keep(Arc::clone(&one), token(None));
        cache.keep(Arc::clone(&two), token(None));
        assert!(cache.find(&audience("one"), 0).is_some());
        cache.keep(Arc::clone(&three), token(None));
        assert!(cache.find(&two, 0).is_none());
        assert!(cache.find(&one, 0).is_some() && cache.find(&three, 0).is_some());
    }
}
