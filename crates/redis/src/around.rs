//! What is around a command: where its key belongs to, and the connections there.

use std::rc::Rc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::StreamInfo;

use crate::client::{Answer, Client, Pool};
use crate::commands::{Words, reads_only, word};
use crate::config::RedisProxyConfig;
use crate::routes::Route;

/// What is around a command.
pub(crate) struct Around<'a> {
    pub(crate) config: &'a RedisProxyConfig,
    /// By the places of clusters in the config's list.
    pub(crate) pools: &'a [Rc<Pool>],
    pub(crate) services: &'a dyn WorkerServices,
    pub(crate) info: &'a StreamInfo,
}

/// Where a command goes, as its host is told it.
struct Routed<'a> {
    route: &'a Route,
    key: Vec<u8>,
    words: Words,
    is_read: bool,
}

impl<'a> Around<'a> {
    fn route(&self, key: usize, words: &Words) -> Option<Routed<'a>> {
        let of = FormatContext::new(self.info, self.services);
        let old = word(words, key);
        let (route, key_there) = self.config.routes.find(old, &of)?;
        let words = match key_there == old {
            true => Rc::clone(words),
            false => {
                let mut renamed = Vec::clone(words);
                if let Some(word) = renamed.get_mut(key) {
                    word.clone_from(&key_there);
                }
                Rc::new(renamed)
            }
        };
        Some(Routed {
            route,
            key: key_there,
            is_read: reads_only(&words),
            words,
        })
    }

    fn pool(&self, target: usize) -> Option<&'a Rc<Pool>> {
        self.pools.get(target)
    }

    /// Sends a command to the host of the key at this place, and to those that mirror it.
    pub(crate) fn send(&self, key: usize, words: &Words) -> Option<Answer> {
        let routed = self.route(key, words)?;
        let pool = self.pool(routed.route.target(routed.is_read))?;
        let answer = pool.send(&routed.key, &routed.words)?;
        let random = || self.random();
        for mirror in routed.route.mirrors(routed.is_read, &random) {
            if let Some(pool) = self.pool(mirror) {
                pool.send_blindly(&routed.key, &routed.words);
            }
        }
        Some(answer)
    }

    /// The command as its host is told it.
    pub(crate) fn renamed(&self, key: usize, words: &Words) -> Words {
        let routed = self.route(key, words);
        routed.map_or_else(|| Rc::clone(words), |routed| routed.words)
    }

    /// Connections for a transaction alone: to the host of the key, and to those that mirror it.
    pub(crate) fn open_alone(&self, words: &Words) -> Option<(Client, Vec<Client>)> {
        let routed = self.route(1, words)?;
        let client = self
            .pool(routed.route.target(false))?
            .open_alone(&routed.key)?;
        let random = || self.random();
        let mirrors = routed.route.mirrors(false, &random);
        let mirrors = mirrors.filter_map(|target| self.pool(target)?.open_alone(&routed.key));
        Some((client, mirrors.collect()))
    }

    /// The cluster of commands without a key.
    pub(crate) fn pool_of_none(&self, words: &Words) -> Option<&'a Rc<Pool>> {
        let of = FormatContext::new(self.info, self.services);
        let (route, _) = self.config.routes.find(b"", &of)?;
        self.pool(route.target(reads_only(words)))
    }

    pub(crate) fn random(&self) -> u64 {
        self.services.random_u64()
    }
}
