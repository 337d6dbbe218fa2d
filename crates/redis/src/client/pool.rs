//! The connections of a worker to the hosts of a cluster.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_net::tasks::spawn_seldom;
use nuncio_tcp::Worker;
use nuncio_upstream::forward_proxy::DnsCache;
use nuncio_upstream::redis_cluster::{ReadPolicy, ShardPlace, Trouble, slot_of_key, tag_of_key};
use nuncio_upstream::redis_counts::CommandCounts;
use nuncio_upstream::{PickContext, WorkerCluster, WorkerHost, hash_of_key};

use super::rate::{ConnectionRate, Place};
use super::{Answer, Client};
use crate::commands::{Words, is_known, reads_only};
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
    /// Those to hosts that are none of the cluster's, which others have named.
    strangers: RefCell<HashMap<SocketAddr, Client>>,
    /// The cluster that all these belong to.
    owner: RefCell<Option<Weak<WorkerCluster>>>,
    /// The cluster's hosts when the clients of those that had gone were last looked for.
    generation: Cell<u64>,
    stats: Arc<ClusterStats>,
    counts: Rc<CommandCounts>,
    rate: ConnectionRate,
}

impl Pool {
    pub(crate) fn new(config: &SharedConfig, worker: &Worker, target: usize) -> Option<Self> {
        let scope = &config.targets.get(target)?.scope;
        Some(Pool {
            config: Arc::clone(config),
            worker: worker.clone(),
            target,
            clients: RefCell::default(),
            strangers: RefCell::default(),
            owner: RefCell::default(),
            generation: Cell::default(),
            stats: scope.worker_group(),
            counts: Rc::new(CommandCounts::new(
                scope,
                config.settings.counts_commands.then_some(is_known),
            )),
            rate: ConnectionRate::new(config.settings.connections_per_second),
        })
    }

    /// The cluster as it is now; what belongs to the one that it replaces is let go of.
    fn cluster(&self) -> Option<Rc<WorkerCluster>> {
        let target = self.config.targets.get(self.target)?;
        let cluster = self.worker.clusters.get(target.id);
        let now = cluster.as_ref().map(Rc::as_ptr);
        if self.owner.borrow().as_ref().map(Weak::as_ptr) != now {
            self.begin_anew(cluster.as_ref());
        }
        cluster
    }

    #[cold]
    fn begin_anew(&self, cluster: Option<&Rc<WorkerCluster>>) {
        self.owner.replace(cluster.map(Rc::downgrade));
        self.rate.forget();
        let clients = self.clients.take().into_values();
        let strangers = self.strangers.take().into_values();
        clients.chain(strangers).for_each(Client::let_go);
    }

