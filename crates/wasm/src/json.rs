//! Structures of configurations as compact JSON, as protobuf's printer writes them.

use std::fmt::Write as _;

use nuncio_config::json_text;
use nuncio_config::tree::Json;

/// The text of a structure.
pub(crate) fn text(json: &Json) -> Vec<u8> {
    let mut out = String::new();
    write(json, &mut out);
    out.into_bytes()
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Json::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Json::String(text) => json_text::string(out, text),
        Json::List(all) => {
            out.push('[');
            for (at, one) in all.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(one, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text::string(out, name);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}
