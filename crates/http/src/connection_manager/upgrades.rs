//! Upgrades and CONNECT: which are allowed, and which filters they get.
//!
//! As in Envoy: the route has the first word, then the connection manager; what neither allows is forbidden. An
//! upgrade has the filters of its own entry, or else those of the connection manager.

use nuncio_config::typed::Refused;
use nuncio_contract::headers::{HeaderMap, Known};

use super::compile_filters;
use super::config::{CompileContext, ConnectionManagerConfig, FilterConfig, Terminal};
use super::request::is_upgrade;
use crate::config::connection_manager as config;
use crate::route::{Action, is_connect};
use crate::stream::StreamRoute;

/// An entry of `upgrade_configs`.
pub struct Upgrade {
    kind: Box<[u8]>,
    is_allowed: bool,
    /// Its own filters.
    pub chain: Option<Chain>,
}

/// The filters of an upgrade.
pub struct Chain {
    /// The filters before the terminal one, in order.
    pub filters: Vec<FilterConfig>,
    /// What ends the chain.
    pub terminal: Terminal,
}

/// What comes of a wish for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed, with the filters of the entry at this place, or with those of the connection manager.
    Allowed(Option<usize>),
    /// Neither route nor connection manager allows it.
    Forbidden,
}

/// The protocol that a request asks for: the value of `upgrade`, or `CONNECT`.
#[inline]
pub fn asked(request: &HeaderMap) -> Option<&[u8]> {
    if is_upgrade(request) {
        return request.get(Known::Upgrade);
    }
    is_connect(request).then_some(b"CONNECT")
}

impl ConnectionManagerConfig {
    /// Whether a request for `kind` may have it on `route`.
    pub fn judge_upgrade(&self, kind: &[u8], route: &StreamRoute) -> Verdict {
        let by_route = match route.index.map(|index| route.table.action(index)) {
            Some(Action::Forward(forward)) => forward
                .upgrades
                .as_ref()
                .and_then(|upgrades| upgrades.allows(kind)),
            _ => None,
        };
        let place = self
            .upgrades
            .iter()
            .position(|upgrade| upgrade.kind.eq_ignore_ascii_case(kind));
        let entry = place.and_then(|place| self.upgrades.get(place));
        let by_manager = entry.is_some_and(|upgrade| upgrade.is_allowed);
        match by_route.unwrap_or(by_manager) {
            true => Verdict::Allowed(place.filter(|_| entry.is_some_and(|it| it.chain.is_some()))),
            false => Verdict::Forbidden,
        }
    }

    /// The filters of the upgrade at this place of `upgrade_configs`.
    pub(crate) fn upgrade_chain(&self, place: Option<usize>) -> Option<&Chain> {
        self.upgrades.get(place?)?.chain.as_ref()
    }
}

/// The entries, in order; all mistakes go to the context.
pub(super) fn compile(
    configs: &[config::UpgradeConfig],
    context: &mut CompileContext<'_>,
) -> Result<Vec<Upgrade>, Refused> {
    let mut upgrades: Vec<Upgrade> = Vec::with_capacity(configs.len());
    let mut sound = true;
    for config in configs {
        let kind = &config.upgrade_type;
        let known = |upgrade: &Upgrade| upgrade.kind.eq_ignore_ascii_case(kind.value.as_bytes());
        if upgrades.iter().any(known) {
            let name = &kind.value;
            let text = format!("Error: multiple upgrade configs with the same name: '{name}'");
            context.ctx.error(kind.span, text);
            sound = false;
        }
        let chain = match config.filters.as_slice() {
            [] => None,
            filters => match compile_filters::compile(filters, "http upgrade", context) {
                Ok((filters, terminal)) => Some(Chain { filters, terminal }),
                Err(Refused) => {
                    sound = false;
                    None
                }
            },
        };
        upgrades.push(Upgrade {
            kind: kind.value.as_bytes().into(),
            is_allowed: config.enabled != Some(false),
            chain,
        });
    }
    match sound {
        true => Ok(upgrades),
        false => Err(Refused),
    }
}

/// Gives the filters their places among `names`, which are those that a route's configurations go by; adds names
/// that are new.
pub(super) fn place_filters(upgrades: &mut [Upgrade], names: &mut Vec<String>) {
    let chains = upgrades.iter_mut().filter_map(|it| it.chain.as_mut());
    for filter in chains.flat_map(|chain| &mut chain.filters) {
        let place = names.iter().position(|name| *name == filter.name);
        filter.place = place.unwrap_or_else(|| {
            names.push(filter.name.clone());
            names.len() - 1
        });
    }
}
