//! Values as bytes.

use super::Value;

/// Writes a value behind what is there.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Other(value) => encode(value, out),
        Value::Null | Value::Push => out.extend_from_slice(b"$-1\r\n"),
        Value::Integer(number) => line(b':', number.to_string().as_bytes(), out),
        Value::Simple(text) => line(b'+', text, out),
        Value::Error(text) => line(b'-', text, out),
        Value::Bulk(bytes) => bulk(bytes, out),
        Value::Array(values) => {
            line(b'*', values.len().to_string().as_bytes(), out);
            values.iter().for_each(|value| encode(value, out));
        }
    }
}

/// Writes a command: its words as an array of bytes.
pub fn encode_command<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    line(b'*', words.len().to_string().as_bytes(), out);
    words.iter().for_each(|word| bulk(word.as_ref(), out));
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    line(b'$', bytes.len().to_string().as_bytes(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
