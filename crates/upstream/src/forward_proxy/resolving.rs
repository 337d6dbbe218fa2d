//! The main thread's side of a cache: resolves its names for as long as they are used, and makes hosts of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use nuncio_contract::forward_proxy::{NameFamily, Resolved};
use nuncio_net::dns::{Answer, DnsError, LookupFamily, Resolver, Resolvers};
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::cache::{Name, Told, WantedCaches};
use super::{Asked, DnsCache};

const MISFORMATTED: &str = "cares_failure:Misformatted domain name";
const NO_SUCH_NAME: &str = "cares_norecords:Domain name not found";
const NO_ADDRESS: &str = "cares_norecords:DNS server returned answer with no data";
const TIMEOUT: &str = "resolve_timeout";

/// Who has a host for each name.
pub(crate) trait NameFollower: Send {
    /// Whether it is still there.
    fn is_there(&self) -> bool;
    /// The name has this address from now on.
    fn put(&mut self, key: &str, address: SocketAddr);
    /// The name is used no more.
    fn remove(&mut self, key: &str);
}

/// Who waits for a name that is resolved for the first time.
type Waiting = RefCell<HashMap<Box<str>, Vec<oneshot::Sender<Resolved>>>>;

/// One name being resolved.
struct Following {
    cache: Weak<DnsCache>,
    resolver: Rc<Resolver>,
    waiting: Rc<Waiting>,
    asked: Asked,
    failures: u32,
}

/// Has somebody follow the cache from now on; the first one also has the cache begin.
pub(crate) fn begin(
    cache: &Arc<DnsCache>,
    mut follower: Box<dyn NameFollower>,
    resolvers: &Resolvers,
) {
    {
        let names = cache.names.read().unwrap_or_else(PoisonError::into_inner);
        for (key, name) in &*names {
            if let Some(Ok(address)) = name.resolved() {
                follower.put(key, address);
            }
        }
    }
    let mut followers = cache
        .followers
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    followers.retain(|follower| follower.is_there());
    followers.push(follower);
    drop(followers);
    begin_alone(cache, resolvers);
}

/// Has caches begin that are no cluster's, as they are wanted; on the calling thread, the main one.
pub async fn begin_wanted(mut wanted: WantedCaches, resolvers: Rc<Resolvers>) {
    while let Some(cache) = wanted.recv().await {
        if let Some(cache) = cache.upgrade() {
            begin_alone(&cache, &resolvers);
        }
    }
}

fn begin_alone(cache: &Arc<DnsCache>, resolvers: &Resolvers) {
    let told = cache
        .told
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(told) = told {
        let resolver = resolvers.find(&cache.settings.resolver);
        spawn_seldom(run(Arc::downgrade(cache), told, resolver));
    }
}

async fn run(cache: Weak<DnsCache>, mut told: UnboundedReceiver<Told>, resolver: Rc<Resolver>) {
    let waiting = Rc::new(Waiting::default());
    let mut names = JoinSet::new();
    let follow = |asked: Asked| Following {
        cache: cache.clone(),
        resolver: Rc::clone(&resolver),
        waiting: Rc::clone(&waiting),
        asked,
        failures: 0,
    };
    if let Some(cache) = cache.upgrade() {
        for (name, port) in &cache.settings.preresolved {
            if let Some(asked) = Asked::of(name.as_bytes(), *port)
                && let Some(name) = add(&cache, &asked)
            {
                names.spawn_local(follow(asked).run(name));
            }
        }
    }
    loop {
        let told = tokio::select! {
            told = told.recv() => told,
            Some(_) = names.join_next() => continue,
        };
        // The senders are in the cache: without it there is nothing to be told.
        let (Some(told), Some(cache)) = (told, cache.upgrade()) else {
            return;
        };
        match told {
            Told::HostOverflow => cache.stats.host_overflow.inc(),
            Told::PendingOverflow => cache.stats.dns_rq_pending_overflow.inc(),
            Told::Asked(asked, answer) => match known(&cache, &asked) {
                Some(resolved) => {
                    let _gone = answer.send(resolved);
                }
                None => {
                    let key = asked.key.clone();
                    waiting.borrow_mut().entry(key).or_default().push(answer);
                    if let Some(name) = add(&cache, &asked) {
                        names.spawn_local(follow(asked).run(name));
                    }
                }
            },
        }
    }
}

fn known(cache: &DnsCache, asked: &Asked) -> Option<Resolved> {
    let names = cache.names.read().unwrap_or_else(PoisonError::into_inner);
    names.get(&asked.key)?.resolved()
}

/// A name's new place; none if it has one.
fn add(cache: &DnsCache, asked: &Asked) -> Option<Arc<Name>> {
    let mut names = cache.names.write().unwrap_or_else(PoisonError::into_inner);
    if names.contains_key(&asked.key) {
        return None;
    }
    let name = cache.new_name();
    names.insert(asked.key.clone(), Arc::clone(&name));
    cache.stats.host_added.inc();
    cache.stats.num_hosts.set(names.len() as u64);
    Some(name)
}

