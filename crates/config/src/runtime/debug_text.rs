//! Structures as protobuf's debug text has them, which is how the admin shows a fraction of a static layer.
//!
//! Envoy begins them with one of two words and some spaces, at random, so that nobody relies on them.

use std::fmt::Write as _;

use crate::sorting;
use crate::tree::Json;

/// A `google.protobuf.Struct`.
pub(super) fn of_struct(members: &[(Box<str>, Json)]) -> String {
    let mut out = String::from("goo.gle/debugproto    \n");
    fields(members, 0, &mut out);
    out
}

fn fields(members: &[(Box<str>, Json)], depth: usize, out: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorting::sort_by(&mut sorted, |(one, _), (other, _)| one.cmp(other));
    let indent = "  ".repeat(depth);
    for (name, value) in sorted {
        let _ = writeln!(out, "{indent}fields {{\n{indent}  key: {}", quoted(name));
        message("value", value, depth + 1, out);
        let _ = writeln!(out, "{indent}}}");
    }
}

/// A `google.protobuf.Value` in a field called `field`.
fn message(field: &str, json: &Json, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(out, "{indent}{field} {{");
    match json {
        Json::Null => _ = writeln!(out, "{indent}  null_value: NULL_VALUE"),
        Json::Bool(value) => _ = writeln!(out, "{indent}  bool_value: {value}"),
        Json::Number(number) => _ = writeln!(out, "{indent}  number_value: {number}"),
        Json::String(text) => _ = writeln!(out, "{indent}  string_value: {}", quoted(text)),
        Json::List(items) => {
            let _ = writeln!(out, "{indent}  list_value {{");
            for item in items {
                message("values", item, depth + 2, out);
            }
            let _ = writeln!(out, "{indent}  }}");
        }
        Json::Object(members) => {
            let _ = writeln!(out, "{indent}  struct_value {{");
            fields(members, depth + 2, out);
            let _ = writeln!(out, "{indent}  }}");
        }
    }
    let _ = writeln!(out, "{indent}}}");
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\'' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            0x20..=0x7e => out.push(char::from(byte)),
            other => _ = write!(out, "\\{other:03o}"),
        }
    }
    out.push('"');
    out
}
