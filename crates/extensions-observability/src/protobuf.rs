//! Values of the contract as messages: addresses, metadata, times.

use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::stream_info::metadata::{Struct, Value};
use nuncio_contract::stream_info::{self, Metadata};
use nuncio_service_messages::common;

pub(crate) fn address(of: &stream_info::Address) -> common::Address {
    let kind = match of {
        stream_info::Address::Ip(address) => common::AddressKind::Socket(common::SocketAddress {
            protocol: 0,
            address: address.ip().to_string(),
            port_value: Some(u32::from(address.port())),
        }),
        stream_info::Address::Pipe(path) => common::AddressKind::Pipe(common::Pipe {
            path: path.to_string(),
        }),
        stream_info::Address::Internal(address) => {
            common::AddressKind::Internal(common::Internal {
                server_listener_name: address.listener.to_string(),
                endpoint_id: address.endpoint_id.to_string(),
            })
        }
    };
    common::Address {
        address: Some(kind),
    }
}

pub(crate) fn metadata(of: &Metadata) -> common::Metadata {
    let namespaces = of.namespaces();
    common::Metadata {
        filter_metadata: namespaces
            .map(|(name, fields)| (name.to_owned(), fields_of(fields)))
            .collect(),
    }
}

fn fields_of(fields: &Struct) -> common::Struct {
    let fields = fields.fields();
    common::Struct {
        fields: fields
            .map(|(name, field)| (name.to_owned(), value(field)))
            .collect(),
    }
}

/// The depth is that of the value, which whoever made it has bounded.
fn value(of: &Value) -> common::Value {
    let kind = match of {
        Value::Null => common::Kind::Null(0),
        Value::Number(number) => common::Kind::Number(*number),
        Value::String(text) => common::Kind::String(text.to_string()),
        Value::Bool(flag) => common::Kind::Bool(*flag),
        Value::Struct(fields) => common::Kind::Struct(fields_of(fields)),
        Value::List(values) => common::Kind::List(common::ListValue {
            values: values.iter().map(value).collect(),
        }),
    };
    common::Value { kind: Some(kind) }
}

pub(crate) fn timestamp(time: SystemTime) -> common::Timestamp {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    common::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}

pub(crate) fn duration(of: Duration) -> common::Duration {
    common::Duration {
        seconds: i64::try_from(of.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(of.subsec_nanos()).unwrap_or(0),
    }
}

/// From one moment to another.
pub(crate) fn between(begin: Instant, end: Option<Instant>) -> Option<common::Duration> {
    end.map(|end| duration(end.saturating_duration_since(begin)))
}
