//! Which clusters a cluster with `sub_clusters_config` has for the hosts that were asked for, and when each was used.
//!
//! Workers ask the main thread for those that are not there, by the question that on-demand clusters have; it makes a
//! STRICT_DNS cluster of the message of this one, and takes it away once nobody has used it for `sub_cluster_ttl`.
//!
//! Limit: `max_sub_clusters` (1024).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nuncio_contract::forward_proxy::DnsCacheSettings;

use super::Asked;

/// `SubClustersConfig`, with Envoy's defaults.
#[derive(Clone, Debug)]
pub struct SubClustersSettings {
    /// The number of their `LbPolicy`.
    pub lb_policy: i32,
    /// How many there may be (1024).
    pub most: usize,
    /// How long one stays that nobody uses (5 min).
    pub ttl: Duration,
    /// The cache that Envoy has beside them, for its counters.
    pub(crate) names: DnsCacheSettings,
}

/// Clusters by name, with the time when each was last used.
type Used = Mutex<HashMap<Box<str>, Instant>>;

/// The clusters of one cluster.
pub struct SubClusters {
    /// As configured.
    pub settings: SubClustersSettings,
    /// The cluster that they are made of.
    pub parent: Box<str>,
    used: Arc<Used>,
    is_watched: AtomicBool,
}

/// Whom to ask for one: what `ClusterSource::whom` is of such clusters.
pub struct SubClustersWith {
    /// All of the cluster.
    pub all: Arc<SubClusters>,
    /// What the new one resolves.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
}

/// Tells which are to be taken away.
pub struct IdleSubClusters {
    of: Weak<SubClusters>,
    used: Arc<Used>,
    ttl: Duration,
}

impl SubClusters {
    pub(crate) fn new(settings: SubClustersSettings, parent: &str) -> Self {
        SubClusters {
            settings,
            parent: parent.into(),
            used: Arc::default(),
            is_watched: AtomicBool::new(false),
        }
    }

    /// The cluster of a host, as Envoy names it.
    pub(crate) fn name_of(asked: &Asked) -> String {
        format!("DFPCluster:{}:{}", asked.name, asked.port)
    }

    /// Notes that one is used; false if it is none of these.
    pub(crate) fn touch(&self, name: &str) -> bool {
        match lock(&self.used).get_mut(name) {
            Some(at) => *at = Instant::now(),
            None => return false,
        }
        true
    }

    /// The same, with a place for one that is none of these yet; false if there is none left.
    pub(crate) fn admit(&self, name: &str) -> bool {
        let mut used = lock(&self.used);
        if !used.contains_key(name) && used.len() >= self.settings.most {
            return false;
        }
        used.insert(name.into(), Instant::now());
        true
    }

    /// Who tells which are to be taken away; none after the first time.
    pub fn watch(self: &Arc<Self>) -> Option<IdleSubClusters> {
        let is_first = !self.is_watched.swap(true, Ordering::Relaxed);
        is_first.then(|| IdleSubClusters {
            of: Arc::downgrade(self),
            used: Arc::clone(&self.used),
            ttl: self.settings.ttl,
        })
    }
}

impl IdleSubClusters {
    /// Waits for the next look, then tells which were not used for too long, and whether any may come yet.
    pub async fn next(&self) -> (Vec<String>, bool) {
        tokio::time::sleep(self.ttl).await;
        let goes_on = self.of.strong_count() > 0;
        let now = Instant::now();
        let mut used = lock(&self.used);
        let is_idle = |at: &Instant| !goes_on || now.duration_since(*at) > self.ttl;
        let idle = used.extract_if(|_, at| is_idle(at));
        let names = idle.map(|(name, _)| name.into_string()).collect();
        (names, goes_on)
    }
}

fn lock(used: &Used) -> MutexGuard<'_, HashMap<Box<str>, Instant>> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use nuncio_config::typed::Ctx;

    use super::*;

    fn two() -> Arc<SubClusters> {
        let names = DnsCacheSettings::unnamed(&mut Ctx::new(false));
        let settings = SubClustersSettings {
            lb_policy: 0,
            most: 2,
            ttl: Duration::from_millis(20),
            names: names.expect("a cache"),
        };
        Arc::new(SubClusters::new(settings, "parent"))
    }

    #[test]
    fn clusters_are_named_by_host_and_port() {
        let name = |authority: &[u8]| SubClusters::name_of(&Asked::of(authority, 80).expect("one"));
        assert_eq!(name(b"a.example"), "DFPCluster:a.example:80");
        assert_eq!(name(b"[::1]:443"), "DFPCluster:::1:443");
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let all = two();
        assert!(!all.touch("one"));
        assert!(all.admit("one") && all.admit("two") && all.admit("one"));
        assert!(!all.admit("three"));
        assert!(all.touch("one") && !all.touch("three"));
    }

    #[tokio::test]
    async fn those_that_nobody_uses_go_and_all_do_with_their_cluster() {
        let all = two();
        let idle = all.watch().expect("the first");
        assert!(all.watch().is_none());
        assert!(all.admit("one"));
        std::thread::sleep(Duration::from_millis(25));
        assert!(all.admit("two"));
        all.touch("two");
        let (mut gone, mut goes_on) = idle.next().await;
        while !gone.contains(&"one".to_string()) {
            (gone, goes_on) = idle.next().await;
        }
        assert!(goes_on && !all.touch("one") && all.admit("three"));
        drop(all);
        let (gone, goes_on) = idle.next().await;
        assert!(gone.contains(&"three".to_string()) && !goes_on);
    }
}
