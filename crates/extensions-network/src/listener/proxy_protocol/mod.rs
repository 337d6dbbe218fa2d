//! `envoy.filters.listener.proxy_protocol`: takes the PROXY header, version 1 or 2, off the begin of a connection; the
//! addresses in it become those of the connection, and TLVs of version 2 become metadata and go on to
//! hosts that are told by such a header, as far as both let them through.
//!
//! Limits: a line of 108 bytes (version 1), 64 KiB of addresses and TLVs (version 2). A header that is broken closes
//! the connection, and so does one that is missing unless that is allowed. Trust: whoever may connect says who it is,
//! so that a listener with this filter is for load balancers alone. Envoy's documentation: listener filters, Proxy
//! Protocol. Refused as not supported yet: TLVs in the filter state (`tlv_location`).

mod filter;
mod header;

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::listener_filter::ListenerFilterConfig;
use nuncio_contract::proxy_values::{PassThrough, Passing};
use nuncio_contract::registry::ListenerFilterRoom;

const NAMESPACE: &str = "envoy.filters.listener.proxy_protocol";

message! {
    /// The filter's config.
    struct ProxyProtocol: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol" {
        rules: Vec<Rule>,
        allow_requests_without_proxy_protocol: bool,
        pass_through_tlvs: Option<PassThrough>,
        disallowed_versions: Vec<Version>,
        stat_prefix: String,
    }
}

message! {
    /// A TLV that becomes metadata.
    struct Rule: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule" {
        tlv_type: u32,
        on_tlv_present: Option<KeyValuePair>,
    }
}

message! {
    /// Where in the metadata.
    struct KeyValuePair: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair" {
        metadata_namespace: String,
        key: String,
    }
}

enumeration! {
    /// A version of the header.
    enum Version: "envoy.config.core.v3.ProxyProtocolConfig.Version" {
        V1 => V1,
        V2 => V2,
    }
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.proxy_protocol",
    message: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    parse,
    support: |table| ProxyProtocol::support(table),
};

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ListenerFilterConfig>, Refused> {
    let message: ProxyProtocol = any.decode(ctx)?;
    let rules = message.rules.iter().filter_map(|rule| {
        let place = rule.on_tlv_present.as_ref()?;
        let namespace = match place.metadata_namespace.as_str() {
            "" => NAMESPACE,
            own => own,
        };
        Some(filter::Rule {
            kind: u8::try_from(rule.tlv_type).ok()?,
            namespace: namespace.into(),
            key: place.key.as_str().into(),
        })
    });
    Ok(Arc::new(filter::Config(Arc::new(filter::Settings {
        rules: rules.collect(),
        may_be_missing: message.allow_requests_without_proxy_protocol,
        takes_v1: !message.disallowed_versions.contains(&Version::V1),
        takes_v2: !message.disallowed_versions.contains(&Version::V2),
        passing: Passing::compile(message.pass_through_tlvs.as_ref()),
        stat_prefix: message.stat_prefix.as_str().into(),
    }))))
}
