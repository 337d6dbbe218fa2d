//! How a room makes itself known: one static value that its family lists in one line.
//!
//! A room's name and type URLs are Envoy's. The registry checks at start that none is taken twice, and looks
//! rooms up by the type of their message, as Envoy does; the name in a config is only a label.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, SupportTable};

use crate::access_log::{self, AccessLogFiles, AccessLogRoom, AccessLogRooms};
use crate::bootstrap_extension::BootstrapExtensionRooms;
use crate::cluster_specifier::ClusterSpecifierRoom;
use crate::early_header_mutation::EarlyHeaderMutationRoom;
use crate::http_filter::HttpFilterConfig;
use crate::level_config::LevelConfig;
use crate::listener_filter::ListenerFilterConfig;
use crate::network_filter::NetworkFilterConfig;
use crate::stat_sink::StatSinkRooms;
use crate::tracing::TracerRooms;

/// A configuration for one level of the route table.
pub type RouteFilterConfig = Arc<dyn LevelConfig>;

/// Parses an HTTP filter's message; errors go to the context.
pub type ParseHttpFilter = fn(&Any, &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused>;

/// An HTTP filter's room.
pub struct HttpFilterRoom {
    /// Envoy's name, such as `envoy.filters.http.buffer`.
    pub name: &'static str,
    /// The full name of its message, such as `envoy.extensions.filters.http.buffer.v3.Buffer`.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseHttpFilter,
    /// The message and parser of `typed_per_filter_config`, where the filter has one.
    pub per_route: Option<PerRouteRoom>,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// Parses a network filter's message; errors go to the context.
pub type ParseNetworkFilter = fn(&Any, &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused>;

/// A network filter's room.
pub struct NetworkFilterRoom {
    /// Envoy's name, such as `envoy.filters.network.echo`.
    pub name: &'static str,
    /// The full name of its message, such as `envoy.extensions.filters.network.echo.v3.Echo`.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseNetworkFilter,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// Parses a listener filter's message; errors go to the context.
pub type ParseListenerFilter = fn(&Any, &mut Ctx) -> Result<Arc<dyn ListenerFilterConfig>, Refused>;

/// A listener filter's room.
pub struct ListenerFilterRoom {
    /// Envoy's name, such as `envoy.filters.listener.tls_inspector`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseListenerFilter,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// The rooms of HTTP filters, family by family.
pub type HttpFilterRooms = &'static [&'static [&'static HttpFilterRoom]];

/// The per-route side of a room.
pub struct PerRouteRoom {
    /// The full name of the message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: fn(&Any, &mut Ctx) -> Result<RouteFilterConfig, Refused>,
}

/// All rooms of a binary, family by family.
#[derive(Clone, Copy, Default)]
pub struct Extensions {
    /// HTTP filters but for the terminal ones, which are the engine's.
    pub http_filters: HttpFilterRooms,
    /// Network filters but for those that are the engine's.
    pub network_filters: &'static [&'static [&'static NetworkFilterRoom]],
    /// Listener filters.
    pub listener_filters: &'static [&'static [&'static ListenerFilterRoom]],
    /// Plugins that choose clusters.
    pub cluster_specifiers: &'static [&'static [&'static ClusterSpecifierRoom]],
    /// Early header mutations.
    pub early_header_mutations: &'static [&'static [&'static EarlyHeaderMutationRoom]],
    /// Bootstrap extensions.
    pub bootstrap_extensions: BootstrapExtensionRooms,
    /// Sinks of stats.
    pub stat_sinks: StatSinkRooms,
    /// Tracers.
    pub tracers: TracerRooms,
    /// Access loggers.
    pub access_loggers: AccessLogRooms,
    /// The files that access loggers write; the server configures, reopens and flushes them.
    pub access_log_files: Option<&'static dyn AccessLogFiles>,
}

impl Extensions {
    /// The HTTP filter whose message is `message`.
    pub fn http_filter(&self, message: &str) -> Option<&'static HttpFilterRoom> {
        self.http_filters
            .iter()
            .flat_map(|family| family.iter())
            .find(|room| room.message == message)
            .copied()
    }

    /// The HTTP filter whose per-route message is `message`.
    pub fn http_filter_by_route_message(&self, message: &str) -> Option<&'static HttpFilterRoom> {
        self.http_filters
            .iter()
            .flat_map(|family| family.iter())
            .find(|room| {
                room.per_route
                    .as_ref()
                    .is_some_and(|per_route| per_route.message == message)
            })
            .copied()
    }

    /// The network filter whose message is `message`.
    pub fn network_filter(&self, message: &str) -> Option<&'static NetworkFilterRoom> {
        self.network_filters
            .iter()
            .flat_map(|family| family.iter())
            .find(|room| room.message == message)
            .copied()
    }

    /// The listener filter whose message is `message`.
    pub fn listener_filter(&self, message: &str) -> Option<&'static ListenerFilterRoom> {
        self.listener_filters
            .iter()
            .flat_map(|family| family.iter())
            .find(|room| room.message == message)
            .copied()
    }

    /// The early header mutation whose message is `message`.
    pub fn early_header_mutation(&self, message: &str) -> Option<&'static EarlyHeaderMutationRoom> {
        self.early_header_mutations
            .iter()
            .flat_map(|family| family.iter())
            .find(|room| room.message == message)
            .copied()
    }

    /// The access logger whose message is `message`.
    pub fn access_logger(&self, message: &str) -> Option<&'static AccessLogRoom> {
        access_log::room(self.access_loggers, message)
    }
}
