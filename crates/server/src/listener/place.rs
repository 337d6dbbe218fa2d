//! Where a listener listens and how: its address and its additional ones, and what is set on their sockets.
//!
//! Stats, filter chains and limits are those of the one listener, wherever a connection came to. An additional address
//! has options and a keepalive of its own where it says so, else those of the listener. A unix domain socket has none of
//! those that are set before it is bound, a keepalive among them, as in Envoy.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_net::connect::Keepalive;
use nuncio_net::listen_address::ListenAddress;
use nuncio_net::listener::ListenOptions;
use nuncio_net::pipe::PipeAddress;
use nuncio_net::socket_options::SocketOptions;

use super::compile::ip_and_port_of_any;
use super::datagrams;
use crate::config::{
    AdditionalAddress, Address, AddressKind, BalanceType, ConnectionBalance, ExactBalance,
    InternalKind, Listener, ListenerKind, Pipe, SocketProtocol, TcpKeepalive,
};

/// Where a listener listens.
pub(super) struct Place {
    pub(super) address: ListenAddress,
    pub(super) options: ListenOptions,
    pub(super) additional: Vec<AdditionalPlace>,
    /// Whether connections are spread over the workers one by one.
    pub(super) balances: bool,
    /// The name by which it is reached inside of the process, if it is there: then it has no address.
    pub(super) internal: Option<Arc<str>>,
    /// What its stats are called by.
    pub(super) stat_name: String,
}

/// One more place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdditionalPlace {
    pub(crate) address: ListenAddress,
    pub(crate) options: ListenOptions,
}

impl Place {
    pub(super) fn of(listener: &Listener, ctx: &mut Ctx) -> Result<Self, Refused> {
        let are_datagrams = datagrams::is_of_datagrams(listener);
        if let Some(ListenerKind::Internal(InternalKind { .. })) = &listener.listener_specifier {
            return Self::inside(listener, ctx);
        }
        let address = address(listener.address.as_ref(), listener, ctx);
        let others = SocketOptions::compile(&listener.socket_options, are_datagrams, ctx);
        let is_sound = check(listener, are_datagrams, ctx);
        let (address, ipv4_compat) = address?;
        let options = ListenOptions {
            reuse_port: listener.enable_reuse_port.unwrap_or(true) || listener.reuse_port,
            backlog: listener
                .tcp_backlog_size
                .unwrap_or(ListenOptions::MOST_BACKLOG),
            ipv4_compat,
            freebind: listener.freebind == Some(true),
            transparent: listener.transparent == Some(true),
            datagrams: are_datagrams,
            binds: listener.bind_to_port != Some(false),
            keepalive: listener.tcp_keepalive.as_ref().map(keepalive),
            multipath: listener.enable_mptcp.value,
            others: match listener.tcp_fast_open_queue_length {
                Some(length) => others?.with_fast_open(length),
                None => others?,
            },
        };
        let additional = listener.additional_addresses.iter();
        let additional: Vec<_> = additional
            .map(|message| AdditionalPlace::of(message, listener, &options, ctx))
            .collect();
        is_sound?;
        Ok(Place {
            stat_name: match listener.stat_prefix.as_str() {
                "" => address.to_string().replace(':', "_"),
                prefix => prefix.to_string(),
            },
            address,
            options,
            internal: None,
            additional: additional.into_iter().collect::<Result<_, _>>()?,
            balances: listener
                .connection_balance_config
                .as_ref()
                .is_some_and(is_exact)
                && !are_datagrams,
        })
    }

    /// That of a listener inside of the process. What it must not have in Envoy is said with the whole.
    fn inside(listener: &Listener, ctx: &mut Ctx) -> Result<Self, Refused> {
        let name = &listener.name;
        if name.value.is_empty() {
            return Err(
                ctx.unsupported_here(listener.span(), "an internal listener without a name")
            );
        }
        Ok(Place {
            address: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0).into(),
            options: ListenOptions {
                binds: false,
                ..ListenOptions::default()
            },
            additional: Vec::new(),
            balances: false,
            stat_name: match listener.stat_prefix.as_str() {
                "" => format!("envoy_internal_{}", name.value),
                prefix => prefix.to_string(),
            },
            internal: Some(name.value.as_str().into()),
        })
    }
}

