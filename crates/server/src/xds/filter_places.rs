//! Where configurations of filters go that come from elsewhere: the places in the chains of listeners, by kind of filter,
//! and how a configuration is made that fits all places that want it.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Any, Ctx, Refused, decode};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::listener_filter::ListenerFilterConfig;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::registry::Extensions;
use nuncio_http::connection_manager::DiscoveredHttpFilter;

use crate::listener::{CompiledListener, DiscoveredListenerFilter, DiscoveredNetworkFilter};

message! {
    /// A configuration with the name that it goes by.
    struct TypedExtensionConfig: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "whoever subscribes to it compares it",
        typed_config: Any,
    }
}

/// The kind of listener filters.
pub(super) const LISTENER_FILTER: &str = "tcp_listener_filter";

/// The kind of filter, its name and its source.
pub(super) type Key = (&'static str, Box<str>, ResourceSource);

/// What ends the chain of a network filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainEnd {
    Http,
    Tcp,
    Other,
}

/// Where a configuration goes.
#[derive(Clone)]
pub(super) enum Place {
    Http(Arc<DiscoveredHttpFilter>),
    Network(Arc<DiscoveredNetworkFilter>, ChainEnd),
    Listener(Arc<DiscoveredListenerFilter>),
}

/// A configuration that was parsed.
pub(super) enum Parsed {
    Http(Arc<dyn HttpFilterConfig>),
    Network(Arc<dyn NetworkFilterConfig>),
    Listener(Arc<dyn ListenerFilterConfig>),
}

/// Makes a configuration that all of these places may have.
pub(super) fn parse(
    message: &Arc<Message>,
    places: &[Place],
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Parsed, Refused> {
    let config: TypedExtensionConfig = decode(message, ctx)?;
    let any = &config.typed_config;
    for place in places {
        if let Err(text) = place.accepts(any.type_name()) {
            ctx.error(any.span, text);
            return Err(Refused);
        }
    }
    let first = places.first().ok_or(Refused)?;
    let parsed = first.parse(any, extensions, ctx)?;
    for place in places {
        place.check_end(&parsed, any, ctx)?;
    }
    Ok(parsed)
}

impl Place {
    /// Those of a listener.
    pub(super) fn all(listener: &CompiledListener) -> Vec<Place> {
        let of_listener = listener.inspection.discovered.iter().cloned();
        let mut places: Vec<_> = of_listener.map(Place::Listener).collect();
        for chain in &listener.chains {
            let end = match chain.http() {
                Some(_) => ChainEnd::Http,
                None if chain.is_tcp() => ChainEnd::Tcp,
                None => ChainEnd::Other,
            };
            let filters = chain.discovered.iter().cloned();
            places.extend(filters.map(|place| Place::Network(place, end)));
            let managers = chain.http().into_iter();
            let filters = managers.flat_map(|http| http.manager.discovered());
            places.extend(filters.cloned().map(Place::Http));
        }
        places
    }

    /// What it is subscribed by.
    pub(super) fn key(&self) -> Key {
        let (kind, name, source) = match self {
            Place::Http(place) => ("http_filter", &place.name, &place.source),
            Place::Network(filter, _) => {
                let place = &filter.place;
                ("network_filter", &place.name, &place.source)
            }
            Place::Listener(filter) => {
                let place = &filter.place;
                (LISTENER_FILTER, &place.name, &place.source)
            }
        };
        (kind, name.clone(), source.clone())
    }

    /// Whether a listener waits for what its source has.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Place::Http(place) => place.is_awaited,
            Place::Network(filter, _) => filter.place.is_awaited,
            Place::Listener(filter) => filter.place.is_awaited,
        }
    }

    /// Has new streams or connections run a configuration.
    pub(super) fn set(&self, parsed: &Parsed) {
        match (self, parsed) {
            (Place::Http(place), Parsed::Http(config)) => place.set(Arc::clone(config)),
            (Place::Network(filter, _), Parsed::Network(config)) => {
                filter.place.set(Arc::clone(config));
            }
            (Place::Listener(filter), Parsed::Listener(config)) => {
                filter.place.set(Arc::clone(config));
            }
            // Their keys tell them apart.
            _ => {}
        }
    }

    /// Has new streams or connections run the default one, or none, as before any came.
    pub(super) fn reset(&self) {
        match self {
            Place::Http(place) => place.reset(),
            Place::Network(filter, _) => filter.place.reset(),
            Place::Listener(filter) => filter.place.reset(),
        }
    }

    /// Whether a listener has it, beside whoever asks.
    pub(super) fn is_held(&self) -> bool {
        let holders = match self {
            Place::Http(place) => Arc::strong_count(place),
            Place::Network(filter, _) => Arc::strong_count(filter),
            Place::Listener(filter) => Arc::strong_count(filter),
        };
        holders > 1
    }

    fn accepts(&self, type_name: &str) -> Result<(), String> {
        match self {
            Place::Http(place) => place.accepts(type_name),
            Place::Network(filter, _) => filter.place.accepts(type_name),
            Place::Listener(filter) => filter.place.accepts(type_name),
        }
    }

    fn parse(&self, any: &Any, extensions: &Extensions, ctx: &mut Ctx) -> Result<Parsed, Refused> {
        let kind = any.type_name();
        let parsed = match self {
            Place::Http(_) => extensions
                .http_filter(kind)
                .map(|room| (room.parse)(any, ctx).map(Parsed::Http)),
            Place::Network(..) => extensions
                .network_filter(kind)
                .map(|room| (room.parse)(any, ctx).map(Parsed::Network)),
            Place::Listener(_) => extensions
                .listener_filter(kind)
                .map(|room| (room.parse)(any, ctx).map(Parsed::Listener)),
        };
        parsed.unwrap_or_else(|| {
            let what = format!("the filter `{kind}`");
            Err(ctx.unsupported_here(any.span, what))
        })
    }

    /// Whether a network filter may stand where it is to stand.
    fn check_end(&self, parsed: &Parsed, any: &Any, ctx: &mut Ctx) -> Result<(), Refused> {
        let (Place::Network(filter, end), Parsed::Network(config)) = (self, parsed) else {
            return Ok(());
        };
        if config.is_terminal() != filter.is_last {
            let (what, fault) = match filter.is_last {
                true => ("non-terminal", "is the last filter"),
                false => ("terminal", "must be the last filter"),
            };
            let text = format!(
                "Error: {what} filter named {} of type {} {fault} in a network filter chain.",
                filter.place.name,
                any.type_name()
            );
            ctx.error(any.span, text);
            return Err(Refused);
        }
        let left_out = if *end == ChainEnd::Http && config.leaves_filter_state() {
            "filter state of the connection before the connection manager"
        } else if *end != ChainEnd::Tcp && !filter.is_last && config.sees_answers() {
            "a filter that sees answers before anything but the TCP proxy"
        } else {
            return Ok(());
        };
        Err(ctx.unsupported_here(any.span, left_out))
    }
}
