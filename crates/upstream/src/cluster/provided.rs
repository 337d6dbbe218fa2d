//! Clusters that choose their hosts themselves (`CLUSTER_PROVIDED`): by what a request asks for.

use std::sync::Arc;

use nuncio_contract::forward_proxy::DnsCacheSettings;

use crate::forward_proxy::DnsCache;
use crate::original_dst::{OriginalDst, OriginalDstSettings};
use crate::redis_cluster::{RedisCluster, RedisClusterSettings};

/// How a cluster chooses its hosts itself, as configured.
#[derive(Clone, Debug)]
pub enum ProvidedSettings {
    /// Whatever name a request asks for.
    ForwardProxy(Box<DnsCacheSettings>),
    /// The address that a client connected to, or that a request names.
    OriginalDst(Box<OriginalDstSettings>),
    /// Those of other clusters, by their names.
    Aggregate(Arc<[Box<str>]>),
    /// The same, one after another for the tries of a request.
    Composite(Arc<[Box<str>]>),
    /// Those that have the slot of a key.
    Redis(Box<RedisClusterSettings>),
}

/// The same at work.
pub enum Provided {
    /// Whatever name a request asks for.
    Names(Arc<DnsCache>),
    /// The address that a client connected to, or that a request names.
    OriginalDst(Arc<OriginalDst>),
    /// Those of other clusters, by their names.
    Aggregate(Arc<[Box<str>]>),
    /// The same, one after another for the tries of a request.
    Composite(Arc<[Box<str>]>),
    /// Those that have the slot of a key.
    Redis(Box<RedisCluster>),
}
