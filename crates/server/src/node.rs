//! The node as the server completes it: what it is and which extensions it has, beside what the bootstrap and the
//! flags say.
//!
//! Differs from Envoy: the extensions are those of Nuncio's rooms, and the build is Nuncio's.

use std::sync::Arc;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::dump;
use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::tree::{self, Entry, Message, Value, merge};
use nuncio_config::wire::encode;
use nuncio_config::{interpret, text};
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::registry::Extensions;

use crate::VERSION;
use crate::admin::json::Json;
use crate::cli::Options;
use crate::resource_name::Context;

const NODE: &str = "envoy.config.core.v3.Node";

/// What a bootstrap may say of the program itself.
const OF_THE_PROGRAM: [&str; 2] = ["user_agent_name", "user_agent_build_version"];

/// What is added to each node.
pub(crate) struct NodeStamp {
    /// For the bootstrap.
    build: Option<Message>,
    /// For `/server_info`, which also has what the flags say.
    flags: Option<Message>,
}

impl NodeStamp {
    pub(crate) fn new(options: &Options, extensions: &Extensions) -> Self {
        NodeStamp {
            build: node(&build(extensions)),
            flags: node(&flags(options)),
        }
    }

    /// The bootstrap with the node as it is completed.
    pub(crate) fn bootstrap(&self, tree: &Arc<Message>) -> Arc<Message> {
        let (Some(field), Some(node)) = (
            tree.descriptor.field("node"),
            self.merged(tree, self.build.iter()),
        ) else {
            return Arc::clone(tree);
        };
        let mut completed = (**tree).clone();
        let node = Value::Message(Arc::new(node));
        completed.set(Entry::new(field.number(), Span::NONE, Span::NONE, node));
        Arc::new(completed)
    }

    /// The node that `/server_info` shows.
    pub(crate) fn with_flags(&self, tree: &Message) -> Option<Message> {
        self.merged(tree, self.build.iter().chain(&self.flags))
    }

    /// The same as control planes are told it, in protobuf's binary format and in JSON.
    pub(crate) fn encoded(&self, tree: &Message) -> (Vec<u8>, String) {
        match self.with_flags(tree) {
            Some(node) => (
                encode(&node),
                dump::to_json(&node, dump::Options::default()),
            ),
            None => (Vec::new(), "{}".into()),
        }
    }

    /// What the names of collections say of the node (`node_context_params`); what it does not know is not said, as in
    /// Envoy.
    pub(crate) fn context(&self, tree: &Message, params: &[String]) -> Context {
        let mut context = Context::new();
        let Some(node) = self.with_flags(tree).filter(|_| !params.is_empty()) else {
            return context;
        };
        let mut say = |name: &str, value: &str| {
            let name = format!("xds.node.{name}").into_bytes();
            context.insert(name, value.as_bytes().to_vec());
        };
        let text = |path: &[&str]| node.find(path).and_then(Value::as_str).unwrap_or_default();
        for param in params {
            match param.as_str() {
                "id" | "cluster" | "user_agent_name" | "user_agent_version" => {
                    say(param, text(&[param]));
                }
                "locality.region" | "locality.zone" | "locality.sub_zone" => {
                    let path: Vec<&str> = param.split('.').collect();
                    say(param, text(&path));
                }
                "user_agent_build_version.version" => say(param, &build_version(&node)),
                "metadata" | "user_agent_build_version.metadata" => {
                    let path: Vec<&str> = param.split('.').collect();
                    for (key, value) in fields_of(&node, &path) {
                        let value = dump::json_to_text(value, dump::Options::default());
                        say(&format!("{param}.{key}"), &value);
                    }
                }
                _ => {}
            }
        }
        context
    }

    /// Who this process is for those that it reports to.
    pub(crate) fn local(&self, tree: &Message) -> LocalNode {
        let Some(node) = self.with_flags(tree) else {
            return LocalNode::default();
        };
        let text = |path: &[&str]| -> Box<str> {
            let found = node.find(path).and_then(Value::as_str);
            found.unwrap_or_default().into()
        };
        LocalNode {
            encoded: encode(&node),
            id: text(&["id"]),
            cluster: text(&["cluster"]),
            zone: text(&["locality", "zone"]),
            version: VERSION.into(),
            address: nuncio_net::machine::address(),
        }
    }

