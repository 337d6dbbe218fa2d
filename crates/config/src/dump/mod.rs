//! Messages as JSON, byte for byte as Envoy's admin prints them.
//!
//! Names in snake_case, fields by number, enums by name, 64-bit numbers and durations as strings, `Any`
//! with its `@type`; pretty text is indented by one space. With [`Options::redact`], what the API marks
//! as sensitive reads `[redacted]`, as Envoy's config dump does it.
//!
//! Difference from Envoy: maps keep the order of the configuration (Envoy's order is that of a hash).

mod numbers;
mod print;
#[cfg(test)]
mod tests;

use crate::tree::{Json, Message};
use print::Printer;

/// How a message is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Over many lines, indented by one space a level.
    pub pretty: bool,
    /// Also fields that are not set, where protobuf cannot tell (`always_print_fields_with_no_presence`).
    pub defaults: bool,
    /// Sensitive values as `[redacted]`.
    pub redact: bool,
}

/// The message as JSON; pretty text ends in a line end, as protobuf's does.
pub fn to_json(message: &Message, options: Options) -> String {
    let mut printer = Printer::new(options);
    printer.top(message);
    let mut text = printer.finish();
    if options.pretty {
        text.push('\n');
    }
    text
}

/// A free-form value as JSON.
pub fn json_to_text(json: &Json, options: Options) -> String {
    let mut printer = Printer::new(options);
    printer.json(json, false);
    printer.finish()
}
