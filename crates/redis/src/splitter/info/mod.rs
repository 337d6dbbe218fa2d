//! `INFO` of several hosts as one answer, which has the form that Envoy gives it: known fields alone (`fields.rs`), each
//! put together by a rule of its own.

mod fields;

use std::collections::HashMap;

use nuncio_codec::resp::Value;

use super::Outcome;
use fields::SECTIONS;

/// How a field of all hosts is made of theirs.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The first that has any.
    First,
    /// Their sum.
    Sum,
    /// The largest.
    Most,
    /// Always this.
    Fixed(&'static str),
    /// Counts of keys.
    Keys,
    /// Another field, in a unit that is easily read.
    Readable(&'static str),
}

/// What is known of a field.
#[derive(Default)]
struct Field {
    text: Vec<u8>,
    number: i64,
    keys: Option<KeyCounts>,
}

/// Keys of a database.
#[derive(Clone, Copy, Default)]
struct KeyCounts {
    keys: u64,
    expires: u64,
    avg_ttl: u64,
}

/// The answers of all hosts as one; of one section alone unless `section` is empty.
pub(super) fn joined(section: &[u8], values: &[Value]) -> Outcome {
    if let Some(error) = values.iter().find(|it| matches!(it, Value::Error(_))) {
        return Outcome {
            value: error.clone(),
            is_success: false,
        };
    }
    let mut fields = Fields::new(section);
    for value in values {
        let Value::Bulk(text) = value else {
            return Outcome::error("unexpected response type received from shard");
        };
        fields.take(text);
    }
    Outcome::success(Value::Bulk(fields.whole()))
}

/// All fields.
struct Fields<'s> {
    section: &'s [u8],
    known: HashMap<&'static str, (Rule, Field)>,
}

impl<'s> Fields<'s> {
    fn new(section: &'s [u8]) -> Self {
        let all = SECTIONS.iter().flat_map(|(_, fields)| fields.iter());
        Fields {
            section,
            known: all
                .map(|(name, rule)| (*name, (*rule, Field::default())))
                .collect(),
        }
    }

    fn wants(&self, section: &[u8]) -> bool {
        self.section.is_empty() || section.eq_ignore_ascii_case(self.section)
    }

    /// Takes what a host says.
    fn take(&mut self, text: &[u8]) {
        let mut section: &[u8] = b"";
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if let Some(name) = line.strip_prefix(b"#") {
                section = name.trim_ascii_start();
                continue;
            }
            if !self.wants(section) {
                continue;
            }
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
            let value = parts.next().unwrap_or_default();
            if let Some((rule, field)) = name.and_then(|name| self.known.get_mut(name)) {
                field.take(*rule, value);
            }
        }
    }

    fn whole(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        let wanted = SECTIONS.iter().filter(|it| self.wants(it.0.as_bytes()));
        for (section, fields) in wanted {
            let mut head = match whole.is_empty() {
                true => format!("# {section}\r\n"),
                false => format!("\r\n# {section}\r\n"),
            };
            for (name, rule) in *fields {
                if let Some(value) = self.value(name, *rule) {
                    whole.extend_from_slice(std::mem::take(&mut head).as_bytes());
                    whole.extend_from_slice(name.as_bytes());
                    whole.push(b':');
                    whole.extend_from_slice(&value);
                    whole.extend_from_slice(b"\r\n");
                }
            }
        }
        whole
    }

    fn value(&self, name: &str, rule: Rule) -> Option<Vec<u8>> {
        let (_, field) = self.known.get(name)?;
        match rule {
            Rule::First => (!field.text.is_empty()).then(|| field.text.clone()),
            Rule::Sum | Rule::Most => Some(field.number.to_string().into_bytes()),
            Rule::Fixed(text) => Some(text.into()),
            Rule::Keys => field.keys.map(KeyCounts::text),
            Rule::Readable(of) => {
                let bytes = self.known.get(of)?.1.number;
                let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)?;
                Some(readable(bytes).into_bytes())
            }
        }
    }
}