    /// The host of a key, for a command that reads it where that matters.
    fn host_of(&self, key: &[u8], reads: bool) -> Option<(Rc<WorkerCluster>, Rc<WorkerHost>)> {
        let cluster = self.cluster()?;
        if cluster.redis().is_some() {
            let place = ShardPlace::OfSlot(slot_of_key(key));
            let host = cluster.host_of_shard(place, self.read_policy(reads))?;
            return Some((cluster, host));
        }
        let key = match self.config.settings.tags_keys {
            true => tag_of_key(key),
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
        let (cluster, host) = self.host_of(key, reads_only(words))?;
        self.send_and_follow(&cluster, host, words)
    }

    fn send_and_follow(
        self: &Rc<Self>,
        cluster: &Rc<WorkerCluster>,
        host: Rc<WorkerHost>,
        words: &Words,
    ) -> Option<Answer> {
        let answer = self.send_to(cluster, host, words)?;
        match self.config.settings.follows_redirections {
            true => Some(self.followed(answer, words)),
            false => Some(answer),
        }
    }

    /// The same, if nobody wants the answer. As in Envoy it goes on all the same where the host says that another has the
    /// key.
    pub(crate) fn send_blindly(self: &Rc<Self>, key: &[u8], words: &Words) {
        if let Some(answer) = self.send(key, words) {
            drop(spawn_seldom(async move {
                let _nobody_wants_it = answer.await;
            }));
        }
    }

    fn read_policy(&self, reads: bool) -> ReadPolicy {
        match reads {
            true => self.config.settings.read_policy,
            false => ReadPolicy::Primary,
        }
    }

    /// The shards, which are the hosts where it is no Redis cluster: how many there are.
    pub(crate) fn shard_count(&self) -> usize {
        self.cluster().map_or(0, |cluster| match cluster.redis() {
            Some(_) => cluster.shard_count(),
            None => cluster.members().len(),
        })
    }

    /// Sends a command to a host of a shard.
    pub(crate) fn send_to_shard(self: &Rc<Self>, shard: usize, words: &Words) -> Option<Answer> {
        let cluster = self.cluster()?;
        let host = match cluster.redis() {
            Some(_) => {
                let policy = self.read_policy(reads_only(words));
                cluster.host_of_shard(ShardPlace::Number(shard), policy)
            }
            None => cluster.members().into_iter().nth(shard),
        };
        self.send_and_follow(&cluster, host?, words)
    }

    /// Sends a command to all shards.
    pub(crate) fn send_to_all(self: &Rc<Self>, words: &Words) -> Vec<Option<Answer>> {
        let shards = 0..self.shard_count();
        shards
            .map(|shard| self.send_to_shard(shard, words))
            .collect()
    }

    /// Sends a command to any shard.
    pub(crate) fn send_to_any(self: &Rc<Self>, random: u64, words: &Words) -> Option<Answer> {
        if self.cluster()?.redis().is_none() {
            return self.send(&random.to_le_bytes(), words);
        }
        let count = u64::try_from(self.shard_count()).ok()?;
        let shard = usize::try_from(random.checked_rem(count)?).ok()?;
        self.send_to_shard(shard, words)
    }

    /// Sends a command to the host with this address, of the cluster or not.
    pub(super) fn send_to_address(
        &self,
        address: SocketAddr,
        asks_first: bool,
        words: &Words,
    ) -> Option<Answer> {
        let asking = Rc::new(vec![b"asking".to_vec()]);
        self.with_client_at(address, |client| {
            if asks_first {
                client.send_blindly(&asking);
            }
            client.send(words)
        })
    }

    fn with_client_at<T>(&self, address: SocketAddr, act: impl FnOnce(&Client) -> T) -> Option<T> {
        let cluster = self.cluster()?;
        let mut members = cluster.members().into_iter();
        if let Some(host) = members.find(|host| host.host().address == address) {
            return self.with_client(&cluster, host, act);
        }
        let mut strangers = self.strangers.borrow_mut();
        if let Some(client) = strangers.get(&address).filter(|it| it.takes_more()) {
            return Some(act(client));
        }
        strangers.retain(|_, client| !client.is_closed());
        if strangers.len() >= self.config.settings.max_strangers {
            self.stats.max_upstream_unknown_connections_reached.inc();
            return None;
        }
        if !self.may_connect(Place::Stranger(address)) {
            return None;
        }
        let client = self.open(&cluster, cluster.host_outside(address), false);
        let done = act(&client);
        strangers.insert(address, client);
        Some(done)
    }

    /// Where names are looked up that redirections tell.
    pub(super) fn names(&self) -> Option<Arc<DnsCache>> {
        self.config.settings.names.clone()
    }

    /// A host says that another one has the key.
    pub(super) fn count_redirection(&self, is_followed: bool) {
        let Some(cluster) = self.cluster() else {
            return;
        };
        let traffic = cluster.traffic_stats();
        if !is_followed {
            traffic.upstream_internal_redirect_failed_total.inc();
            return;
        }
        traffic.upstream_internal_redirect_succeeded_total.inc();
        self.count_trouble(Trouble::Redirection);
    }

    pub(super) fn count_trouble(&self, trouble: Trouble) {
        let cluster = self.cluster();
        if let Some(redis) = cluster.as_ref().and_then(|cluster| cluster.redis()) {
            redis.refresh.count(trouble, self.worker.services.now());
        }
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
        let (cluster, host) = self.host_of(key, false)?;
        Some(self.open(&cluster, host, true))
    }

    fn open(&self, cluster: &Rc<WorkerCluster>, host: Rc<WorkerHost>, is_alone: bool) -> Client {
        Client::open(
            Arc::clone(&self.config),
            Rc::clone(&self.worker.services),
            (Rc::clone(cluster), host),
            Rc::clone(&self.counts),
            is_alone,
        )
    }

    /// Closes connections to hosts that the cluster has no more, and to those that have become its own. As in Envoy what
    /// was sent is answered before.
    #[cold]
    fn follow(&self, cluster: &WorkerCluster, clients: &mut HashMap<usize, Client>) {
        let members = cluster.members();
        let identities: HashSet<_> = members.iter().map(|host| host.host().identity()).collect();
        let addresses: HashSet<_> = members.iter().map(|host| host.host().address).collect();
        let gone = clients.extract_if(|place, _| !identities.contains(place));
        gone.for_each(|(_, client)| client.let_go());
        let mut strangers = self.strangers.borrow_mut();
        let known = strangers.extract_if(|address, _| addresses.contains(address));
        known.for_each(|(_, client)| client.let_go());
    }

    fn may_connect(&self, place: Place) -> bool {
        let may = self.rate.admits(place, self.worker.services.now());
        if !may {
            self.stats.connection_rate_limited.inc();
        }
        may
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
            self.follow(cluster, &mut clients);
        }
        let place = host.host().identity();
        if let Some(client) = clients.get(&place).filter(|client| client.takes_more()) {
            return Some(act(client));
        }
        clients.retain(|_, client| !client.is_closed());
        if !self.may_connect(Place::Known(place)) {
            return None;
        }
        let client = self.open(cluster, host, false);
        let done = act(&client);
        clients.insert(place, client);
        Some(done)
    }
}
