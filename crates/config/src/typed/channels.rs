//! Channels of gRPC that services say by themselves (`google_grpc`), not over a cluster of the configuration: what was
//! compiled leaves its wishes here, and whoever runs the configuration makes clusters of them that nobody else sees.
//!
//! Wishes are never taken back, as in Envoy clients live as long as what they were made for may; at most
//! [`MOST_CHANNELS`] different ones are kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::managed::{Background, MOST_MANAGED, Managed, ManagedCluster};

/// How many different channels there may be.
pub const MOST_CHANNELS: usize = 1024;

/// A channel that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelWish {
    /// Where its servers are.
    pub place: ChannelPlace,
    /// How it is encrypted, if it is.
    pub tls: Option<ChannelTls>,
    /// How often a connection is asked whether it lives, and how long the answer may take.
    pub keepalive: Option<(Duration, Duration)>,
}

/// Where the servers of a channel are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelPlace {
    /// A name that is resolved, and a port.
    Name(Box<str>, u16),
    /// Addresses.
    Addresses(Vec<SocketAddr>),
    /// A unix domain socket.
    Path(Box<str>),
}

/// What a channel is encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTls {
    /// The authorities, as PEM.
    pub roots: Vec<u8>,
    /// The client's key and its certificates, as PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that the server has to prove.
    pub server_name: Box<str>,
}

/// The channels that are wanted, shared by all that is compiled and whoever runs it.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    by_name: BTreeMap<Box<str>, ChannelWish>,
    /// Not taken yet.
    new: Vec<Box<str>>,
    managed: Managed,
}

impl Channels {
    /// Notes a wish. The cluster that there will be for it has this name, which no client can say; none if there are
    /// too many.
    pub fn wish(&self, identity: &str, wish: ChannelWish) -> Option<Box<str>> {
        let name: Box<str> = format!("\u{1}{identity}").into();
        let mut shelf = self.lock();
        if !shelf.by_name.contains_key(&name) {
            if shelf.by_name.len() >= MOST_CHANNELS {
                return None;
            }
            shelf.by_name.insert(name.clone(), wish);
            shelf.new.push(name.clone());
        }
        Some(name)
    }

    /// The wishes since this was called last, with the names of their clusters.
    pub fn take_new(&self) -> Vec<(Box<str>, ChannelWish)> {
        let mut shelf = self.lock();
        let new = std::mem::take(&mut shelf.new);
        let wishes = new.into_iter().filter_map(|name| {
            let wish = shelf.by_name.get(&name)?.clone();
            Some((name, wish))
        });
        wishes.collect()
    }

    /// Notes that a cluster is wanted; false if there are too many.
    pub fn manage(&self, cluster: ManagedCluster) -> bool {
        let managed = &mut self.lock().managed;
        if managed.names.contains(&cluster.name) {
            return true;
        }
        if managed.names.len() >= MOST_MANAGED {
            return false;
        }
        managed.names.push(cluster.name.clone());
        managed.clusters.push(cluster);
        true
    }

    /// Notes what is to go on beside the streams, once its clusters are made.
    pub fn go_on(&self, task: &Arc<dyn Background>) {
        self.lock().managed.tasks.push(Arc::downgrade(task));
    }

    /// The clusters that were wanted since this was called last.
    pub fn take_managed(&self) -> Vec<ManagedCluster> {
        std::mem::take(&mut self.lock().managed.clusters)
    }

    /// The same of what is to go on, as far as it is still wanted.
    pub fn take_tasks(&self) -> Vec<Arc<dyn Background>> {
        let tasks = std::mem::take(&mut self.lock().managed.tasks);
        tasks.iter().filter_map(std::sync::Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(port: u16) -> ChannelWish {
        ChannelWish {
            place: ChannelPlace::Name("a".into(), port),
            tls: None,
            keepalive: None,
        }
    }

    #[test]
    fn the_same_wish_is_taken_once() {
        let channels = Channels::default();
        let first = channels.wish("one", wish(1));
        assert_eq!(channels.wish("one", wish(1)), first);
        let shared = channels.clone();
        assert_eq!(shared.take_new().len(), 1);
        assert!(channels.take_new().is_empty());
        assert_ne!(channels.wish("two", wish(2)), first);
        assert_eq!(channels.take_new().len(), 1);
    }

    #[test]
    fn a_managed_cluster_is_taken_once() {
        let channels = Channels::default();
        let cluster = |name: &str| ManagedCluster {
            name: name.into(),
            host: "a".into(),
            port: 1,
            is_resolved: true,
            is_encrypted: false,
        };
        assert!(channels.manage(cluster("one")));
        assert!(channels.manage(cluster("one")));
        assert_eq!(channels.take_managed().len(), 1);
        assert!(channels.take_managed().is_empty());
        for number in 0..MOST_MANAGED {
            let _there_may_be_one_too_many = channels.manage(cluster(&number.to_string()));
        }
        assert!(!channels.manage(cluster("one more")));
        assert!(channels.manage(cluster("one")));
    }

    #[test]
    fn there_are_not_more_than_the_limit() {
        let channels = Channels::default();
        for number in 0..MOST_CHANNELS {
            assert!(channels.wish(&number.to_string(), wish(1)).is_some());
        }
        assert_eq!(channels.wish("one more", wish(1)), None);
        assert!(channels.wish("0", wish(1)).is_some());
    }
}