impl AdditionalPlace {
    fn of(
        message: &AdditionalAddress,
        listener: &Listener,
        of_listener: &ListenOptions,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let own = message.socket_options.as_ref();
        let own =
            own.map(|own| SocketOptions::compile(&own.socket_options, of_listener.datagrams, ctx));
        let (address, ipv4_compat) = address(message.address.as_ref(), listener, ctx)?;
        let mut options = ListenOptions {
            ipv4_compat,
            ..of_listener.clone()
        };
        if let Some(own) = own {
            options.others = own?;
        }
        if let Some(own) = &message.tcp_keepalive {
            options.keepalive = Some(keepalive(own));
        }
        Ok(AdditionalPlace { address, options })
    }
}

fn check(listener: &Listener, are_datagrams: bool, ctx: &mut Ctx) -> Result<(), Refused> {
    let name = &listener.name.value;
    let others = listener.additional_addresses.iter();
    let mut others = others.filter_map(|additional| additional.address.as_ref());
    if others.any(|other| is_of_datagrams(other) != are_datagrams) {
        let text = format!(
            "listener {name}: has different socket type. The listener only support same socket type for all the addresses."
        );
        ctx.error(listener.span(), text);
        return Err(Refused);
    }
    let mut all = listener.additional_addresses.iter();
    let is_path = |address: Option<&Address>| {
        address.is_some_and(|at| matches!(at.address, AddressKind::Pipe(_)))
    };
    let has_paths =
        is_path(listener.address.as_ref()) || all.any(|place| is_path(place.address.as_ref()));
    if listener.enable_mptcp.value && (are_datagrams || has_paths) {
        let what = match has_paths {
            true => "IP addresses",
            false => "TCP listeners",
        };
        let text = format!("listener {name}: enable_mptcp can only be used with {what}");
        ctx.error(listener.enable_mptcp.span, text);
        return Err(Refused);
    }
    Ok(())
}

/// A unix domain socket; what is wrong with it is in the context.
pub(crate) fn pipe(message: &Pipe, ctx: &mut Ctx) -> Result<PipeAddress, Refused> {
    let address = PipeAddress::new(&message.path.value, message.mode);
    match address.mistake() {
        None => Ok(address),
        Some(mistake) => {
            ctx.error(message.path.span, mistake);
            Err(Refused)
        }
    }
}

fn is_exact(config: &ConnectionBalance) -> bool {
    let BalanceType::Exact(ExactBalance { .. }) = &config.balance_type;
    true
}

pub(super) fn is_of_datagrams(address: &Address) -> bool {
    match &address.address {
        AddressKind::SocketAddress(socket) => socket.protocol == SocketProtocol::Udp,
        AddressKind::Pipe(_) => false,
    }
}

fn keepalive(message: &TcpKeepalive) -> Keepalive {
    let seconds = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Keepalive {
        probes: message.keepalive_probes,
        time: seconds(message.keepalive_time),
        interval: seconds(message.keepalive_interval),
    }
}

fn address(
    address: Option<&Address>,
    listener: &Listener,
    ctx: &mut Ctx,
) -> Result<(ListenAddress, bool), Refused> {
    match address.map(|address| &address.address) {
        Some(AddressKind::SocketAddress(socket)) => {
            let (address, ipv4_compat) = ip_and_port_of_any(socket, ctx)?;
            Ok((address.into(), ipv4_compat))
        }
        Some(AddressKind::Pipe(message)) => Ok((pipe(message, ctx)?.into(), false)),
        None => {
            let what = format!("listener `{}` without `address`", listener.name.value);
            Err(ctx.unsupported_here(listener.span(), what))
        }
    }
}
