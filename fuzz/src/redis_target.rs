//! RESP: no panic, no value beyond the limits, the same values however the bytes are split, and what we write of a value
//! is read as that value again.

use nuncio_codec::resp::{Decoder, Limits, ProtocolError, Value, encode};

/// Reads the input behind its first two bytes: whether lines are commands, and the length of the pieces.
pub fn redis(input: &[u8]) {
    let [flags, piece, bytes @ ..] = input else {
        return;
    };
    let limits = Limits {
        max_value_bytes: 4096,
        max_elements: 64,
        allows_lines: flags & 1 == 1,
    };
    let whole = values(limits, bytes, bytes.len().max(1));
    let split = values(limits, bytes, usize::from(*piece % 16) + 1);
    assert_eq!(whole, split, "a split changes what is read");
    for value in &whole.0 {
        if has_unwritten(value) {
            continue;
        }
        let mut written = Vec::new();
        encode(value, &mut written);
        let any = Limits {
            max_value_bytes: usize::MAX,
            allows_lines: false,
            ..limits
        };
        let again = values(any, &written, written.len());
        assert_eq!(again, (vec![value.clone()], Ok(())));
    }
}

fn values(limits: Limits, bytes: &[u8], piece: usize) -> (Vec<Value>, Result<(), ProtocolError>) {
    let mut decoder = Decoder::new(limits);
    let mut read = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_value() {
                Ok(Some(value)) => read.push(value),
                Ok(None) => break,
                Err(error) => return (read, Err(error)),
            }
        }
    }
    (read, Ok(()))
}

/// What only version 3 has is not written as it was.
fn has_unwritten(value: &Value) -> bool {
    match value {
        Value::Other(_) | Value::Push => true,
        Value::Array(values) => values.iter().any(has_unwritten),
        _ => false,
    }
}
