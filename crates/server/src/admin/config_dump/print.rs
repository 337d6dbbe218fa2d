//! The dump as JSON, piece by piece, however many resources there are and however large one is.

use nuncio_config::dump::Options;

use super::endpoints;
use super::model::{Node, Resource, Section};
use super::select::Config;
use super::stream::MessagePieces;
use super::timestamp::rfc3339;
use crate::admin::json::push_string;
use crate::admin::state::ClusterHandle;

const OPTIONS: Options = Options {
    pretty: true,
    defaults: false,
    redact: true,
};
/// Spaces before an element of `configs`.
const CONFIG_DEPTH: usize = 2;
/// Spaces before a resource in a section.
const RESOURCE_DEPTH: usize = 4;

type Pieces = Box<dyn Iterator<Item = String>>;

/// Pieces of the document that holds `configs`.
pub(super) fn pieces(configs: Vec<Config>) -> impl Iterator<Item = String> {
    let end = if configs.is_empty() {
        "{}\n"
    } else {
        "\n ]\n}\n"
    };
    let body = configs
        .into_iter()
        .enumerate()
        .flat_map(|(index, config)| -> Pieces {
            let before = if index == 0 {
                "{\n \"configs\": [\n"
            } else {
                ",\n"
            };
            match config {
                Config::Section(section) => Box::new(section_pieces(before, section)),
                Config::Resource(resource) => {
                    let type_name = format!("envoy.admin.v3.{}", resource.kind);
                    let text = resource_pieces(resource, Some(type_name), CONFIG_DEPTH);
                    Box::new(std::iter::once(before.to_owned()).chain(text))
                }
            }
        });
    body.chain(std::iter::once(end.to_owned()))
}

fn section_pieces(before: &str, section: Section) -> impl Iterator<Item = String> + use<> {
    let mut head = format!("{before}  {{");
    push_type(
        &mut head,
        &format!("envoy.admin.v3.{}", section.kind.name),
        CONFIG_DEPTH + 1,
    );
    let fields = section
        .fields
        .into_iter()
        .flat_map(|(name, node)| member_pieces(",", name, node, CONFIG_DEPTH + 1));
    let lists = section.lists.into_iter().flat_map(|(name, resources)| {
        let opening = format!(",\n   \"{name}\": [");
        let items = resources.into_iter().enumerate();
        let items = items.flat_map(|(index, resource)| {
            let comma = if index == 0 { "\n" } else { ",\n" };
            let text = resource_pieces(resource, None, RESOURCE_DEPTH);
            std::iter::once(comma.to_owned()).chain(text)
        });
        std::iter::once(opening)
            .chain(items)
            .chain(std::iter::once("\n   ]".to_owned()))
    });
    std::iter::once(head)
        .chain(fields)
        .chain(lists)
        .chain(std::iter::once("\n  }".to_owned()))
}

/// A resource, its first line indented too.
fn resource_pieces(
    resource: Resource,
    type_name: Option<String>,
    depth: usize,
) -> impl Iterator<Item = String> {
    let mut head = format!("{}{{", " ".repeat(depth));
    if let Some(type_name) = &type_name {
        push_type(&mut head, type_name, depth + 1);
    }
    let is_typed = type_name.is_some();
    let members = resource
        .fields
        .into_iter()
        .enumerate()
        .flat_map(move |(index, (name, node))| {
            let separator = if index == 0 && !is_typed { "" } else { "," };
            member_pieces(separator, name, node, depth + 1)
        });
    std::iter::once(head)
        .chain(members)
        .chain(std::iter::once(format!("\n{}}}", " ".repeat(depth))))
}

/// Appends the member `@type` on a line of its own.
pub(super) fn push_type(text: &mut String, type_name: &str, depth: usize) {
    text.push_str(&format!(
        "\n{}\"@type\": \"type.googleapis.com/{type_name}\"",
        " ".repeat(depth)
    ));
}

fn member_pieces(separator: &str, name: &str, node: Node, depth: usize) -> Pieces {
    let mut text = format!("{separator}\n{}\"{name}\": ", " ".repeat(depth));
    let message = match node {
        Node::Message(message) => MessagePieces::new(message, None, OPTIONS, depth),
        Node::Any(message) => {
            let name = message.name();
            MessagePieces::new(message, Some(name), OPTIONS, depth)
        }
        Node::Endpoints(cluster) => {
            return Box::new(std::iter::once_with(move || {
                push_indented(&mut text, &endpoints_text(&*cluster), depth);
                text
            }));
        }
        Node::JsonAny(name, json) => {
            push_indented(&mut text, &typed(name, &json.pretty()), depth);
            return Box::new(std::iter::once(text));
        }
        Node::Anys(messages) => {
            text.push('[');
            let items = messages.into_iter().enumerate();
            let items = items.flat_map(move |(index, message)| {
                let separator = if index == 0 { "\n" } else { ",\n" };
                let begin = format!("{separator}{}", " ".repeat(depth + 1));
                let name = message.name();
                let pieces = MessagePieces::new(message, Some(name), OPTIONS, depth + 1);
                std::iter::once(begin).chain(pieces)
            });
            let end = format!("\n{}]", " ".repeat(depth));
            let pieces = std::iter::once(text).chain(items);
            return Box::new(pieces.chain(std::iter::once(end)));
        }
        Node::Fields(fields) => {
            text.push('{');
            let members = fields
                .into_iter()
                .enumerate()
                .flat_map(move |(index, field)| {
                    let separator = if index == 0 { "" } else { "," };
                    member_pieces(separator, field.0, field.1, depth + 1)
                });
            let end = format!("\n{}}}", " ".repeat(depth));
            let pieces = std::iter::once(text).chain(members);
            return Box::new(pieces.chain(std::iter::once(end)));
        }
        Node::Time(time) => {
            push_string(&mut text, &rfc3339(time));
            return Box::new(std::iter::once(text));
        }
        Node::Text(value) => {
            push_string(&mut text, &value);
            return Box::new(std::iter::once(text));
        }
    };
    Box::new(std::iter::once(text).chain(message))
}

fn endpoints_text(cluster: &dyn ClusterHandle) -> String {
    let (name, assignment) = endpoints::assignment(cluster);
    typed(name, &assignment.pretty())
}

/// The object with its type as first member.
fn typed(type_name: &str, object: &str) -> String {
    let mut text = "{".to_owned();
    push_type(&mut text, type_name, 1);
    match object.strip_prefix("{\n") {
        Some(members) => text.push_str(&format!(",\n{members}")),
        None => text.push_str("\n}\n"),
    }
    text
}

/// Appends an object whose first line follows what is there and whose other lines are indented by `depth`.
pub(super) fn push_indented(text: &mut String, object: &str, depth: usize) {
    for (index, line) in object.lines().enumerate() {
        if index > 0 {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', depth));
        }
        text.push_str(line);
    }
}
