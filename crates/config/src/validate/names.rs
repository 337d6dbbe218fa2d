//! Names and texts as the generated C++ validators write them.

use nuncio_api as api;

/// `ClusterValidationError.LbPolicy`, with `[index]` for an item of a list or map.
pub(super) fn error_name(field: api::Field, index: Option<&str>) -> String {
    let name = format!(
        "{}ValidationError.{}",
        field.message().name(),
        upper_camel(field.name())
    );
    match index {
        Some(index) => format!("{name}[{index}]"),
        None => name,
    }
}

/// protoc-gen-go's CamelCase: `_` before a small letter goes, a letter after a digit is capital.
fn upper_camel(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut out = String::with_capacity(name.len());
    let mut word_start = true;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'_' if at == 0 => out.push('X'),
            b'_' if bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase) => word_start = true,
            b'0'..=b'9' => {
                out.push(char::from(*byte));
                word_start = true;
            }
            _ if word_start => {
                out.push(char::from(byte.to_ascii_uppercase()));
                word_start = false;
            }
            _ => out.push(char::from(*byte)),
        }
    }
    out
}

/// A violation in plain words; `absent` when the field is not set.
pub(super) fn in_plain_words(field: api::Field, reason: &str, absent: bool) -> String {
    let name = field.name();
    let required = || format!("`{name}` is required in `{}`", field.message().full_name());
    match reason.strip_prefix("value ") {
        Some("is required" | "is required and must not be nil.") => required(),
        Some(
            "length must be at least 1 characters"
            | "length must be at least 1 bytes"
            | "must contain at least 1 item(s)",
        ) if absent => required(),
        Some("length must be at least 1 characters" | "length must be at least 1 bytes") => {
            format!("`{name}` may not be empty")
        }
        Some("must contain at least 1 item(s)") => format!("`{name}` needs at least one item"),
        Some(rest) => format!("`{name}` {rest}"),
        None => format!("`{name}`: {reason}"),
    }
}

/// A duration as Go prints it: `1m30s`, `250ms`, `0s`.
pub(super) fn go_duration(seconds: i64, nanos: i32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    if total < 1_000_000_000 {
        let (unit, size) = match total {
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("\u{b5}s", 1_000),
            _ => ("ns", 1),
        };
        return format!("{sign}{}{unit}", decimal(total, size));
    }
    let minutes = total / 60_000_000_000;
    let rest = decimal(total % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{rest}s"),
        (0, minutes) => format!("{sign}{minutes}m{rest}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
    }
}

fn decimal(value: u128, unit: u128) -> String {
    let width = unit.to_string().len() - 1;
    let fraction = value % unit;
    if fraction == 0 {
        return (value / unit).to_string();
    }
    let digits = format!("{fraction:0width$}");
    format!("{}.{}", value / unit, digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_become_go_names() {
        assert_eq!(upper_camel("lb_policy"), "LbPolicy");
        assert_eq!(
            upper_camel("http2_protocol_options"),
            "Http2ProtocolOptions"
        );
        assert_eq!(upper_camel("max_request_headers_kb"), "MaxRequestHeadersKb");
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        assert_eq!(go_duration(0, 0), "0s");
        assert_eq!(go_duration(0, 1_000_000), "1ms");
        assert_eq!(go_duration(1, 500_000_000), "1.5s");
        assert_eq!(go_duration(300, 0), "5m0s");
        assert_eq!(go_duration(3600, 0), "1h0m0s");
    }
}
