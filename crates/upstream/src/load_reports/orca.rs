//! Reports of load as hosts send them: `endpoint-load-metrics` as text, JSON or binary, `endpoint-load-metrics-bin`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use nuncio_config::base64;
use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::interpret;
use nuncio_config::source::{Format, Source};
use nuncio_config::text::{self, Limits};
use nuncio_config::tree::Json;
use nuncio_contract::headers::{HeaderMap, HeaderName};

static ANY: LazyLock<Option<HeaderName>> =
    LazyLock::new(|| HeaderName::parse("endpoint-load-metrics").ok());
static BINARY: LazyLock<Option<HeaderName>> =
    LazyLock::new(|| HeaderName::parse("endpoint-load-metrics-bin").ok());

/// Maps of the message, by the beginnings of their metrics' names, and their numbers there.
const MAPS: [(&str, &str, u32); 3] = [
    ("request_cost", "requestCost", 4),
    ("utilization", "utilization", 5),
    ("named_metrics", "namedMetrics", 8),
];

/// Numbers of the message, with their numbers there.
const NUMBERS: [(&str, &str, u32); 5] = [
    ("cpu_utilization", "cpuUtilization", 1),
    ("mem_utilization", "memUtilization", 2),
    ("rps_fractional", "rpsFractional", 6),
    ("eps", "eps", 7),
    ("application_utilization", "applicationUtilization", 9),
];

/// What a host says of its load.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) application_utilization: f64,
    pub(super) cpu_utilization: f64,
    pub(super) memory_utilization: f64,
    pub(super) requests_per_second: f64,
    pub(super) errors_per_second: f64,
    /// Metrics with names of their own, `named_metrics.` and such before them.
    pub(super) named: Vec<(String, f64)>,
}

impl Report {
    /// The report in headers or trailers; none if there is none, or one that says what none can say.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let value = |name: &LazyLock<Option<HeaderName>>| headers.get_str(Option::as_ref(name)?);
        if let Some(binary) = value(&BINARY) {
            return Self::of_binary(&base64::decode_loose(binary.as_bytes())?);
        }
        let (format, rest) = value(&ANY)?.split_once(' ')?;
        match format {
            "TEXT" => Self::of_text(rest),
            "JSON" => Self::of_json(rest),
            "BIN" => Self::of_binary(&base64::decode_loose(rest.as_bytes())?),
            _ => None,
        }
    }

    /// The greatest of these metrics that are there; 0 if none is.
    pub(super) fn greatest_of(&self, metrics: &[String]) -> f64 {
        let values = metrics.iter().map(|name| match name.as_str() {
            "application_utilization" => self.application_utilization,
            "cpu_utilization" => self.cpu_utilization,
            "mem_utilization" => self.memory_utilization,
            "rps_fractional" => self.requests_per_second,
            "eps" => self.errors_per_second,
            name => self.greatest_named(name),
        });
        values.fold(0.0, f64::max)
    }

    fn greatest_named(&self, wanted: &str) -> f64 {
        let is_meant = |name: &str| match wanted.strip_suffix('*') {
            Some(beginning) if beginning.ends_with('.') => name.starts_with(beginning),
            _ => name == wanted,
        };
        let named = self.named.iter().filter(|(name, _)| is_meant(name));
        named.fold(0.0, |greatest, (_, value)| greatest.max(*value))
    }

    fn number(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "application_utilization" => &mut self.application_utilization,
            "cpu_utilization" => &mut self.cpu_utilization,
            "mem_utilization" => &mut self.memory_utilization,
            "rps_fractional" => &mut self.requests_per_second,
            "eps" => &mut self.errors_per_second,
            _ => return None,
        })
    }

    /// `name=value, name=value`; a colon will do as well.
    fn of_text(text: &str) -> Option<Self> {
        let mut report = Self::default();
        let mut seen: HashSet<&str> = HashSet::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (name, value) = entry.split_once(['=', ':'])?;
            let (name, value) = (name.trim(), value.trim());
            let value: f64 = value.parse().ok()?;
            if !seen.insert(name) || !value.is_finite() {
                return None;
            }
            match name.strip_prefix("named_metrics.") {
                Some("") => return None,
                Some(_) => report.named.push((name.to_owned(), value)),
                None => *report.number(name)? = value,
            }
        }
        Some(report)
    }

    fn of_json(text: &str) -> Option<Self> {
        let source = Source::new("a report of load", Format::Json, Arc::from(text));
        let mut diagnostics = Diagnostics::default();
        let node = text::parse(&source, 0, &Limits::default(), &mut diagnostics)?;
        let Json::Object(members) = interpret::json(&node, &mut diagnostics) else {
            return None;
        };
        let mut report = Self::default();
        for (name, value) in &members {
            let of = |(own, camel, _): &(&'static str, &'static str, u32)| {
                (**own == **name || **camel == **name).then_some(*own)
            };
            match (NUMBERS.iter().find_map(of), MAPS.iter().find_map(of), value) {
                (Some(number), _, Json::Number(value)) => *report.number(number)? = *value,
                (_, Some(map), Json::Object(values)) => {
                    for (name, value) in values {
                        let Json::Number(value) = value else {
                            return None;
                        };
                        report.named.push((format!("{map}.{name}"), *value));
                    }
                }
                (None, None, _) if **name == *"rps" => {}
                _ => return None,
            }
        }
        Some(report)
    }

    pub(super) fn of_binary(bytes: &[u8]) -> Option<Self> {
        let mut report = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            let of = |(own, _, its): &(&'static str, &'static str, u32)| {
                (*its == number).then_some(*own)
            };
            match (NUMBERS.iter().find_map(of), MAPS.iter().find_map(of), value) {
                (Some(name), _, Value::Double(value)) => *report.number(name)? = value,
                (_, Some(map), Value::Bytes(entry)) => {
                    let (name, value) = entry_of(entry)?;
                    report.named.push((format!("{map}.{name}"), value));
                }
                _ => {}
            }
        }
        Some(report)
    }
}

