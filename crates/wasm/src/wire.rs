//! The few messages of protobuf that plugins hand over: fields by their numbers, from bytes that may be anything.

/// A field of a message.
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers; none if the bytes are no message.
pub(crate) fn fields(bytes: &[u8]) -> Option<Vec<(u32, Field<'_>)>> {
    let mut rest = bytes;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => {
                let (eight, behind) = rest.split_first_chunk::<8>()?;
                rest = behind;
                Field::Number(u64::from_le_bytes(*eight))
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Field::Bytes(bytes)
            }
            5 => {
                let (four, behind) = rest.split_first_chunk::<4>()?;
                rest = behind;
                Field::Number(u32::from_le_bytes(*four).into())
            }
            _ => return None,
        };
        fields.push((number, field));
    }
    Some(fields)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The bytes of a field, the last of its number; empty if it is not there.
pub(crate) fn bytes<'a>(fields: &[(u32, Field<'a>)], number: u32) -> &'a [u8] {
    let mut found: &[u8] = b"";
    for (at, field) in fields {
        if let (true, Field::Bytes(bytes)) = (*at == number, field) {
            found = bytes;
        }
    }
    found
}

/// The number in a field; 0 if it is not there.
pub(crate) fn number(fields: &[(u32, Field<'_>)], number: u32) -> u64 {
    let found = fields.iter().rev().find_map(|(at, field)| match field {
        Field::Number(value) if *at == number => Some(*value),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Adds a field of bytes to a message.
pub(crate) fn add_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(bytes);
}

/// The cluster that an encoded `GrpcService` names; `Some(None)` for a service that is not done, none if the bytes are no
/// such message.
pub(crate) fn grpc_service(service: &[u8]) -> Option<Option<String>> {
    let service = fields(service)?;
    if service.is_empty() {
        return None;
    }
    if service.iter().any(|(number, _)| *number != 1) {
        return Some(None);
    }
    let envoy = fields(bytes(&service, 1))?;
    let cluster = String::from_utf8(bytes(&envoy, 1).to_vec()).ok();
    Some(cluster.filter(|cluster| !cluster.is_empty() && envoy.iter().all(|(at, _)| *at == 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_from_a_name() {
        let mut envoy = Vec::new();
        add_bytes(&mut envoy, 1, b"one");
        let mut service = Vec::new();
        add_bytes(&mut service, 1, &envoy);
        assert_eq!(grpc_service(&service), Some(Some("one".to_owned())));
        assert_eq!(grpc_service(b"one"), None);
        let mut google = Vec::new();
        add_bytes(&mut google, 2, &envoy);
        assert_eq!(grpc_service(&google), Some(None));
        assert_eq!(grpc_service(&service[..service.len() - 1]), None);
    }
}