    fn merged<'a>(
        &self,
        tree: &Message,
        additions: impl Iterator<Item = &'a Message>,
    ) -> Option<Message> {
        let written = tree.get_by_name("node");
        let written = written.and_then(|entry| entry.value.as_message());
        let mut node = match written {
            Some(node) => (**node).clone(),
            None => Message::new(self.build.as_ref()?.descriptor, Span::NONE),
        };
        // What calls the program otherwise is left so.
        let own = OF_THE_PROGRAM
            .iter()
            .filter_map(|name| node.get_by_name(name));
        let own: Vec<Entry> = own.cloned().collect();
        additions.for_each(|addition| merge(&mut node, addition));
        own.into_iter().for_each(|entry| node.set(entry));
        Some(node)
    }
}

fn build_version(node: &Message) -> String {
    let part = |name: &str| {
        let number = node.find(&["user_agent_build_version", "version", name]);
        match number {
            Some(Value::U64(number)) => *number,
            _ => 0,
        }
    };
    let (major, minor) = (part("major_number"), part("minor_number"));
    format!("{major}.{minor}.{}", part("patch"))
}

/// The fields of a free-form structure.
fn fields_of<'n>(node: &'n Message, path: &[&str]) -> &'n [(Box<str>, tree::Json)] {
    match node.find(path) {
        Some(Value::Json(json)) => match &**json {
            tree::Json::Object(fields) => fields,
            _ => &[],
        },
        _ => &[],
    }
}

fn flags(options: &Options) -> Json {
    let zone = &options.service_zone;
    Json::object()
        .with_if(
            !options.service_node.is_empty(),
            "id",
            options.service_node.as_str(),
        )
        .with_if(
            !options.service_cluster.is_empty(),
            "cluster",
            options.service_cluster.as_str(),
        )
        .with_if(
            !zone.is_empty(),
            "locality",
            Json::object().with("zone", zone.as_str()),
        )
}

fn build(extensions: &Extensions) -> Json {
    // `nuncio/<our version>/<Envoy's>/<status>/<kind>/<TLS library>`.
    let parts: Vec<&str> = VERSION.split('/').collect();
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    let version = Json::object()
        .with("major_number", 1u32)
        .with("minor_number", 40u32);
    let metadata = Json::object()
        .with("revision.sha", part(1))
        .with("revision.status", part(3))
        .with("ssl.version", part(5))
        .with("build.type", part(4));
    Json::object()
        .with("user_agent_name", "envoy")
        .with(
            "user_agent_build_version",
            Json::object()
                .with("version", version)
                .with("metadata", metadata),
        )
        .with("extensions", rooms(extensions))
}

fn rooms(extensions: &Extensions) -> Vec<Json> {
    let filters = extensions.http_filters.iter().flat_map(|family| *family);
    let filters = filters.map(|room| {
        let per_route = room.per_route.as_ref().map(|per_route| per_route.message);
        let messages = std::iter::once(room.message).chain(per_route);
        extension(room.name, "envoy.filters.http", messages)
    });
    let network = extensions.network_filters.iter().flat_map(|family| *family);
    let network = network.map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.filters.network", messages)
    });
    let listener = extensions
        .listener_filters
        .iter()
        .flat_map(|family| *family);
    let listener = listener.map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.filters.listener", messages)
    });
    let mutations = extensions.early_header_mutations.iter();
    let mutations = mutations.flat_map(|family| *family).map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.http.early_header_mutation", messages)
    });
    let loggers = extensions.access_loggers.iter().flat_map(|family| *family);
    let loggers = loggers.map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.access_loggers", messages)
    });
    let tracers = extensions.tracers.iter().flat_map(|family| *family);
    let tracers = tracers.map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.tracers", messages)
    });
    let plugins = extensions
        .cluster_specifiers
        .iter()
        .flat_map(|family| *family);
    let plugins = plugins.map(|room| {
        let messages = std::iter::once(room.message);
        extension(room.name, "envoy.router.cluster_specifier_plugin", messages)
    });
    filters
        .chain(network)
        .chain(listener)
        .chain(mutations)
        .chain(loggers)
        .chain(tracers)
        .chain(plugins)
        .collect()
}

fn extension(name: &str, category: &str, messages: impl Iterator<Item = &'static str>) -> Json {
    let mut messages: Vec<_> = messages.collect();
    messages.sort_unstable();
    messages.dedup();
    let urls: Vec<Json> = messages.into_iter().map(Json::from).collect();
    Json::object()
        .with("name", name)
        .with("category", category)
        .with("type_urls", urls)
}

/// The message of its JSON.
fn node(json: &Json) -> Option<Message> {
    let source = Source::new("node", Format::Json, json.pretty());
    let mut diagnostics = Diagnostics::default();
    let parsed = text::parse(&source, 0, &text::Limits::default(), &mut diagnostics)?;
    interpret::interpret(nuncio_api::message(NODE)?, &parsed, &mut diagnostics)
}
