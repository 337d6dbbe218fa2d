//! Encoding blocks of headers, with the static table alone.

use nuncio_contract::headers::{Known, KnownSet};

use super::static_table::{Found, find};
use crate::header_block::{integer, write_text};

/// Never to be put into a table by any hop on the way (RFC 9204 section 7.1.3).
static SECRET: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::SetCookie,
    Known::Cookie,
]);

/// Appends a header; its name is in lower case.
#[inline]
pub(in crate::http3) fn encode(known: Option<Known>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let is_secret = known.is_some_and(|known| SECRET.contains(known));
    match find(known, name, value) {
        Found::Whole(index) => return integer::write(out, 0xc0, 6, index),
        Found::Name(index) => {
            let never = if is_secret { 0x20 } else { 0 };
            integer::write(out, 0x50 | never, 4, index);
        }
        Found::Nothing => {
            let never = if is_secret { 0x10 } else { 0 };
            write_text(out, 0x20 | never, 3, name, true);
        }
    }
    write_text(out, 0, 7, value, true);
}
