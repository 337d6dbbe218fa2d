//! The upstream hosts and connections of a stream as lists and names.

use super::FormatContext;
use super::address_text::{append_address, append_without_port};
use super::number::append_u64;
use crate::stream_info::HostDescription;

/// The current host's name, or its address if it has none.
pub(super) fn append_name(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    let host = context.stream_info.upstream.host();
    host.inspect(|host| name(host, out)).is_some()
}

/// The same without a port.
pub(super) fn append_name_without_port(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    let host = context.stream_info.upstream.host();
    host.inspect(|host| name_without_port(host, out)).is_some()
}

/// The addresses of all hosts tried.
pub(super) fn append_attempted(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    join_hosts(context, out, |host, out| append_address(&host.address, out))
}

/// The addresses of all hosts tried, without ports.
pub(super) fn append_attempted_without_port(
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> bool {
    join_hosts(context, out, |host, out| {
        append_without_port(&host.address, out)
    })
}

/// The names of all hosts tried.
pub(super) fn append_names_attempted(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    join_hosts(context, out, name)
}

/// The names of all hosts tried, without ports.
pub(super) fn append_names_attempted_without_port(
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> bool {
    join_hosts(context, out, name_without_port)
}

/// The number of the last connection: as in Envoy, those of earlier tries are not told.
pub(super) fn append_connection_id(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    let id = context.stream_info.upstream.connection_id;
    id.into_iter().for_each(|id| append_u64(id, out));
    id.is_some()
}

fn join_hosts(
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
    append: fn(&HostDescription, &mut Vec<u8>),
) -> bool {
    let start = out.len();
    for host in &context.stream_info.upstream.hosts_attempted {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        let from = out.len();
        append(host, out);
        if out.len() == from {
            out.truncate(before);
        }
    }
    out.len() > start
}

fn name(host: &HostDescription, out: &mut Vec<u8>) {
    if host.hostname.is_empty() {
        append_address(&host.address, out);
    } else {
        out.extend_from_slice(host.hostname.as_bytes());
    }
}

fn name_without_port(host: &HostDescription, out: &mut Vec<u8>) {
    let start = out.len();
    name(host, out);
    let text = out.get(start..).unwrap_or(b"");
    let bracket = text.iter().rposition(|byte| *byte == b']');
    if let Some(colon) = text.iter().rposition(|byte| *byte == b':')
        && bracket.is_none_or(|bracket| bracket < colon)
    {
        out.truncate(start + colon);
    }
}
