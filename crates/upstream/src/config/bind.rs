//! `BindConfig`: where connections to hosts come from. Not there, and so refused: `socket_options`,
//! `local_address_selector`.

use std::net::{IpAddr, SocketAddr};

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_net::connect::Sources;

use super::endpoints::{PortSpecifier, SocketAddress};

message! {
    /// Addresses to connect from.
    pub struct BindConfig: "envoy.config.core.v3.BindConfig" {
        pub(crate) source_address: Option<SocketAddress>,
        pub(crate) freebind: Option<bool>,
        pub(crate) extra_source_addresses: Vec<ExtraSourceAddress>,
        pub(crate) additional_source_addresses: Vec<SocketAddress>,
    }
}

message! {
    /// One more.
    pub struct ExtraSourceAddress: "envoy.config.core.v3.ExtraSourceAddress" {
        pub(crate) address: SocketAddress,
    }
}

impl BindConfig {
    /// The addresses of a cluster (`Cluster NAME`), or of all that say nothing themselves (`Bootstrap`).
    ///
    /// # Errors
    /// [`Refused`] when they are no addresses, or are not one of each IP version.
    pub fn compile(&self, of: &str, ctx: &mut Ctx) -> Result<Option<Box<Sources>>, Refused> {
        let extra = self
            .extra_source_addresses
            .iter()
            .map(|extra| &extra.address);
        let others: Vec<_> = extra.chain(&self.additional_source_addresses).collect();
        let fault = if !self.extra_source_addresses.is_empty()
            && !self.additional_source_addresses.is_empty()
        {
            Some(format!(
                "Can't specify both `extra_source_addresses` and `additional_source_addresses` in the {of}'s upstream binding config"
            ))
        } else if self.source_address.is_none() && !others.is_empty() {
            Some(format!(
                "{of}'s upstream binding config has extra/additional source addresses but no source_address. Extra/additional addresses cannot be specified if source_address is not set."
            ))
        } else if others.len() > 1 {
            Some(format!(
                "{of}'s upstream binding config has more than one extra/additional source addresses. Only one extra/additional source can be supported in BindConfig's extra_source_addresses/additional_source_addresses field"
            ))
        } else {
            None
        };
        if let Some(text) = fault {
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        let Some(first) = &self.source_address else {
            return Ok(None);
        };
        let first = first.bindable(ctx)?;
        let other = others
            .first()
            .map(|other| other.bindable(ctx))
            .transpose()?;
        if other.is_some_and(|other| other.is_ipv4() == first.is_ipv4()) {
            let text = format!(
                "{of}'s upstream binding config has two same IP version source addresses. Only two different IP version source addresses can be supported in BindConfig's source_address and extra_source_addresses/additional_source_addresses fields"
            );
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        Ok(Some(Box::new(Sources {
            first,
            other,
            freebind: self.freebind.unwrap_or(false),
        })))
    }
}

impl SocketAddress {
    fn bindable(&self, ctx: &mut Ctx) -> Result<SocketAddr, Refused> {
        let PortSpecifier::Value(port) = self.port_specifier;
        let written = &self.address;
        let Ok(ip) = written.value.parse::<IpAddr>() else {
            ctx.error(
                written.span,
                format!("malformed IP address: {}", written.value),
            );
            return Err(Refused);
        };
        // The API's rules allow no larger one.
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        Ok(SocketAddr::new(ip, port))
    }
}
