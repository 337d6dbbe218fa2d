//! Fields of a payload, found by the numbers of those that they are in.

use super::Protocol;
use super::input::Input;
use super::values::{kind, read_field};
use super::walk::Walk;

/// A field that is looked for: its place among all, and the numbers that lead to it from here.
struct Wanted<'a>(usize, &'a [i16]);

/// The texts of fields, of a payload of the binary protocol, which is gone through once for all of them. None for a
/// field that is not there, or holds others. Numbers are written as Envoy writes them.
pub fn find_fields<'a>(
    payload: &[u8],
    paths: impl Iterator<Item = &'a [i16]>,
) -> Vec<Option<Vec<u8>>> {
    let wanted: Vec<_> = paths.enumerate().map(|it| Wanted(it.0, it.1)).collect();
    let mut found = vec![None; wanted.len()];
    look_through(payload, wanted, false, &mut found);
    found
}

/// Looks through the fields of a struct, and gives what is behind it. None if that was not reached: all was found before
/// and nobody `wants_end`, or it cannot be read.
fn look_through<'a>(
    mut bytes: &'a [u8],
    mut wanted: Vec<Wanted<'_>>,
    wants_end: bool,
    found: &mut [Option<Vec<u8>>],
) -> Option<&'a [u8]> {
    let mut skipped = Vec::new();
    while wants_end || !wanted.is_empty() {
        let mut input = Input::new(bytes);
        let field = read_field(Protocol::Binary, 0, &mut input).ok()??;
        let value = bytes.get(input.taken()..)?;
        if field.kind == kind::STOP {
            return Some(value);
        }
        let mut inside = Vec::new();
        wanted.retain(|Wanted(place, path)| match path.split_first() {
            Some((id, [])) if *id == field.id => {
                if let Some(found) = found.get_mut(*place) {
                    *found = text(field.kind, &mut Input::new(value));
                }
                false
            }
            Some((id, rest)) if *id == field.id => {
                inside.push(Wanted(*place, rest));
                false
            }
            way => way.is_some(),
        });
        if field.kind == kind::STRUCT && !inside.is_empty() {
            bytes = look_through(value, inside, wants_end || !wanted.is_empty(), found)?;
            continue;
        }
        skipped.clear();
        let count = Walk::of_value(field.kind).go_on(value, &mut skipped).ok()?;
        bytes = value.get(count..)?;
    }
    None
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
