//! Spans as JSON, Zipkin's second form.

use std::net::IpAddr;

use nuncio_contract::formatter::append_quoted_json;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::tracing::SpanKind;

use super::span::ZipkinSpan;

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Object {
            out,
            is_empty: true,
        }
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        append_quoted_json(name.as_bytes(), self.out);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        append_quoted_json(value.as_bytes(), self.name(name));
    }

    fn number(&mut self, name: &str, value: u64) {
        let text = value.to_string();
        self.name(name).extend_from_slice(text.as_bytes());
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a span of the node, which is shared with the one who asks if `is_shared`.
pub(super) fn append(span: &ZipkinSpan, is_shared: bool, node: &LocalNode, out: &mut Vec<u8>) {
    let (context, told) = (&span.context, &span.told);
    let mut object = Object::begin(out);
    object.text("traceId", &context.trace_text());
    object.text("id", &format!("{:016x}", context.span_id));
    if let Some(parent) = context.parent_id {
        object.text("parentId", &format!("{parent:016x}"));
    }
    object.text("name", &told.name);
    let (kind, end) = match span.kind {
        SpanKind::Server => ("SERVER", "ss"),
        SpanKind::Client => ("CLIENT", "cr"),
    };
    object.text("kind", kind);
    object.number("timestamp", told.begin_us);
    object.number("duration", told.end_us.saturating_sub(told.begin_us).max(1));
    endpoint(node, object.name("localEndpoint"));
    let mut tags = Object::begin(object.name("tags"));
    for (name, value) in &told.tags {
        tags.text(name, value);
    }
    tags.end();
    if is_shared && span.kind == SpanKind::Server {
        object.name("shared").extend_from_slice(b"true");
    }
    let out = object.name("annotations");
    out.push(b'[');
    let notes = told.notes.iter().map(|(at, event)| (*at, event.as_str()));
    for (place, (at, event)) in notes.chain([(told.end_us, end)]).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let mut note = Object::begin(out);
        note.number("timestamp", at);
        note.text("value", event);
        note.end();
    }
    out.push(b']');
    object.end();
}

fn endpoint(node: &LocalNode, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("serviceName", &node.cluster);
    match node.address {
        Some(IpAddr::V4(address)) => object.text("ipv4", &address.to_string()),
        Some(IpAddr::V6(address)) => object.text("ipv6", &address.to_string()),
        None => {}
    }
    object.number("port", 0);
    object.end();
}