impl Following {
    async fn run(mut self, name: Arc<Name>) {
        while let Some(wait) = self.resolve(&name).await {
            tokio::time::sleep(wait).await;
            match self.cache.upgrade() {
                Some(cache) if cache.is_outlived(&name) => return self.remove(&cache),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Resolves once; returns when to do so again, or none if the cache is gone.
    async fn resolve(&mut self, name: &Name) -> Option<Duration> {
        let (family, limit) = {
            let cache = self.cache.upgrade()?;
            cache.stats.dns_query_attempt.inc();
            (family(cache.settings.family), cache.settings.query_timeout)
        };
        let answer = self.ask(family, limit).await;
        let cache = self.cache.upgrade()?;
        let (outcome, wait) = match answer {
            Some(Ok(answer)) => {
                self.failures = 0;
                cache.stats.dns_query_success.inc();
                self.judge(&cache, &answer)
            }
            failed => {
                cache.stats.dns_query_failure.inc();
                let why: Arc<str> = match failed {
                    None => {
                        cache.stats.dns_query_timeout.inc();
                        TIMEOUT.into()
                    }
                    Some(_) if !may_be_name(&self.asked.name) => MISFORMATTED.into(),
                    Some(Err(error)) => format!("cares_failure:{error}").into(),
                    Some(Ok(_)) => NO_ADDRESS.into(),
                };
                (Err(why), self.retry_after(&cache))
            }
        };
        self.accept(&cache, name, outcome);
        Some(wait)
    }

    /// None if the answer takes too long.
    async fn ask(
        &self,
        family: LookupFamily,
        limit: Option<Duration>,
    ) -> Option<Result<Answer, DnsError>> {
        if !may_be_name(&self.asked.name) {
            return Some(Err(DnsError::new("not a name")));
        }
        let asking = self.resolver.resolve(&self.asked.name, family);
        match limit {
            Some(limit) => tokio::time::timeout(limit, asking).await.ok(),
            None => Some(asking.await),
        }
    }

    fn judge(&self, cache: &DnsCache, answer: &Answer) -> (Resolved, Duration) {
        let settings = &cache.settings;
        let Some(address) = answer.addresses.first() else {
            let why = match answer.has_no_such_name {
                true => NO_SUCH_NAME,
                false => NO_ADDRESS,
            };
            return (Err(why.into()), settings.refresh_rate);
        };
        let ttl = answer.ttl.unwrap_or_default();
        let address = SocketAddr::new(*address, self.asked.port);
        // Names of the hosts file are good for days, and are to go as well once nobody uses them.
        let ttl = ttl.min(settings.host_ttl).max(settings.min_refresh_rate);
        (Ok(address), ttl)
    }

    fn retry_after(&mut self, cache: &DnsCache) -> Duration {
        let rate = cache.settings.refresh_rate;
        let (base, max) = cache.settings.failure_refresh.unwrap_or((rate, rate));
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        base.saturating_mul(factor).min(max)
    }

    /// An address that was found once stays, whatever fails then.
    fn accept(&self, cache: &DnsCache, name: &Name, outcome: Resolved) {
        let before = name.resolved();
        let outcome = match (before, outcome) {
            (Some(Ok(before)), Err(_)) => Ok(before),
            (before, Ok(address)) => {
                if before != Some(Ok(address)) {
                    cache.stats.host_address_changed.inc();
                    for_each_follower(cache, |follower| follower.put(&self.asked.key, address));
                }
                Ok(address)
            }
            (_, failed) => failed,
        };
        *name
            .resolved
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(outcome.clone());
        let waiting = self.waiting.borrow_mut().remove(&self.asked.key);
        for answer in waiting.into_iter().flatten() {
            let _gone = answer.send(outcome.clone());
        }
    }

    fn remove(&self, cache: &DnsCache) {
        for_each_follower(cache, |follower| follower.remove(&self.asked.key));
        let mut names = cache.names.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(&self.asked.key);
        cache.stats.host_removed.inc();
        cache.stats.num_hosts.set(names.len() as u64);
    }
}

fn for_each_follower(cache: &DnsCache, act: impl FnMut(&mut Box<dyn NameFollower>)) {
    let mut followers = cache
        .followers
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    followers.iter_mut().for_each(act);
}

/// Whether a resolver can be asked for it.
fn may_be_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b":[]/\\@%".contains(&byte);
    name.parse::<std::net::IpAddr>().is_ok()
        || (name.len() <= 255 && !name.is_empty() && name.bytes().all(is_plain))
}

fn family(family: NameFamily) -> LookupFamily {
    match family {
        NameFamily::Auto => LookupFamily::Auto,
        NameFamily::V4Only => LookupFamily::V4Only,
        NameFamily::V6Only => LookupFamily::V6Only,
        NameFamily::V4Preferred => LookupFamily::V4Preferred,
        NameFamily::All => LookupFamily::All,
    }
}
