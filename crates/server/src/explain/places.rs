//! Where things stand in the configuration: found in the message tree by their indices, so that what serves
//! requests need not carry it.

use std::sync::Arc;

use nuncio_config::lines::Lines;
use nuncio_config::span::Span;
use nuncio_config::tree::{Any, Item, Message, Value};
use nuncio_http::connection_manager::config::MESSAGE;

use super::Entry;

/// Transport sockets of listeners whose clients speak TLS.
const TLS: [&str; 2] = [
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
];

/// A place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// File, line and column; none for what stands in no text, such as a binary file.
    pub(super) position: Option<(String, usize, usize)>,
    /// The field's path from the bootstrap.
    pub(super) path: String,
}

impl Place {
    /// `file:line:column`, or nothing.
    pub(super) fn position_text(&self) -> String {
        match &self.position {
            Some((file, line, column)) => format!("{file}:{line}:{column}"),
            None => String::new(),
        }
    }
}

/// The places of one listener and what is below it.
pub(super) struct Places<'a> {
    lines: &'a Lines,
    tree: &'a Arc<Message>,
    listener: Option<Found<'a>>,
    chain: Option<Found<'a>>,
    table: Option<Found<'a>>,
}

/// A message with its span and path.
#[derive(Clone)]
struct Found<'a> {
    message: &'a Message,
    span: Span,
    path: String,
}

impl<'a> Places<'a> {
    pub(super) fn new(tree: &'a Arc<Message>, lines: &'a Lines, entry: &Entry<'_>) -> Places<'a> {
        let listener = listener(tree, entry);
        let chain = listener.as_ref().and_then(|found| found.chain(entry.chain));
        let table = chain.as_ref().and_then(Found::route_table);
        Places {
            lines,
            tree,
            listener,
            chain,
            table,
        }
    }

    pub(super) fn listener(&self) -> Option<Place> {
        self.listener.as_ref().map(|found| self.place(found))
    }

    pub(super) fn filter_chain(&self) -> Option<Place> {
        self.chain.as_ref().map(|found| self.place(found))
    }

    /// Whether the filter chain has a transport socket for TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        let socket = self.chain.as_ref().and_then(|chain| {
            let socket = chain.message.get_by_name("transport_socket")?;
            socket.value.as_message()?.get_by_name("typed_config")
        });
        match socket.map(|entry| &entry.value) {
            Some(Value::Any(any)) => TLS.contains(&any.type_name()),
            _ => false,
        }
    }

    pub(super) fn route_table(&self) -> Option<Place> {
        self.table.as_ref().map(|found| self.place(found))
    }

    pub(super) fn virtual_host(&self, host: usize) -> Option<Place> {
        let found = self.table.as_ref()?.item("virtual_hosts", host)?;
        Some(self.place(&found))
    }

    pub(super) fn route(&self, host: usize, route: usize) -> Option<Place> {
        let host = self.table.as_ref()?.item("virtual_hosts", host)?;
        Some(self.place(&host.item("routes", route)?))
    }

    /// The message and the place of a cluster.
    pub(super) fn cluster(&self, name: &str) -> Option<(&'a Message, Place)> {
        let list = self
            .tree
            .find(&["static_resources", "clusters"])?
            .as_list()?;
        let (place, item) = named(list, name)?;
        let found = Found {
            message: item.value.as_message()?,
            span: item.span,
            path: format!("static_resources.clusters[{place}]"),
        };
        Some((found.message, self.place(&found)))
    }

    fn place(&self, found: &Found<'_>) -> Place {
        let position = self.lines.position(found.span);
        Place {
            position: position
                .map(|(file, position)| (file.to_owned(), position.line, position.column)),
            path: found.path.clone(),
        }
    }
}

fn named<'a>(list: &'a [Item], name: &str) -> Option<(usize, &'a Item)> {
    let is_it = |item: &Item| {
        let message = item.value.as_message();
        let found = message.and_then(|message| message.get_by_name("name"));
        found.and_then(|entry| entry.value.as_str()) == Some(name)
    };
    list.iter().enumerate().find(|(_, item)| is_it(item))
}

/// The `server_names` of a filter chain.
pub(super) fn server_names(tree: &Arc<Message>, entry: &Entry<'_>) -> Vec<String> {
    let listener = listener(tree, entry);
    let chain = listener.and_then(|found| found.chain(entry.chain));
    let names = chain.as_ref().and_then(|chain| {
        let names = chain
            .message
            .find(&["filter_chain_match", "server_names"])?;
        names.as_list()
    });
    let names = names.unwrap_or_default().iter();
    names
        .filter_map(|item| item.value.as_str())
        .map(str::to_ascii_lowercase)
        .collect()
}

/// The listener of that name, or else the one at that place.
fn listener<'a>(tree: &'a Message, entry: &Entry<'_>) -> Option<Found<'a>> {
    let list = tree.find(&["static_resources", "listeners"])?.as_list()?;
    let (place, item) = match named(list, &entry.listener.name) {
        Some(found) => found,
        None => (entry.place, list.get(entry.place)?),
    };
    Some(Found {
        message: item.value.as_message()?,
        span: item.span,
        path: format!("static_resources.listeners[{place}]"),
    })
}

impl<'a> Found<'a> {
    /// The filter chain at that place; the default one stands behind the others.
    fn chain(&self, place: usize) -> Option<Found<'a>> {
        self.item("filter_chains", place)
            .or_else(|| self.field("default_filter_chain"))
    }

    /// The route table inside of the connection manager among the chain's filters.
    fn route_table(&self) -> Option<Found<'a>> {
        let filters = self.message.get_by_name("filters")?.value.as_list()?;
        let config = |item: &'a Item| {
            let entry = item.value.as_message()?.get_by_name("typed_config")?;
            match &entry.value {
                Value::Any(any) if any.type_name() == MESSAGE => Some((&**any, entry.span)),
                _ => None,
            }
        };
        let found: Option<(usize, (&'a Any, Span))> = filters
            .iter()
            .enumerate()
            .find_map(|(place, item)| Some((place, config(item)?)));
        let (place, (any, span)) = found?;
        let manager = Found {
            message: &any.message,
            span,
            path: format!("{}.filters[{place}].typed_config", self.path),
        };
        manager.field("route_config")
    }

    fn field(&self, name: &str) -> Option<Found<'a>> {
        let entry = self.message.get_by_name(name)?;
        Some(Found {
            message: entry.value.as_message()?,
            span: entry.span,
            path: format!("{}.{name}", self.path),
        })
    }

    fn item(&self, list: &str, place: usize) -> Option<Found<'a>> {
        let item = self
            .message
            .get_by_name(list)?
            .value
            .as_list()?
            .get(place)?;
        Some(Found {
            message: item.value.as_message()?,
            span: item.span,
            path: format!("{}.{list}[{place}]", self.path),
        })
    }
}
