//! `BindConfig`: where connections to hosts come from, and what is set on their sockets. Options are set before a
//! socket is bound; those of other states do nothing here, as in Envoy. `local_address_selector` may be the one that
//! chooses by IP version, which is what is done without it. Not there, and so refused: `filter_state_override`, which
//! chooses network namespaces.

use std::net::SocketAddr;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_net::connect::Sources;
use nuncio_net::socket_options::{SocketOption, SocketOptions};

use super::endpoints::{PortSpecifier, SocketAddress};

const DEFAULT_SELECTOR: &str =
    "envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector";
const OVERRIDE_SELECTOR: &str =
    "envoy.extensions.local_address_selectors.filter_state_override.v3.Config";

message! {
    /// Addresses to connect from.
    pub struct BindConfig: "envoy.config.core.v3.BindConfig" {
        pub(crate) source_address: Option<SocketAddress>,
        pub(crate) freebind: Option<bool>,
        pub(crate) extra_source_addresses: Vec<ExtraSourceAddress>,
        pub(crate) additional_source_addresses: Vec<SocketAddress>,
        pub(crate) socket_options: Vec<SocketOption>,
        pub(crate) local_address_selector: Option<AddressSelector>,
    }
}

message! {
    /// Who chooses among the addresses.
    pub struct AddressSelector: "envoy.config.core.v3.TypedExtensionConfig" {
        name: String,
        typed_config: Any,
    }
}

message! {
    /// The IP version chooses.
    pub(crate) struct DefaultAddressSelector: "envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector" {}
}

message! {
    /// One more.
    pub struct ExtraSourceAddress: "envoy.config.core.v3.ExtraSourceAddress" {
        pub(crate) address: SocketAddress,
        pub(crate) socket_options: Option<SocketOptionsOverride>,
    }
}

message! {
    /// Options in the place of those of all addresses.
    pub struct SocketOptionsOverride: "envoy.config.core.v3.SocketOptionsOverride" {
        /// Which.
        pub socket_options: Vec<SocketOption>,
    }
}

/// What sockets of connections are made with.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// Addresses to connect from.
    pub sources: Option<Box<Sources>>,
    /// Options of the sockets.
    pub options: SocketOptions,
}

impl AddressSelector {
    fn check(&self, ctx: &mut Ctx) -> Result<(), Refused> {
        let any = &self.typed_config;
        match any.type_name() {
            DEFAULT_SELECTOR => any.decode::<DefaultAddressSelector>(ctx).map(|_| ()),
            OVERRIDE_SELECTOR => {
                let what = "choosing a network namespace by filter state";
                Err(ctx.unsupported_here(any.span, what))
            }
            other => {
                let name = &self.name;
                let text = format!(
                    "Didn't find a registered implementation for '{name}' with type URL: '{other}'"
                );
                ctx.error(any.span, text);
                Err(Refused)
            }
        }
    }
}

impl BindConfig {
    /// The addresses of a cluster (`Cluster NAME`), or of all that say nothing themselves (`Bootstrap`).
    ///
    /// # Errors
    /// [`Refused`] when they are no addresses, or are not one of each IP version.
    pub fn compile(&self, of: &str, ctx: &mut Ctx) -> Result<Bound, Refused> {
        if let Some(selector) = &self.local_address_selector {
            selector.check(ctx)?;
        }
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
        let options = SocketOptions::compile(&self.socket_options, false, ctx)?;
        let Some(first) = &self.source_address else {
            return Ok(Bound {
                options,
                ..Bound::default()
            });
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
        let own = self.extra_source_addresses.first();
        let own = own.and_then(|extra| extra.socket_options.as_ref());
        let own = own.map(|own| SocketOptions::compile(&own.socket_options, false, ctx));
        let sources = Some(Box::new(Sources {
            first,
            other,
            freebind: self.freebind.unwrap_or(false),
            options_of_other: own.transpose()?,
            of_client: None,
        }));
        Ok(Bound { sources, options })
    }
}

impl SocketAddress {
    fn bindable(&self, ctx: &mut Ctx) -> Result<SocketAddr, Refused> {
        let PortSpecifier::Value(port) = self.port_specifier;
        let ip = self.ip().map_err(|fault| {
            ctx.error(self.address.span, fault);
            Refused
        })?;
        // The API's rules allow no larger one.
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        Ok(SocketAddr::new(ip, port))
    }
}
