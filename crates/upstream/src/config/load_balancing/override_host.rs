//! `OverrideHost`: hosts that requests name, and the policy below them.

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::headers::HeaderName;

use super::messages::{OverrideHost, OverrideHostSource};
use super::{Chosen, by_extension};
use crate::config::original_dst::MetadataKey;
use crate::override_host::{OverrideHosts, OverrideSource};

pub(super) fn read(any: &Any, cluster: &str, ctx: &mut Ctx) -> Result<Chosen, Refused> {
    let message: OverrideHost = any.decode(ctx)?;
    let sources = message.override_host_sources.iter();
    let sources = sources.map(|source| source.compile(ctx));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let Some(below) = message.fallback_policy.known() else {
        let policies = message.fallback_policy.policies.iter();
        let names: Vec<_> = policies
            .map(|policy| policy.typed_extension_config.name.as_str())
            .collect();
        let text = format!(
            "dynamic forwarding LB: didn't find a registered fallback load balancer factory with names from {}",
            names.join(", ")
        );
        ctx.error(message.fallback_policy.span(), text);
        return Err(Refused);
    };
    let below = by_extension(below, cluster, ctx)?;
    if below.override_hosts.is_some() {
        return Err(ctx.unsupported_here(any.span, "hosts that requests name twice"));
    }
    Ok(Chosen {
        override_hosts: Some(OverrideHosts {
            sources,
            selected: message.selected_host_key.as_ref().map(MetadataKey::compile),
        }),
        ..below
    })
}

impl OverrideHostSource {
    fn compile(&self, ctx: &mut Ctx) -> Result<OverrideSource, Refused> {
        let fault = match (self.header.value.as_str(), &self.metadata) {
            ("", None) => "Empty override source",
            ("", Some(key)) => return Ok(OverrideSource::Metadata(key.compile())),
            (_, Some(_)) => "Only one override source must be set",
            (name, None) => return Ok(OverrideSource::Header(HeaderName::to_look_up(name))),
        };
        ctx.error(self.span(), fault);
        Err(Refused)
    }
}