/// An entry of a map.
fn entry_of(bytes: &[u8]) -> Option<(&str, f64)> {
    let (mut name, mut number) = ("", 0.0);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => name = std::str::from_utf8(bytes).ok()?,
            (2, Value::Double(value)) => number = value,
            _ => {}
        }
    }
    Some((name, number))
}

/// The fields of a message of protobuf.
struct Fields<'b>(&'b [u8]);

enum Value<'b> {
    Double(f64),
    Bytes(&'b [u8]),
    Other,
}

impl<'b> Fields<'b> {
    /// The next one; the outer `None` if it is broken.
    #[expect(clippy::option_option, reason = "broken, at the end, or a field")]
    fn next(&mut self) -> Option<Option<(u32, Value<'b>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let value = match tag & 7 {
            0 => {
                self.varint()?;
                Value::Other
            }
            1 => Value::Double(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Other
            }
            _ => return None,
        };
        Some(Some((number, value)))
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Option<Report> {
        let mut headers = HeaderMap::response();
        headers.append(&HeaderName::parse(name).unwrap(), value.as_bytes());
        Report::read(&headers)
    }

    fn any(value: &str) -> Option<Report> {
        read("endpoint-load-metrics", value)
    }

    fn expected() -> Option<Report> {
        Some(Report {
            requests_per_second: 100.0,
            cpu_utilization: 0.5,
            named: vec![("named_metrics.a".to_owned(), 2.0)],
            ..Report::default()
        })
    }

    #[test]
    fn all_forms_say_the_same() {
        let text = "TEXT rps_fractional=100, cpu_utilization:0.5,named_metrics.a=2";
        assert_eq!(any(text), expected());
        let json = "JSON {\"rpsFractional\": 100, \"cpu_utilization\": 0.5, \"named_metrics\": {\"a\": 2}, \"rps\": 7}";
        assert_eq!(any(json), expected());
        let binary = "CQAAAAAAAOA/MQAAAAAAAFlAQgwKAWERAAAAAAAAAEA=";
        assert_eq!(read("endpoint-load-metrics-bin", binary), expected());
        assert_eq!(any(&format!("BIN {binary}")), expected());
    }

    #[test]
    fn what_is_broken_is_no_report() {
        for bad in [
            "",
            "TEXT",
            "TEXT a=1",
            "TEXT eps=1,eps=2",
            "TEXT eps=inf",
            "TEXT named_metrics.=1",
            "JSON {",
            "JSON []",
            "JSON {\"eps\": \"much\"}",
            "BIN ?",
            "BIN CQ",
            "XML <a/>",
        ] {
            assert_eq!(any(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_star_stands_for_all_of_a_map() {
        let report = any("TEXT named_metrics.a=1,named_metrics.b=3,eps=2").unwrap();
        let greatest = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            report.greatest_of(&names)
        };
        assert_eq!(greatest(&["named_metrics.*"]), 3.0);
        assert_eq!(greatest(&["named_metrics.a", "eps"]), 2.0);
        assert_eq!(greatest(&["utilization.*", "other"]), 0.0);
    }
}
