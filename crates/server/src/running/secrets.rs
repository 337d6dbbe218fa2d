//! Who uses secrets from elsewhere, and their sockets made anew when one comes.
//!
//! Only the sockets that use it are made, of the message that runs; all are there before the first takes its place.
//! Connections that are open stay.

use std::sync::Arc;

use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, DeliveredSecrets, Refused, SecretWish, StaticSecrets, decode};
use nuncio_contract::generic_secret::GENERIC_SECRET;
use nuncio_contract::stats::groups::TlsSocketFactoryStats;
use nuncio_upstream::TransportSocket;
use nuncio_upstream::cluster::ClusterShared;
use nuncio_upstream::config::ClusterConfig;

use super::{Clusters, Listeners};
use crate::config::Listener;
use crate::listener::{CompiledListener, DownstreamSocket};
use crate::resource::Version;

/// A listener or a cluster with TLS.
#[derive(Clone)]
pub(crate) enum SecretUser {
    Listener(Arc<CompiledListener>, Version),
    Cluster(Arc<ClusterShared>, Version),
}

/// A socket that is to take the place of another one.
pub(crate) enum NewSocket {
    OfListener(DownstreamSocket, DownstreamSocket),
    OfCluster(Arc<ClusterShared>, TransportSocket),
}

impl SecretUser {
    /// The secrets that it uses.
    pub(crate) fn wanted(&self) -> &[SecretWish] {
        match self {
            SecretUser::Listener(_, version) | SecretUser::Cluster(_, version) => &version.wanted,
        }
    }

    /// Whether both are the same listener or cluster.
    pub(crate) fn is(&self, other: &SecretUser) -> bool {
        match (self, other) {
            (SecretUser::Listener(one, _), SecretUser::Listener(other, _)) => {
                Arc::ptr_eq(one, other)
            }
            (SecretUser::Cluster(one, _), SecretUser::Cluster(other, _)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Counts that a secret was there already, as Envoy does.
    pub(crate) fn count(&self, wish: &SecretWish) {
        if is_of_filters(wish) {
            return;
        }
        match self {
            SecretUser::Listener(listener, _) => {
                let sockets = listener.sockets();
                let concerned = sockets.filter(|socket| socket.secrets().contains(wish));
                concerned.for_each(DownstreamSocket::count_secret);
            }
            SecretUser::Cluster(cluster, _) => count(cluster),
        }
    }

    /// Makes its sockets anew that use a secret.
    ///
    /// # Errors
    /// Why they cannot be made.
    pub(crate) fn renewed(
        &self,
        wish: &SecretWish,
        secrets: &DeliveredSecrets,
        runtime: &RuntimeKeys,
    ) -> Result<Vec<NewSocket>, String> {
        if is_of_filters(wish) {
            return Ok(Vec::new());
        }
        let (SecretUser::Listener(_, version) | SecretUser::Cluster(_, version)) = self;
        // What the message asks for was accepted before.
        let mut ctx = Ctx::new(true);
        ctx.static_secrets = StaticSecrets::new(&version.secrets);
        ctx.delivered_secrets = secrets.clone();
        ctx.runtime = runtime.clone();
        let sockets = match self {
            SecretUser::Listener(listener, _) => {
                of_listener(listener, &version.message, wish, &mut ctx)
            }
            SecretUser::Cluster(cluster, _) => ClusterConfig::parse(&version.message, &mut ctx)
                .map(|config| {
                    vec![NewSocket::OfCluster(
                        Arc::clone(cluster),
                        config.transport_socket,
                    )]
                }),
        };
        sockets.map_err(|Refused| nuncio_config::resources::first_error(&ctx.diagnostics))
    }
}

/// Whether filters read it where it stands, and no socket depends on it.
fn is_of_filters(wish: &SecretWish) -> bool {
    wish.kind == GENERIC_SECRET
}

fn count(cluster: &ClusterShared) {
    let scope = cluster.scope();
    let stats: Arc<TlsSocketFactoryStats> = scope.worker_group_at("client_ssl_socket_factory.");
    stats.ssl_context_update_by_sds.inc();
}

fn of_listener(
    listener: &CompiledListener,
    message: &Arc<Message>,
    wish: &SecretWish,
    ctx: &mut Ctx,
) -> Result<Vec<NewSocket>, Refused> {
    let written: Listener = decode(message, ctx)?;
    let chains = written.filter_chains.iter();
    let chains = chains.chain(&written.default_filter_chain);
    let concerned = listener
        .sockets()
        .zip(chains)
        .filter(|(socket, _)| socket.secrets().contains(wish));
    let made = concerned.map(|(socket, chain)| {
        let newer = DownstreamSocket::compile(chain, ctx)?;
        Ok(NewSocket::OfListener(socket.clone(), newer))
    });
    made.collect()
}

impl NewSocket {
    /// Lets connections to come use it.
    pub(crate) fn take_its_place(self) {
        match self {
            NewSocket::OfListener(socket, newer) => {
                socket.renew_from(&newer);
                socket.count_secret();
            }
            NewSocket::OfCluster(cluster, newer) => {
                cluster.transport_socket.renew_from(&newer);
                cluster.show_expirations();
                count(&cluster);
            }
        }
    }
}

impl Listeners {
    /// Those that use secrets from elsewhere.
    pub(crate) fn secret_users(&self) -> impl Iterator<Item = SecretUser> {
        let resources = self.resources();
        let users = resources.filter(|resource| !resource.version.wanted.is_empty());
        users.map(|one| SecretUser::Listener(Arc::clone(&one.listener), one.version.clone()))
    }
}

impl Clusters {
    /// Those that use secrets from elsewhere, the warming ones too.
    pub(crate) fn secret_users(&self) -> impl Iterator<Item = SecretUser> {
        let all = self.running.values().chain(self.warming.values());
        let users = all.filter(|one| !one.version.wanted.is_empty());
        users.map(|one| SecretUser::Cluster(Arc::clone(&one.shared), one.version.clone()))
    }
}
