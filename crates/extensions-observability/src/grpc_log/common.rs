//! What entries of requests and of connections have in common.

use nuncio_contract::custom_tag::CustomTag;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::Known;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::Message;
use nuncio_service_messages::access_log::Common;
use nuncio_service_messages::common::{Any, StringValue};

use super::config::Settings;
use super::{certificates, flags};
use crate::protobuf::{address, between, duration, metadata, timestamp};

const STRING: &str = "type.googleapis.com/google.protobuf.StringValue";

/// The properties.
pub(super) fn properties(settings: &Settings, context: &FormatContext<'_>) -> Common {
    let info = context.stream_info;
    let connection = &info.connection;
    let mut common = of_upstream(info);
    let (begin, down, up) = (info.start, &info.downstream_timing, &info.upstream.timing);
    let has_upstream = info.upstream.is_set;
    let of_upstream = |at| between(begin, at).filter(|_| has_upstream);
    common.downstream_remote_address = info.downstream_remote_address().map(address);
    common.downstream_direct_remote_address =
        connection.direct_remote_address.as_ref().map(address);
    common.downstream_local_address = connection.local_address.as_ref().map(address);
    common.tls_properties = certificates::message(connection);
    common.start_time = Some(timestamp(info.start_time()));
    common.time_to_last_rx_byte = between(begin, down.last_rx_byte);
    common.time_to_first_downstream_tx_byte = between(begin, down.first_tx_byte);
    common.time_to_last_downstream_tx_byte = between(begin, down.last_tx_byte);
    common.time_to_first_upstream_tx_byte = of_upstream(up.first_tx_byte);
    common.time_to_last_upstream_tx_byte = of_upstream(up.last_tx_byte);
    common.time_to_first_upstream_rx_byte = of_upstream(up.first_rx_byte);
    common.time_to_last_upstream_rx_byte = of_upstream(up.last_rx_byte);
    common.response_flags = flags::message(info.response_flags);
    common.metadata = info.dynamic_metadata().map(metadata);
    common.route_name = info.route_name.as_deref().unwrap_or_default().to_owned();
    common.duration = info.end.map(|end| duration(info.duration(end)));
    common.upstream_request_attempt_count = info.attempt_count.unwrap_or(0);
    let details = info.connection_termination_details.as_deref();
    common.connection_termination_details = details.unwrap_or_default().to_owned();
    common.stream_id = stream_id(context);
    common.intermediate_log_entry = info.end.is_none();
    common.downstream_transport_failure_reason = connection.transport_failure_reason.to_string();
    common.downstream_wire_bytes_sent = info.downstream_bytes.wire_bytes_sent;
    common.downstream_wire_bytes_received = info.downstream_bytes.wire_bytes_received;
    common.access_log_type = context.access_log_type as i32;
    common.filter_state_objects = objects(&settings.objects, info);
    common.custom_tags = tags(&settings.tags, context);
    common
}

fn of_upstream(info: &StreamInfo) -> Common {
    let upstream = &info.upstream;
    let host = upstream.host();
    let cluster = info.upstream_cluster.as_ref().filter(|_| host.is_some());
    Common {
        upstream_remote_address: host.map(|host| address(&host.address)),
        upstream_local_address: upstream.local_address.as_ref().map(address),
        upstream_cluster: cluster
            .map(|cluster| cluster.name.to_string())
            .unwrap_or_default(),
        upstream_transport_failure_reason: upstream.transport_failure_reason.to_string(),
        upstream_wire_bytes_sent: upstream.bytes.wire_bytes_sent,
        upstream_wire_bytes_received: upstream.bytes.wire_bytes_received,
        ..Common::default()
    }
}

fn stream_id(context: &FormatContext<'_>) -> String {
    if let Some(id) = &context.stream_info.stream_id {
        return id.to_string();
    }
    let headers = context.request_headers;
    let id = headers.and_then(|headers| headers.get_str(Known::XRequestId));
    id.unwrap_or_default().to_owned()
}

fn objects(names: &[String], info: &StreamInfo) -> std::collections::BTreeMap<String, Any> {
    let object = |name: &String| {
        let text = info.object(name)?.text()?;
        let value = StringValue {
            value: text.to_owned(),
        };
        let any = Any {
            type_url: STRING.to_owned(),
            value: value.encode_to_vec(),
        };
        Some((name.clone(), any))
    };
    names.iter().filter_map(object).collect()
}

fn tags(
    tags: &[CustomTag],
    context: &FormatContext<'_>,
) -> std::collections::BTreeMap<String, String> {
    let values = tags.iter();
    let values = values.filter_map(|tag| Some((tag.name.to_string(), tag.value(context)?)));
    values.collect()
}
