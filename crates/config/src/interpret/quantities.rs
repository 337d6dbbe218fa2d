//! Numbers, durations and booleans as people write them, in the form that the API takes.
//!
//! Units of bytes count by 1024, with and without an `i`, as they do in most configurations of proxies.

use crate::text::{Kind, Node};

/// A whole number meant by a text: `32KiB`, `32_768`, `50%`, `5s` for a field that counts milliseconds.
pub(super) fn whole_number(text: &str, field: &str) -> Option<String> {
    let text = text.trim();
    let plain: String = text
        .chars()
        .filter(|one| !matches!(one, '_' | ','))
        .collect();
    if plain.parse::<u64>().is_ok() {
        return Some(plain);
    }
    let (number, unit) = split_unit(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "%" | "b" | "byte" | "bytes" => 1.0,
        "k" | "ki" | "kb" | "kib" => 1024.0,
        "m" | "mi" | "mb" | "mib" if !counts_time(field) => 1_048_576.0,
        "g" | "gi" | "gb" | "gib" => 1_073_741_824.0,
        _ if counts_time(field) => {
            let in_field = if field.ends_with("_ms") { 1000.0 } else { 1.0 };
            seconds_of(number, unit)? * in_field / number
        }
        _ => return None,
    };
    let value = number * factor;
    let is_whole = value >= 0.0 && value.fract() == 0.0 && value < 1e15;
    is_whole.then(|| value.to_string())
}

fn counts_time(field: &str) -> bool {
    field.ends_with("_ms") || field.ends_with("_seconds") || field.ends_with("_sec")
}

/// `1.5 MiB` -> `1.5` and `MiB`.
fn split_unit(text: &str) -> Option<(f64, &str)> {
    let is_number = |one: char| one.is_ascii_digit() || one == '.';
    let end = text.find(|one: char| !is_number(one)).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// What a duration in another form is in seconds: `5m` is `300s`, `1m30s` is `90s`, `PT5S` is `5s`.
pub(super) fn in_seconds(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("pt").unwrap_or(&text);
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|one: char| !one.is_ascii_digit() && one != '.');
        let number: f64 = rest.get(..unit_at.unwrap_or(rest.len()))?.parse().ok()?;
        rest = rest.get(unit_at.unwrap_or(rest.len())..)?.trim_start();
        let unit_end = rest.find(|one: char| one.is_ascii_digit());
        let (unit, after) = rest.split_at_checked(unit_end.unwrap_or(rest.len()))?;
        seconds += seconds_of(number, unit.trim())?;
        rest = after;
    }
    (!text.is_empty()).then(|| format!("{seconds}s"))
}

fn seconds_of(number: f64, unit: &str) -> Option<f64> {
    let factor = match unit {
        "ms" | "msec" | "msecs" | "millis" | "milliseconds" => return Some(number / 1000.0),
        "us" | "µs" => return Some(number / 1_000_000.0),
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    Some(number * factor)
}

/// A boolean by another word.
pub(super) fn boolean(node: &Node) -> Option<&'static str> {
    let text = match &node.kind {
        Kind::Int(1) => "1",
        Kind::Int(0) => "0",
        Kind::Str(text) => text,
        _ => return None,
    };
    match text.to_ascii_lowercase().as_str() {
        "1" | "enabled" | "enable" | "active" => Some("true"),
        "0" | "disabled" | "disable" | "none" | "never" => Some("false"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_bytes() {
        let number = |text| whole_number(text, "max_request_bytes");
        assert_eq!(number("32KiB").as_deref(), Some("32768"));
        assert_eq!(number("1.5 MB").as_deref(), Some("1572864"));
        assert_eq!(number("32_768").as_deref(), Some("32768"));
        assert_eq!(number("50%").as_deref(), Some("50"));
        assert_eq!(number("0.3k"), None);
        assert_eq!(number("many"), None);
        assert_eq!(whole_number("5s", "interval_ms").as_deref(), Some("5000"));
        assert_eq!(
            whole_number("2m", "max_age_seconds").as_deref(),
            Some("120")
        );
    }

    #[test]
    fn durations_of_all_forms_are_seconds() {
        assert_eq!(in_seconds("1m30s").as_deref(), Some("90s"));
        assert_eq!(in_seconds("5 s").as_deref(), Some("5s"));
        assert_eq!(in_seconds("5S").as_deref(), Some("5s"));
        assert_eq!(in_seconds("PT5S").as_deref(), Some("5s"));
        assert_eq!(in_seconds("250ms").as_deref(), Some("0.25s"));
        assert_eq!(in_seconds("2 hours").as_deref(), Some("7200s"));
        assert_eq!(in_seconds("soon"), None);
        assert_eq!(in_seconds(""), None);
    }
}
