//! Who the client is: `x-forwarded-for` and trusted hops.

use std::net::IpAddr;

use nuncio_contract::headers::{HeaderMap, Known};

/// The address that stands `hops_from_the_end` before the last one of `x-forwarded-for`, and whether it was
/// the only one.
pub fn last_forwarded(headers: &HeaderMap, hops_from_the_end: u32) -> Option<(IpAddr, bool)> {
    let value = headers.get(Known::XForwardedFor)?;
    let mut from_the_end = value.rsplit(|byte| *byte == b',');
    let wanted = from_the_end.nth(usize::try_from(hops_from_the_end).ok()?)?;
    let text = std::str::from_utf8(wanted).ok()?.trim();
    let address = text.parse::<IpAddr>().ok()?;
    let alone = !value.contains(&b',');
    Some((address, alone))
}
