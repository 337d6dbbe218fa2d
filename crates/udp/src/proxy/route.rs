//! Where a client's datagrams go: `cluster`, or the tree of `matcher`, which may ask for addresses and ports.

use std::net::{IpAddr, SocketAddr};

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::listener_filter::Inspected;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome, unknown_extension,
};
use nuncio_contract::stream_info::{Address, ConnectionInfo, StreamInfo};
use nuncio_upstream::ClusterId;

/// What may be asked about; an environment variable besides.
const INPUTS: [&str; 5] = [
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
    "envoy.extensions.matching.common_inputs.network.v3.NetworkNamespaceInput",
];
const ROUTE: &str = "envoy.extensions.filters.udp.udp_proxy.v3.Route";

message! {
    /// Where datagrams go.
    pub struct Route: "envoy.extensions.filters.udp.udp_proxy.v3.Route" {
        cluster: String,
    }
}

/// Where datagrams go, compiled.
#[derive(Debug)]
pub(super) enum Routes {
    /// All to one cluster.
    One(ClusterId),
    /// It depends.
    Tree(MatchTree<ClusterId>),
}

struct Clusters<'c, 'n> {
    ctx: &'c mut Ctx,
    cluster_id: &'c mut (dyn FnMut(&str) -> ClusterId + 'n),
    all: Vec<ClusterId>,
}

impl MatchContext for Clusters<'_, '_> {
    type Action = ClusterId;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<ClusterId, Refused> {
        let any = &action.typed_config;
        if any.type_name() != ROUTE {
            return Err(unknown_extension(action, self.ctx));
        }
        let route: Route = any.decode(self.ctx)?;
        let id = (self.cluster_id)(&route.cluster);
        self.all.push(id);
        Ok(id)
    }

    fn knows_input(&self, message: &str) -> bool {
        INPUTS.contains(&message)
    }
}

impl Routes {
    /// Compiles a tree; gives all clusters that it leads to besides.
    pub(super) fn compile(
        message: &MatcherMessage,
        ctx: &mut Ctx,
        cluster_id: &mut dyn FnMut(&str) -> ClusterId,
    ) -> Result<(Self, Vec<ClusterId>), Refused> {
        let mut clusters = Clusters {
            ctx,
            cluster_id,
            all: Vec::new(),
        };
        let tree = MatchTree::compile(message, &mut clusters)?;
        let routes = match tree.unconditional() {
            Some(id) => Routes::One(*id),
            None => Routes::Tree(tree),
        };
        Ok((routes, clusters.all))
    }

    /// The cluster of a client's datagrams.
    pub(super) fn find(
        &self,
        peer: SocketAddr,
        local: SocketAddr,
        begin: impl FnOnce(ConnectionInfo) -> StreamInfo,
    ) -> Option<ClusterId> {
        let tree = match self {
            Routes::One(id) => return Some(*id),
            Routes::Tree(tree) => tree,
        };
        let info = begin(connection(0, peer, local));
        match tree.find(&MatchData::of_connection(&info, &Inspected::default())) {
            Outcome::Action(id) => Some(*id),
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}

/// A session as a connection, for what asks about connections.
pub(super) fn connection(id: u64, peer: SocketAddr, local: SocketAddr) -> ConnectionInfo {
    let (peer, local) = (plain(peer), plain(local));
    ConnectionInfo {
        id,
        direct_remote_address: Some(peer.clone()),
        remote_address: Some(peer),
        direct_local_address: Some(local.clone()),
        local_address: Some(local),
        ..ConnectionInfo::default()
    }
}

/// An address of IPv4 inside of one of IPv6 is shown as what it is.
fn plain(address: SocketAddr) -> Address {
    Address::Ip(SocketAddr::new(plain_ip(address.ip()), address.port()))
}

/// The same of an IP address.
pub(super) fn plain_ip(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
