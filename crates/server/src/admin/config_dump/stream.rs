//! A message as JSON in pieces: what is large is taken apart, field by field and element by element, so that neither
//! the text nor the time of a piece grows with the message.

use std::sync::Arc;

use nuncio_config::dump::{Options, to_json};
use nuncio_config::tree::{Any, Entry, Item, Message, Value};

use super::print::{push_indented, push_type};
use crate::admin::json::push_string;

/// Values that are printed at once.
const LIGHT_VALUES: usize = 1000;

/// The pieces of an object whose first line follows what is there already; other lines are indented by `depth`.
pub(super) struct MessagePieces {
    options: Options,
    whole: Option<Arc<Message>>,
    depth: usize,
    type_name: Option<String>,
    open: Vec<Open>,
}

/// An object or a list whose end is not written yet.
enum Open {
    Fields {
        message: Arc<Message>,
        next: usize,
        is_empty: bool,
    },
    Items {
        list: Vec<Item>,
        next: usize,
    },
}

impl MessagePieces {
    /// With `type_name` for a first member, if there is one.
    pub(super) fn new(
        message: Arc<Message>,
        type_name: Option<&str>,
        options: Options,
        depth: usize,
    ) -> Self {
        MessagePieces {
            options,
            whole: Some(message),
            depth,
            type_name: type_name.map(str::to_owned),
            open: Vec::new(),
        }
    }

    fn begin(&mut self, message: Arc<Message>) -> String {
        let mut text = "{".to_owned();
        let type_name = self.type_name.take();
        if let Some(name) = &type_name {
            push_type(&mut text, name, self.depth + 1);
        }
        self.open.push(Open::Fields {
            message,
            next: 0,
            is_empty: type_name.is_none(),
        });
        text
    }

    /// Where members and elements of what is open last stand.
    fn inner_depth(&self) -> usize {
        self.depth + self.open.len()
    }

    fn step(&mut self, open: Open) -> String {
        match open {
            Open::Fields {
                message,
                next,
                is_empty,
            } => self.step_fields(message, next, is_empty),
            Open::Items { list, next } => self.step_items(list, next),
        }
    }

    fn step_fields(&mut self, message: Arc<Message>, next: usize, is_empty: bool) -> String {
        let depth = self.inner_depth() + 1;
        let Some(entry) = message.entries().get(next).cloned() else {
            return end('}', is_empty, depth - 1);
        };
        let field = message.descriptor.field_by_number(entry.number);
        let name = field
            .filter(|field| !field.sensitive() && !entry.is_implicit_default())
            .map(|field| field.name())
            .filter(|_| is_heavy(&entry.value));
        let mut text = separator(is_empty, depth);
        let reopened = |is_empty| Open::Fields {
            message: Arc::clone(&message),
            next: next + 1,
            is_empty,
        };
        if let Some(name) = name {
            push_string(&mut text, name);
            text.push_str(": ");
            self.open.push(reopened(false));
            self.enter(&mut text, entry.value);
            return text;
        }
        let member = self.member(&message, entry, depth);
        self.open.push(reopened(is_empty && member.is_empty()));
        match member.is_empty() {
            true => member,
            false => text + &member,
        }
    }

    /// Opens a value that is heavy.
    fn enter(&mut self, text: &mut String, value: Value) {
        let fields = |message, is_empty| Open::Fields {
            message,
            next: 0,
            is_empty,
        };
        match value {
            Value::Message(message) => {
                text.push('{');
                self.open.push(fields(message, true));
            }
            Value::Any(any) => {
                let depth = self.inner_depth() + 1;
                text.push_str(&format!("{{\n{}\"@type\": ", " ".repeat(depth)));
                push_string(text, &any.type_url);
                self.open.push(fields(Arc::clone(&any.message), false));
            }
            Value::List(items) => {
                text.push('[');
                self.open.push(Open::Items {
                    list: items.to_vec(),
                    next: 0,
                });
            }
            _ => {}
        }
    }

    fn step_items(&mut self, list: Vec<Item>, next: usize) -> String {
        let depth = self.inner_depth() + 1;
        let Some(item) = list.get(next) else {
            return end(']', list.is_empty(), depth - 1);
        };
        let value = item.value.clone();
        let mut text = separator(next == 0, depth);
        self.open.push(Open::Items {
            list,
            next: next + 1,
        });
        match value {
            value if is_heavy(&value) => self.enter(&mut text, value),
            Value::Message(message) => {
                push_indented(&mut text, &to_json(&message, self.options), depth);
            }
            // Lists of anything else are not opened.
            _ => {}
        }
        text
    }

