//! What a route says of upgrades: which it allows or forbids, and whether CONNECT or CONNECT-UDP ends here.
//!
//! Follows `upgrade_configs` of Envoy's route action. As in Envoy one `connect_config` is for all that may end here.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};

use super::{is_connect, is_connect_udp};
use crate::config::route::{self as config, ProxyProtocolVersion};

const CONNECT: &str = "connect";
/// Datagrams in a tunnel.
const CONNECT_UDP: &str = "connect-udp";

/// A route's word on upgrades.
#[derive(Debug)]
pub struct RouteUpgrades {
    /// In lower case, and whether it is allowed.
    kinds: Box<[(Box<[u8]>, bool)]>,
    /// CONNECT ends here: its bytes go to the host as they are.
    terminates_connect: bool,
    /// So do those of POST.
    terminates_post: bool,
    /// CONNECT-UDP ends here: its capsules go to the host as datagrams.
    terminates_udp: bool,
    /// The PROXY header that goes before those bytes.
    pub(crate) proxy_protocol: Option<ProxyProtocolVersion>,
}

impl RouteUpgrades {
    /// Compiles the messages; none if there are none.
    pub(super) fn compile(
        configs: &[config::UpgradeConfig],
        ctx: &mut Ctx,
    ) -> Result<Option<Box<Self>>, Refused> {
        let mut upgrades = RouteUpgrades {
            kinds: Box::default(),
            terminates_connect: false,
            terminates_post: false,
            terminates_udp: false,
            proxy_protocol: None,
        };
        let mut kinds: Vec<(Box<[u8]>, bool)> = Vec::with_capacity(configs.len());
        let mut sound = true;
        for config in configs {
            let kind = config.upgrade_type.value.to_ascii_lowercase();
            if kinds.iter().any(|(known, _)| **known == *kind.as_bytes()) {
                let text = format!("Duplicate upgrade {}", config.upgrade_type.value);
                ctx.error(config.upgrade_type.span, text);
                sound = false;
            }
            sound &= upgrades.connect(&kind, config, ctx).is_ok();
            kinds.push((kind.into_bytes().into(), config.enabled != Some(false)));
        }
        upgrades.kinds = kinds.into();
        match sound {
            true => Ok((!configs.is_empty()).then(|| Box::new(upgrades))),
            false => Err(Refused),
        }
    }

    fn connect(
        &mut self,
        kind: &str,
        config: &config::UpgradeConfig,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        let Some(connect) = &config.connect_config else {
            return Ok(());
        };
        match kind {
            CONNECT | CONNECT_UDP => {
                self.terminates_connect = true;
                self.terminates_udp = true;
                self.terminates_post = connect.allow_post;
                let proxy_protocol = connect.proxy_protocol_config.as_ref();
                self.proxy_protocol = proxy_protocol.map(|config| config.version);
                Ok(())
            }
            _ => {
                let kind = &config.upgrade_type;
                let text = format!("Non-CONNECT upgrade type {} has ConnectConfig", kind.value);
                ctx.error(kind.span, text);
                Err(Refused)
            }
        }
    }

    /// Whether the request's bytes go to the host without HTTP around them.
    pub(crate) fn ends_here(&self, request: &HeaderMap) -> bool {
        let is_post = || request.get(Known::Method) == Some(b"POST".as_slice());
        (self.terminates_connect && is_connect(request)) || (self.terminates_post && is_post())
    }

    /// Whether the request's capsules go to the host as datagrams.
    pub(crate) fn ends_as_datagrams(&self, request: &HeaderMap) -> bool {
        self.terminates_udp && is_connect_udp(request)
    }

    /// Whether the route allows the upgrade or forbids it; none if it has no word on it.
    pub fn allows(&self, kind: &[u8]) -> Option<bool> {
        let found = self
            .kinds
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(kind));
        found.map(|(_, allowed)| *allowed)
    }
}
