//! The dump as JSON, piece by piece: one resource at a time, however many there are.

use nuncio_config::dump::{Options, to_json};

use super::model::{Node, Resource, Section};
use super::select::Config;
use crate::admin::json::push_string;

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
                    let text = resource_text(&resource, Some(&type_name), CONFIG_DEPTH);
                    Box::new(std::iter::once(format!("{before}{text}")))
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
    for (name, node) in &section.fields {
        head.push(',');
        push_member(&mut head, name, node, CONFIG_DEPTH + 1);
    }
    let lists = section.lists.into_iter().flat_map(|(name, resources)| {
        let opening = format!(",\n   \"{name}\": [");
        let items = resources.into_iter().enumerate().map(|(index, resource)| {
            let comma = if index == 0 { "\n" } else { ",\n" };
            format!("{comma}{}", resource_text(&resource, None, RESOURCE_DEPTH))
        });
        std::iter::once(opening)
            .chain(items)
            .chain(std::iter::once("\n   ]".to_owned()))
    });
    std::iter::once(head)
        .chain(lists)
        .chain(std::iter::once("\n  }".to_owned()))
}

/// A resource, its first line indented too.
fn resource_text(resource: &Resource, type_name: Option<&str>, depth: usize) -> String {
    let mut text = format!("{}{{", " ".repeat(depth));
    let mut separator = "";
    if let Some(type_name) = type_name {
        push_type(&mut text, type_name, depth + 1);
        separator = ",";
    }
    for (name, node) in &resource.fields {
        text.push_str(separator);
        push_member(&mut text, name, node, depth + 1);
        separator = ",";
    }
    text.push_str(&format!("\n{}}}", " ".repeat(depth)));
    text
}

fn push_type(text: &mut String, type_name: &str, depth: usize) {
    text.push_str(&format!(
        "\n{}\"@type\": \"type.googleapis.com/{type_name}\"",
        " ".repeat(depth)
    ));
}

fn push_member(text: &mut String, name: &str, node: &Node, depth: usize) {
    text.push_str(&format!("\n{}\"{name}\": ", " ".repeat(depth)));
    match node {
        Node::Message(message) => push_indented(text, &to_json(message, OPTIONS), depth),
        Node::Any(message) => push_indented(
            text,
            &typed(message.name(), &to_json(message, OPTIONS)),
            depth,
        ),
        Node::JsonAny(name, json) => push_indented(text, &typed(name, &json.pretty()), depth),
        Node::Text(value) => push_string(text, value),
    }
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
fn push_indented(text: &mut String, object: &str, depth: usize) {
    for (index, line) in object.lines().enumerate() {
        if index > 0 {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', depth));
        }
        text.push_str(line);
    }
}
