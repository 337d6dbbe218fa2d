//! Envelopes: a host's own header, together with the host's address.

use nuncio_config::base64;
use nuncio_contract::headers::{HeaderMap, HeaderName, is_valid_value};

/// What the host's own value stands behind.
const VALUE: &[u8] = b"UV:";

/// Takes the envelope off the request: the host gets its own value back. The address that was in it, if any.
pub(super) fn open(request: &mut HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let packed = request.get_all_named(name).next()?;
    let mut parts = packed.split(|byte| *byte == b';');
    let mut parts = parts.by_ref().filter(|part| !part.is_empty());
    let address = base64::decode_padded(parts.next()?);
    let value = parts.find_map(|part| part.strip_prefix(VALUE))?;
    let value =
        base64::decode_padded(value).filter(|value| !value.is_empty() && is_valid_value(value))?;
    request.remove(name);
    request.append(name, &value);
    address.filter(|address| !address.is_empty())
}

/// Puts the host's value into an envelope, where it has one.
pub(super) fn close(response: &mut HeaderMap, name: &HeaderName, host: &str) {
    let mut values = response.get_all_named(name);
    let (Some(value), None) = (values.next(), values.next()) else {
        return;
    };
    let address = base64::encode(host.as_bytes());
    let packed = format!("{address};UV:{}", base64::encode(value));
    response.remove(name);
    response.append(name, packed.as_bytes());
}