impl Field {
    fn take(&mut self, rule: Rule, value: &[u8]) {
        match rule {
            Rule::First if self.text.is_empty() => self.text = value.to_vec(),
            Rule::Sum => self.number = self.number.saturating_add(number(value).unwrap_or(0)),
            Rule::Most => self.number = self.number.max(number(value).unwrap_or(0)),
            Rule::Keys => {
                let known = self.keys.unwrap_or_default();
                self.keys = Some(known.with(KeyCounts::read(value)));
            }
            Rule::First | Rule::Fixed(_) | Rule::Readable(_) => {}
        }
    }
}

impl KeyCounts {
    fn read(text: &[u8]) -> Self {
        let mut counts = KeyCounts::default();
        for pair in text.split(|byte| *byte == b',') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let count = match parts.next() {
                Some(b"keys") => &mut counts.keys,
                Some(b"expires") => &mut counts.expires,
                Some(b"avg_ttl") => &mut counts.avg_ttl,
                _ => continue,
            };
            *count = number(parts.next().unwrap_or_default()).unwrap_or(0);
        }
        counts
    }

    /// As in Envoy the first host's time to live is halved as well.
    fn with(self, other: Self) -> Self {
        KeyCounts {
            keys: self.keys.saturating_add(other.keys),
            expires: self.expires.saturating_add(other.expires),
            avg_ttl: self.avg_ttl.saturating_add(other.avg_ttl) / 2,
        }
    }

    fn text(self) -> Vec<u8> {
        let KeyCounts {
            keys,
            expires,
            avg_ttl,
        } = self;
        format!("keys={keys},expires={expires},avg_ttl={avg_ttl}").into_bytes()
    }
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn readable(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    let exponent = bytes.checked_ilog2().unwrap_or(0) / 10;
    let unit = usize::try_from(exponent).ok();
    let unit = unit.and_then(|unit| units.get(unit.checked_sub(1)?));
    match unit {
        Some(unit) => format!(
            "{:.2}{unit}",
            bytes as f64 / f64::from(exponent * 10).exp2()
        ),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(section: &str, answers: &[&str]) -> String {
        let answers: Vec<_> = answers.iter().map(Value::bulk).collect();
        let outcome = joined(section.as_bytes(), &answers);
        assert!(outcome.is_success);
        match outcome.value {
            Value::Bulk(text) => String::from_utf8(text).expect("a text"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_of_all_hosts_are_added() {
        let whole = info(
            "keyspace",
            &[
                "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=8\r\ndb1:keys=9\r\n",
                "# Keyspace\r\ndb0:keys=4,expires=x,avg_ttl=2\r\n",
            ],
        );
        let text = "# Keyspace\r\ndb0:keys=7,expires=1,avg_ttl=3\r\n";
        assert_eq!(whole, text);
    }

    #[test]
    fn a_section_that_nobody_knows_is_empty() {
        assert_eq!(info("everything", &["# CPU\r\nused_cpu_sys:1\r\n"]), "");
        assert_eq!(info("cluster", &[""]), "# Cluster\r\ncluster_enabled:1\r\n");
    }

    #[test]
    fn what_no_field_is_spoils_nothing() {
        let odd = "# CPU\r\nused_cpu_sys:9223372036854775807\nused_cpu_sys:1\n:\n\u{0}\nused_cpu_user:x\n";
        let whole = info("CPU", &[odd]);
        assert!(
            whole.starts_with("# CPU\r\nused_cpu_sys:9223372036854775807\r\nused_cpu_user:0\r\n")
        );
    }

    #[test]
    fn an_answer_that_is_no_text_is_an_error() {
        let error = |value: Value| joined(b"", &[Value::Null, value]).value;
        assert_eq!(error(Value::error("NO")), Value::error("NO"));
        let text = "unexpected response type received from shard";
        assert_eq!(error(Value::Null), Value::error(text));
    }

    #[test]
    fn sizes_are_easily_read() {
        let texts = [1023, 1024, 1_572_864, 1 << 30, 1 << 40, 1 << 50].map(readable);
        assert_eq!(
            texts,
            ["1023B", "1.00K", "1.50M", "1.00G", "1.00T", "1.00P"]
        );
        assert_eq!(readable(u64::MAX), "18446744073709551615B");
    }
}
