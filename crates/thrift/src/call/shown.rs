//! What logs show of a call.

use nuncio_codec::thrift::{MessageKind, Protocol, ReplyKind, Transport};
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::Told;
use crate::exchange::strict;

/// Where Envoy tells of calls in their metadata.
pub(super) const NAMESPACE: &str = "thrift.proxy";

impl Told {
    /// What logs show of the call.
    pub(super) fn shown(&self) -> Struct {
        let cluster = self.choice.as_ref().map_or("-", |it| &it.cluster);
        let request = spoken_fields(self.speaks, self.head.kind);
        let mut shown: Struct = [
            ("cluster", text(cluster)),
            ("method", text(String::from_utf8_lossy(&self.head.method))),
            ("passthrough", text(self.is_passable.to_string())),
            ("request", Value::Struct(request)),
        ]
        .into_iter()
        .collect();
        if let Some((kind, reply, speaks)) = self.response {
            let mut response = spoken_fields(speaks, kind);
            let reply = match reply {
                Some(ReplyKind::Success) => "success",
                Some(ReplyKind::Error) => "error",
                None => "-",
            };
            response.insert("reply_type", text(reply));
            shown.insert("response", Value::Struct(response));
        }
        shown
    }
}

fn text(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

fn spoken_fields((transport, protocol): (Transport, Protocol), kind: MessageKind) -> Struct {
    let fields = [
        ("message_type", text(kind.name())),
        ("protocol_type", text(strict(protocol).name())),
        ("transport_type", text(transport.name())),
    ];
    fields.into_iter().collect()
}
