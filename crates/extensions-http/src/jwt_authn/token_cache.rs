//! Tokens whose signatures have been checked, of providers that want them remembered (`jwt_cache_config`): so many for
//! a provider and worker, the one that was not seen for the longest time goes first. What they claim is checked anew.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::provider::Provider;
use super::token::Token;

/// Those of all providers.
pub(super) struct TokenCaches(Box<[Option<RefCell<Cache>>]>);

struct Cache {
    most: usize,
    longest_bytes: usize,
    turns: u64,
    tokens: HashMap<Box<[u8]>, (Rc<Token>, u64)>,
}

impl TokenCaches {
    pub(super) fn new(providers: &[Provider]) -> Self {
        let caches = providers.iter().map(|provider| {
            let (most, longest_bytes) = provider.cache?;
            Some(RefCell::new(Cache {
                most,
                longest_bytes,
                turns: 0,
                tokens: HashMap::new(),
            }))
        });
        TokenCaches(caches.collect())
    }

    fn of(&self, provider: usize) -> Option<&RefCell<Cache>> {
        self.0.get(provider)?.as_ref()
    }

    pub(super) fn get(&self, provider: usize, text: &[u8]) -> Option<Rc<Token>> {
        let mut cache = self.of(provider)?.borrow_mut();
        cache.turns += 1;
        let turn = cache.turns;
        let (token, seen) = cache.tokens.get_mut(text)?;
        *seen = turn;
        Some(Rc::clone(token))
    }

    pub(super) fn insert(&self, provider: usize, text: &[u8], token: &Rc<Token>) {
        let Some(cache) = self.of(provider) else {
            return;
        };
        let cache = &mut *cache.borrow_mut();
        if text.len() > cache.longest_bytes {
            return;
        }
        if cache.tokens.len() >= cache.most {
            let oldest = cache.tokens.iter().min_by_key(|(_, (_, seen))| *seen);
            let oldest = oldest.map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                cache.tokens.remove(&oldest);
            }
        }
        let entry = (Rc::clone(token), cache.turns);
        cache.tokens.insert(text.into(), entry);
    }
}
