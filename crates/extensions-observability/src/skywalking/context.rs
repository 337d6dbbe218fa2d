//! The header `sw8`: eight fields with a `-` between them, texts in base64.

use nuncio_config::base64;
use nuncio_service_messages::skywalking::Reference;

const FIELDS: usize = 8;

/// What a client says of its trace; none if it cannot be read. As in Envoy a text that is no base64 is empty.
pub(super) fn read(value: &str) -> Option<Reference> {
    let fields: Vec<&str> = value.split('-').collect();
    let fields: [&str; FIELDS] = fields.try_into().ok()?;
    let [
        sampled,
        trace,
        segment,
        span,
        service,
        instance,
        endpoint,
        address,
    ] = fields;
    if !matches!(sampled, "0" | "1") {
        return None;
    }
    let text = |field: &str| {
        let bytes = base64::decode_padded(field.as_bytes()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    };
    Some(Reference {
        kind: 0,
        trace_id: text(trace),
        parent_segment_id: text(segment),
        parent_span_id: span.parse().ok()?,
        parent_service: text(service),
        parent_instance: text(instance),
        parent_endpoint: text(endpoint),
        address_used_at_peer: text(address),
    })
}

/// What a host is told of the trace.
pub(super) fn write(of: &Reference) -> String {
    let text = |text: &str| base64::encode(text.as_bytes());
    format!(
        "1-{}-{}-{}-{}-{}-{}-{}",
        text(&of.trace_id),
        text(&of.parent_segment_id),
        of.parent_span_id,
        text(&of.parent_service),
        text(&of.parent_instance),
        text(&of.parent_endpoint),
        text(&of.address_used_at_peer),
    )
}
