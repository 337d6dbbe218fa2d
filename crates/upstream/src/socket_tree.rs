//! `transport_socket_matcher` of clusters: a tree that names one of `transport_socket_matches`, by metadata of a host and
//! of its locality.
//!
//! As in Envoy a name that nobody has is the cluster's own transport socket, and so is no name at all. Not supported: `transport_socket_filter_state`, by which requests would choose.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::match_tree::{
    Extension, HostData, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome,
    unknown_extension,
};
use nuncio_contract::stream_info::StreamInfo;

const NAME: &str =
    "envoy.extensions.matching.common_inputs.transport_socket.v3.TransportSocketNameAction";

message! {
    /// The transport socket of this name.
    pub(crate) struct NameAction: "envoy.extensions.matching.common_inputs.transport_socket.v3.TransportSocketNameAction" {
        name: Spanned<String>,
    }
}

/// A stream of which nothing is known: trees are asked about hosts.
pub(crate) fn no_stream() -> StreamInfo {
    StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
}

/// The tree. What it finds is a place among the cluster's transport sockets; none: the cluster's own.
#[derive(Debug)]
pub struct SocketTree(MatchTree<Option<usize>>);

struct Names<'c, 's> {
    ctx: &'c mut Ctx,
    names: &'s [&'s str],
}

impl MatchContext for Names<'_, '_> {
    type Action = Option<usize>;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<Option<usize>, Refused> {
        let any = &action.typed_config;
        if any.type_name() != NAME {
            return Err(unknown_extension(action, self.ctx));
        }
        let message: NameAction = any.decode(self.ctx)?;
        let name = &message.name.value;
        let place = self.names.iter().position(|one| one == name);
        if place.is_none() {
            let text = format!("there is no transport socket `{name}`: the cluster's own is used");
            self.ctx.warning(message.name.span, text);
        }
        Ok(place)
    }

    fn is_of_hosts(&self) -> bool {
        true
    }
}

impl SocketTree {
    /// Compiles a tree over transport sockets of these names.
    pub(crate) fn compile(
        message: &MatcherMessage,
        names: &[&str],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        MatchTree::compile(message, &mut Names { ctx, names }).map(SocketTree)
    }

    /// The place of a host's; `nothing` is [`no_stream`].
    pub(crate) fn find(&self, host: HostData<'_>, nothing: &StreamInfo) -> Option<usize> {
        match self.0.find(&MatchData::of_host(host, nothing)) {
            Outcome::Action(place) => *place,
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}