    /// A field alone; empty if it is not shown.
    fn member(&self, message: &Message, entry: Entry, depth: usize) -> String {
        let alone = Message::with_entries(message.descriptor, message.span, vec![entry]);
        let text = to_json(&alone, self.options);
        let inner = text.strip_prefix("{\n ");
        let Some(inner) = inner.and_then(|inner| inner.strip_suffix("\n}\n")) else {
            return String::new();
        };
        let mut indented = String::with_capacity(inner.len());
        push_indented(&mut indented, inner, depth - 1);
        indented
    }
}

impl Iterator for MessagePieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(message) = self.whole.take() {
            return Some(self.begin(message));
        }
        let open = self.open.pop()?;
        Some(self.step(open))
    }
}

fn separator(is_first: bool, depth: usize) -> String {
    let comma = if is_first { "" } else { "," };
    format!("{comma}\n{}", " ".repeat(depth))
}

fn end(bracket: char, is_empty: bool, depth: usize) -> String {
    match is_empty {
        true => bracket.to_string(),
        false => format!("\n{}{bracket}", " ".repeat(depth)),
    }
}

/// Whether a value is too much for one piece, and can be taken apart.
fn is_heavy(value: &Value) -> bool {
    let mut left = LIGHT_VALUES;
    is_divisible(value) && !fits(value, &mut left)
}

fn is_divisible(value: &Value) -> bool {
    match value {
        Value::Message(message) => !message.name().starts_with("google.protobuf."),
        Value::Any(any) => is_plain(any),
        Value::List(items) => items
            .iter()
            .all(|item| matches!(item.value, Value::Message(_)) && is_divisible(&item.value)),
        _ => false,
    }
}

fn is_plain(any: &Any) -> bool {
    any.typed_struct.is_none()
        && !any.type_url.is_empty()
        && !any.message.name().starts_with("google.protobuf.")
}

/// Counts values down; false once there are too many.
fn fits(value: &Value, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else {
        return false;
    };
    *left = rest;
    match value {
        Value::Message(message) => fit(message, left),
        Value::Any(any) => fit(&any.message, left),
        Value::List(items) => items.iter().all(|item| fits(&item.value, left)),
        Value::Map(items) => items.iter().all(|item| fits(&item.value, left)),
        _ => true,
    }
}

fn fit(message: &Message, left: &mut usize) -> bool {
    message
        .entries()
        .iter()
        .all(|entry| fits(&entry.value, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::parse;

    const OPTIONS: Options = Options {
        pretty: true,
        defaults: false,
        redact: true,
    };

    fn large() -> Arc<Message> {
        let route = "{ match: { prefix: /a }, direct_response: { status: 200, body: { inline_string: x } } }";
        let routes = [route; 400].join(", ");
        let manager = format!(
            "{{ '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, \
             stat_prefix: p, route_config: {{ name: r, virtual_hosts: [ {{ name: v, domains: ['*'], routes: [ {routes} ] }} ] }} }}"
        );
        let listener = format!(
            "{{ name: l, filter_chains: [ {{}}, {{ filters: [ {{ name: hcm, typed_config: {manager} }} ] }} ] }}"
        );
        let secret = "{ name: s, tls_certificate: { private_key: { inline_string: hush } } }";
        let secrets = [secret; 500].join(", ");
        let cluster = "{ name: c, connect_timeout: 1s }";
        let text = format!(
            "node: {{ id: n }}\nstatic_resources: {{ listeners: [ {listener} ], clusters: [ {} ], secrets: [ {secrets} ] }}",
            [cluster; 300].join(", ")
        );
        parse("envoy.config.bootstrap.v3.Bootstrap", &text)
    }

    #[test]
    fn the_pieces_are_the_same_text_as_the_whole() {
        let message = large();
        let whole = to_json(&message, OPTIONS);
        let pieces: Vec<String> =
            MessagePieces::new(Arc::clone(&message), None, OPTIONS, 0).collect();
        assert_eq!(pieces.concat() + "\n", whole);
        let longest = pieces.iter().map(String::len).max().unwrap_or(0);
        assert!(longest < 40_000, "a piece has {longest} bytes");
        assert!(!whole.contains("hush"));
    }

    #[test]
    fn an_empty_message_is_an_empty_object() {
        let message = parse("envoy.config.bootstrap.v3.Bootstrap", "{}");
        let text: String = MessagePieces::new(message, None, OPTIONS, 3).collect();
        assert_eq!(text, "{}");
    }
}
