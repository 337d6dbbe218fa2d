//! The connections of a worker to the hosts of a cluster.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::token_bucket::TokenBucket;
use nuncio_tcp::Worker;
use nuncio_upstream::{PickContext, WorkerCluster, WorkerHost, hash_of_key};

use super::counts::CommandCounts;
use super::{Answer, Client};
use crate::commands::Words;
use crate::config::SharedConfig;
use crate::stats::ClusterStats;

/// The connections to a cluster.
pub(crate) struct Pool {
    config: SharedConfig,
    worker: Worker,
    /// The cluster's place in the config's list.
    target: usize,
    /// By the identity of their hosts, which the clients hold.
    clients: RefCell<HashMap<usize, Client>>,
    /// The cluster's hosts when the clients of those that had gone were last looked for.
    generation: Cell<u64>,
    stats: Arc<ClusterStats>,
    counts: Rc<CommandCounts>,
    bucket: Option<TokenBucket>,
}

impl Pool {
    pub(crate) fn new(config: &SharedConfig, worker: &Worker, target: usize) -> Option<Self> {
        let scope = &config.targets.get(target)?.scope;
        let per_second = config.settings.connections_per_second;
        Some(Pool {
            config: Arc::clone(config),
            worker: worker.clone(),
            target,
            clients: RefCell::default(),
            generation: Cell::default(),
            stats: scope.worker_group(),
            counts: Rc::new(CommandCounts::new(scope, config.settings.counts_commands)),
            bucket: per_second.map(|rate| TokenBucket::of_a_second(u64::from(rate))),
        })
    }

    fn cluster(&self) -> Option<Rc<WorkerCluster>> {
        let target = self.config.targets.get(self.target)?;
        self.worker.clusters.get(target.id)
    }

    fn host_of(&self, key: &[u8]) -> Option<(Rc<WorkerCluster>, Rc<WorkerHost>)> {
        let cluster = self.cluster()?;
        let key = match self.config.settings.tags_keys {
            true => tag(key),
            false => key,
        };
        let context = PickContext {
            hash: Some(hash_of_key(key)),
            ..PickContext::default()
        };
        let host = cluster.find_host(&context)?;
        Some((cluster, host))
    }

    /// Sends a command to the host of a key; none if there is no host, or no connection may be opened to it.
    pub(crate) fn send(self: &Rc<Self>, key: &[u8], words: &Words) -> Option<Answer> {
        let (cluster, host) = self.host_of(key)?;
        let answer = self.send_to(&cluster, host, words)?;
        match self.config.settings.follows_redirections {
            true => Some(self.followed(answer, words)),
            false => Some(answer),
        }
    }

    /// The same, if nobody waits for the answer.
    pub(crate) fn send_blindly(&self, key: &[u8], words: &Words) {
        let Some((cluster, host)) = self.host_of(key) else {
            return;
        };
        let _none_may_be_opened = self.with_client(&cluster, host, |client| {
            client.send_blindly(words);
        });
    }

    /// Sends a command to all hosts.
    pub(crate) fn send_to_all(self: &Rc<Self>, words: &Words) -> Vec<Option<Answer>> {
        let Some(cluster) = self.cluster() else {
            return Vec::new();
        };
        let members = cluster.members().into_iter();
        members
            .map(|host| self.send_to(&cluster, host, words))
            .collect()
    }

    /// How many hosts there are.
    pub(crate) fn host_count(&self) -> usize {
        self.cluster().map_or(0, |cluster| cluster.members().len())
    }

    /// Sends a command to the member with this address, if there is one.
    pub(super) fn send_to_address(
        &self,
        address: SocketAddr,
        asks_first: bool,
        words: &Words,
    ) -> Option<Answer> {
        let cluster = self.cluster()?;
        let mut members = cluster.members().into_iter();
        let host = members.find(|host| host.host().address == address)?;
        if asks_first {
            let asking = Rc::new(vec![b"asking".to_vec()]);
            self.with_client(&cluster, Rc::clone(&host), |client| {
                client.send_blindly(&asking);
            })?;
        }
        self.send_to(&cluster, host, words)
    }

    fn send_to(
        &self,
        cluster: &Rc<WorkerCluster>,
        host: Rc<WorkerHost>,
        words: &Words,
    ) -> Option<Answer> {
        self.with_client(cluster, host, |client| client.send(words))
    }

    /// A connection for a transaction alone, to the host of a key.
    pub(crate) fn open_alone(&self, key: &[u8]) -> Option<Client> {
        let (cluster, host) = self.host_of(key)?;
        Some(self.open(&cluster, host))
    }

    fn open(&self, cluster: &Rc<WorkerCluster>, host: Rc<WorkerHost>) -> Client {
        Client::open(
            Arc::clone(&self.config),
            Rc::clone(&self.worker.services),
            (Rc::clone(cluster), host),
            Rc::clone(&self.counts),
        )
    }

    fn with_client<T>(
        &self,
        cluster: &Rc<WorkerCluster>,
        host: Rc<WorkerHost>,
        act: impl FnOnce(&Client) -> T,
    ) -> Option<T> {
        let mut clients = self.clients.borrow_mut();
        let generation = cluster.shared().generation();
        if self.generation.replace(generation) != generation {
            forget_gone(&mut clients, cluster);
        }
        let place = host.host().identity();
        if let Some(client) = clients.get(&place).filter(|client| !client.is_closed()) {
            return Some(act(client));
        }
        clients.retain(|_, client| !client.is_closed());
        let now = self.worker.services.now();
        if self.bucket.as_ref().is_some_and(|it| !it.take(now)) {
            self.stats.connection_rate_limited.inc();
            return None;
        }
        let client = self.open(cluster, host);
        let done = act(&client);
        clients.insert(place, client);
        Some(done)
    }
}

/// Closes connections to hosts that the cluster has no more. As in Envoy what was sent is answered before.
#[cold]
fn forget_gone(clients: &mut HashMap<usize, Client>, cluster: &WorkerCluster) {
    let members = cluster.members();
    let members: HashSet<_> = members.iter().map(|host| host.host().identity()).collect();
    clients.retain(|place, client| {
        if members.contains(place) {
            return true;
        }
        client.wake();
        !client.is_closed()
    });
}

/// What of a key decides on its host: what stands in its first braces, if something does.
fn tag(key: &[u8]) -> &[u8] {
    let tagged = || {
        let begin = key.iter().position(|byte| *byte == b'{')? + 1;
        let rest = key.get(begin..)?;
        let end = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..end).filter(|tag| !tag.is_empty())
    };
    tagged().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn a_key_is_found_by_what_stands_in_its_first_braces() {
        for (key, expected) in [
            ("{a}b", "a"),
            ("x{a}{b}", "a"),
            ("{}a", "{}a"),
            ("{a", "{a"),
            ("a}", "a}"),
            ("a{{b}}", "{b"),
            ("", ""),
        ] {
            assert_eq!(tag(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }
}
