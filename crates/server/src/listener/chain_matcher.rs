//! `filter_chain_matcher`: a tree that chooses a connection's filter chain by its name.
//!
//! What it asks about is what is known before there is a chain: addresses, names, protocols, metadata of listener
//! filters. Nothing that matches leads to the default chain, as in Envoy; a name that no chain has leads to none. The
//! chains' own conditions say nothing then.

use std::collections::HashMap;
use std::rc::Rc;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::listener_filter::Inspected;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome, unknown_extension,
};
use nuncio_contract::stream_info::{ConnectionInfo, StreamInfo};
use nuncio_http::worker::Worker;

use crate::config::FilterChain;

message! {
    /// The name of a chain.
    struct ChainName: "google.protobuf.StringValue" {
        value: String,
    }
}

/// Adds what the tree's actions may be.
pub(crate) fn support(table: &mut SupportTable) {
    ChainName::support(table);
}

/// The tree, compiled; its actions are places of chains.
#[derive(Debug)]
pub(crate) struct ChainMatcher {
    tree: MatchTree<Option<usize>>,
    /// The place of the chain for those that nothing matches.
    default: Option<usize>,
}

struct Names<'c> {
    ctx: &'c mut Ctx,
    places: HashMap<&'c str, usize>,
}

impl MatchContext for Names<'_> {
    type Action = Option<usize>;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<Self::Action, Refused> {
        let any = &action.typed_config;
        if any.type_name() != "google.protobuf.StringValue" {
            return Err(unknown_extension(action, self.ctx));
        }
        let name: ChainName = any.decode(self.ctx)?;
        let place = self.places.get(name.value.as_str()).copied();
        if place.is_none() {
            let text = format!(
                "there is no filter chain `{}`: connections for it will be closed",
                name.value
            );
            self.ctx.warning(any.span, text);
        }
        Ok(place)
    }

    fn is_of_listener(&self) -> bool {
        true
    }
}

impl ChainMatcher {
    /// Compiles the tree; the default chain stands behind the others.
    pub(super) fn compile(
        message: &MatcherMessage,
        chains: &[FilterChain],
        has_default: bool,
        address: &str,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let mut places = HashMap::new();
        let mut is_sound = true;
        for (place, chain) in chains.iter().enumerate() {
            let wrong = match places.insert(chain.name.as_str(), place) {
                _ if chain.name.is_empty() => {
                    "field is required when using a listener matcher".to_owned()
                }
                Some(_) => format!("field is duplicated with value '{}'", chain.name),
                None => continue,
            };
            let text = format!("error adding listener '{address}': \"name\" {wrong}");
            ctx.error(chain.span(), text);
            is_sound = false;
        }
        let tree = MatchTree::compile(message, &mut Names { ctx, places })?;
        let default = has_default.then_some(chains.len());
        match is_sound {
            true => Ok(ChainMatcher { tree, default }),
            false => Err(Refused),
        }
    }

    /// The place of the chain that takes a connection.
    pub(super) fn find(
        &self,
        connection: &ConnectionInfo,
        inspected: &Inspected,
        worker: &Worker,
    ) -> Option<usize> {
        use nuncio_contract::clock::Clock as _;
        let connection = Rc::new(connection.clone());
        let mut info = StreamInfo::new(connection, worker.wall(), worker.now());
        if !inspected.metadata.is_empty() {
            *info.dynamic_metadata_mut() = inspected.metadata.clone();
        }
        match self.tree.find(&MatchData::of_connection(&info, inspected)) {
            Outcome::Action(place) => *place,
            Outcome::Nothing | Outcome::Undecided => self.default,
        }
    }
}
