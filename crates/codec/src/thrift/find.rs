//! One field of a payload, found by the numbers of those that it is in.

use super::Protocol;
use super::input::Input;
use super::values::{kind, read_field};
use super::walk::Walk;

/// The text of a field, of a payload of the binary protocol; none if there is none, or if it holds others. Numbers are
/// written as Envoy writes them.
pub fn find_field(payload: &[u8], path: &[i16]) -> Option<Vec<u8>> {
    let (last, before) = path.split_last()?;
    let mut bytes = payload;
    for id in before {
        let (kind, value) = field(bytes, *id)?;
        bytes = (kind == kind::STRUCT).then_some(value)?;
    }
    let (kind, value) = field(bytes, *last)?;
    text(kind, &mut Input::new(value))
}

/// The kind of a struct's field and the bytes from its value on.
fn field(mut bytes: &[u8], id: i16) -> Option<(u8, &[u8])> {
    loop {
        let mut input = Input::new(bytes);
        let field = read_field(Protocol::Binary, 0, &mut input).ok()??;
        if field.kind == kind::STOP {
            return None;
        }
        let value = bytes.get(input.taken()..)?;
        if field.id == id {
            return Some((field.kind, value));
        }
        let mut skipped = Vec::new();
        let count = Walk::of_value(field.kind).go_on(value, &mut skipped).ok()?;
        bytes = value.get(count..)?;
    }
}

fn text(kind: u8, input: &mut Input<'_>) -> Option<Vec<u8>> {
    let text = match kind {
        kind::BOOL => u8::from(input.byte()? != 0).to_string(),
        kind::BYTE => input.byte()?.to_string(),
        kind::I16 => input.i16()?.to_string(),
        kind::I32 => input.i32()?.to_string(),
        kind::I64 => i64::from_be_bytes(input.array()?).to_string(),
        kind::DOUBLE => format!("{:.6}", f64::from_be_bytes(input.array()?)),
        kind::STRING => {
            let length = usize::try_from(input.i32()?).ok()?;
            return Some(input.take(length)?.to_vec());
        }
        _ => return None,
    };
    Some(text.into_bytes())
}
