//! MessagePack, each value written in the longest form of its kind, as Datadog's library writes it.

/// Text, its length in four bytes.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    head(out, 0xdb, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The beginning of an array.
pub(crate) fn array(out: &mut Vec<u8>, length: usize) {
    head(out, 0xdd, length);
}

/// The beginning of a map.
pub(crate) fn map(out: &mut Vec<u8>, length: usize) {
    head(out, 0xdf, length);
}

/// A number without a sign.
pub(crate) fn unsigned(out: &mut Vec<u8>, number: u64) {
    out.push(0xcf);
    out.extend_from_slice(&number.to_be_bytes());
}

/// A number with a sign.
pub(crate) fn signed(out: &mut Vec<u8>, number: i64) {
    out.push(0xd3);
    out.extend_from_slice(&number.to_be_bytes());
}

/// A number with a fraction.
pub(crate) fn double(out: &mut Vec<u8>, number: f64) {
    out.push(0xcb);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Nothing that we write is longer than four bytes can say: spans and entries are far shorter.
fn head(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
}
