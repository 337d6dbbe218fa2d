//! A configuration with its defaults written out: what `nuncio expand` prints.
//!
//! A [`FieldDefault`] stands in the crate whose code applies it, where a test compares what the code makes of a
//! message with it and without it. Beside these, an enum field without presence that is honoured shows the value
//! that the API gives it. What is written stays as it is, comments included; each default is marked with a comment.
//! A default is shown where its message is set, and within messages that it would itself have to bring along
//! (`common_http_protocol_options.idle_timeout`); no list or oneof is begun for it.

use nuncio_api::{self as api, Cardinality, Kind as FieldKind};

use crate::bootstrap::BOOTSTRAP;
use crate::diagnostic::Diagnostics;
use crate::source::{Format, Source};
use crate::span::Span;
use crate::support::of_field;
use crate::text::{self, Entry, Kind, Limits, Node};
use crate::typed::SupportTable;
use crate::upgrade;

/// The value that a field has where it is not set.
#[derive(Clone, Copy, Debug)]
pub struct FieldDefault {
    /// The full name of the message.
    pub message: &'static str,
    /// The field, or the way to it through messages that may be missing.
    pub path: &'static [&'static str],
    /// The value as YAML.
    pub value: &'static str,
    /// When it counts.
    pub when: When,
}

/// When a default counts.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Wherever the message is set.
    Always,
    /// Where this field of the message is not set.
    Without(&'static str),
    /// Where this field of the message has one of these values.
    With(&'static str, &'static [&'static str]),
}

impl When {
    fn holds(self, entries: &[Entry], message: api::Message) -> bool {
        let find = |name: &str| {
            let field = message.field(name)?;
            entries.iter().find(|entry| names(&entry.key, field))
        };
        match self {
            When::Always => true,
            When::Without(name) => find(name).is_none(),
            When::With(name, values) => {
                let value = find(name).and_then(|entry| entry.value.as_str());
                value.is_some_and(|value| values.iter().any(|one| one.eq_ignore_ascii_case(value)))
            }
        }
    }
}

impl FieldDefault {
    /// A default of a message's own field, or of one further down.
    pub const fn new(
        message: &'static str,
        path: &'static [&'static str],
        value: &'static str,
    ) -> FieldDefault {
        FieldDefault {
            message,
            path,
            value,
            when: When::Always,
        }
    }

    /// The same, where it does not always count.
    pub const fn when(self, when: When) -> FieldDefault {
        FieldDefault { when, ..self }
    }

    /// The value as a node that stands in no text.
    fn node(&self) -> Option<Node> {
        let source = Source::new("", Format::Yaml, self.value);
        let mut node = text::parse(&source, 0, &Limits::default(), &mut Diagnostics::default())?;
        forget_place(&mut node);
        Some(node)
    }
}

fn forget_place(node: &mut Node) {
    node.span = Span::NONE;
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(forget_place),
        Kind::Map(entries) => {
            for entry in entries {
                entry.key_span = Span::NONE;
                forget_place(&mut entry.value);
            }
        }
        _ => {}
    }
}

/// Writes a bootstrap's text with its defaults, as YAML. `None` if it cannot be read, which is in `diagnostics`.
pub fn expand(
    source: &Source,
    index: u32,
    defaults: &[FieldDefault],
    table: &SupportTable,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let bootstrap = api::message(BOOTSTRAP)?;
    let mut node = text::parse(source, index, &Limits::default(), diagnostics)?;
    if source.format == Format::ProtoText {
        text::proto::shape(bootstrap, &mut node);
    }
    upgrade::run(&mut node, &mut Vec::new());
    Expansion { defaults, table }.message(&mut node, bootstrap);
    Some(upgrade::to_yaml(&node, source))
}

struct Expansion<'a> {
    defaults: &'a [FieldDefault],
    table: &'a SupportTable,
}

impl Expansion<'_> {
    fn message(&self, node: &mut Node, message: api::Message) {
        // A message that was written as `null` is none.
        let Some(entries) = node.entries_mut() else {
            return;
        };
        let own = self
            .defaults
            .iter()
            .filter(|default| default.message == message.full_name());
        for default in own {
            if let Some(value) = default
                .node()
                .filter(|_| default.when.holds(entries, message))
            {
                add(entries, message, default.path, value);
            }
        }
        for field in message.fields() {
            if let Some(value) = self.enum_default(entries, message, field) {
                entries.push(marked(field.name(), value));
            }
        }
        for entry in entries {
            if let Some(field) = message.field(&entry.key) {
                self.values(&mut entry.value, field);
            }
        }
    }

    /// The value of an enum field that is honoured and not set.
    fn enum_default(
        &self,
        entries: &[Entry],
        message: api::Message,
        field: api::Field,
    ) -> Option<Node> {
        let FieldKind::Enum(enumeration) = field.kind() else {
            return None;
        };
        let plain = field.cardinality() == Cardinality::Singular && field.oneof().is_none();
        let honoured = of_field(self.table, message.full_name(), field.name());
        if !plain
            || field.deprecated()
            || honoured != crate::support::Status::Honoured
            || is_set(entries, field)
        {
            return None;
        }
        let value = enumeration.by_number(0)?;
        let is_silent = value.deprecated() || self.is_refused(enumeration, value.name());
        (!is_silent).then(|| Node::string(Span::NONE, value.name()))
    }

    fn is_refused(&self, enumeration: api::Enum, value: &str) -> bool {
        let known = self.table.enums.get(enumeration.full_name());
        known.is_some_and(|known| !known.values.contains(value))
    }

    fn values(&self, node: &mut Node, field: api::Field) {
        let FieldKind::Message(message) = field.kind() else {
            return;
        };
        let is_map = matches!(field.cardinality(), Cardinality::Map { .. });
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.value(item, message)),
            Kind::Map(entries) if is_map => {
                entries
                    .iter_mut()
                    .for_each(|entry| self.value(&mut entry.value, message));
            }
            _ => self.value(node, message),
        }
    }

    fn value(&self, node: &mut Node, message: api::Message) {
        match message.full_name() {
            "google.protobuf.Any" => {
                let url = node.get("@type").and_then(Node::as_str).unwrap_or("");
                if let Some(inner) = api::message(url.rsplit('/').next().unwrap_or("")) {
                    self.message(node, inner);
                }
            }
            name if name.starts_with("google.protobuf.") => {}
            _ => self.message(node, message),
        }
    }
}

/// Adds a default at the end of a way through messages, unless the field is set or its oneof is decided.
fn add(entries: &mut Vec<Entry>, message: api::Message, path: &[&'static str], value: Node) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(field) = message.field(first) else {
        return;
    };
    if rest.is_empty() {
        let decided = field
            .oneof()
            .is_some_and(|oneof| oneof.fields().any(|other| is_set(entries, other)));
        if !decided && !is_set(entries, field) {
            entries.push(marked(first, value));
        }
        return;
    }
    let FieldKind::Message(inner) = field.kind() else {
        return;
    };
    if !is_set(entries, field) {
        entries.push(Entry {
            key: (*first).into(),
            key_span: Span::NONE,
            value: Node::new(Span::NONE, Kind::Map(Vec::new())),
        });
    }
    let below = entries.iter_mut().find(|entry| names(&entry.key, field));
    if let Some(entries) = below.and_then(|entry| entry.value.entries_mut()) {
        add(entries, inner, rest, value);
    }
}

fn marked(name: &str, value: Node) -> Entry {
    Entry {
        key: name.into(),
        key_span: Span::DEFAULT,
        value,
    }
}

fn is_set(entries: &[Entry], field: api::Field) -> bool {
    entries.iter().any(|entry| names(&entry.key, field))
}

fn names(key: &str, field: api::Field) -> bool {
    key == field.name() || key == field.json_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
    const DEFAULTS: [FieldDefault; 4] = [
        FieldDefault::new(CLUSTER, &["dns_refresh_rate"], "5s")
            .when(When::With("type", &["STRICT_DNS"])),
        FieldDefault::new(CLUSTER, &["connect_timeout"], "5s"),
        FieldDefault::new(
            CLUSTER,
            &["circuit_breakers", "thresholds"],
            "[{max_retries: 3}]",
        ),
        FieldDefault::new(CLUSTER, &["type"], "STATIC"),
    ];

    fn expanded(yaml: &str) -> String {
        let mut table = SupportTable::default();
        table.add_field(CLUSTER, "lb_policy");
        table.add_field(CLUSTER, "dns_lookup_family");
        table.add_enum_value("envoy.config.cluster.v3.Cluster.LbPolicy", "ROUND_ROBIN");
        table.add_enum_value("envoy.config.cluster.v3.Cluster.DnsLookupFamily", "V4_ONLY");
        let source = Source::new("a.yaml", Format::Yaml, yaml);
        let mut diagnostics = Diagnostics::default();
        expand(&source, 0, &DEFAULTS, &table, &mut diagnostics).expect("it is read")
    }

    #[test]
    fn what_is_not_set_is_added_and_marked() {
        let yaml = "\
static_resources:
  clusters:
  # the one
  - name: a # its name
";
        let expected = "\
static_resources:
  clusters:
  # the one
  - name: a # its name
    connect_timeout: 5s # default
    circuit_breakers:
      thresholds: # default
      - max_retries: 3
    type: STATIC # default
    lb_policy: ROUND_ROBIN # default
";
        assert_eq!(expanded(yaml), expected);
    }

    #[test]
    fn what_counts_sometimes_is_added_then() {
        let added = |kind: &str| {
            let yaml = format!("static_resources: {{ clusters: [{{ type: {kind} }}] }}\n");
            expanded(&yaml).contains("dns_refresh_rate")
        };
        assert!(added("STRICT_DNS") && added("strict_dns") && !added("EDS"));
    }

    #[test]
    fn what_is_set_stays() {
        let yaml = "\
static_resources:
  clusters:
  - connectTimeout: 1s
    cluster_type: { name: x }
    lb_policy: RANDOM
    circuit_breakers:
      thresholds: []
";
        assert_eq!(expanded(yaml), yaml);
    }

    #[test]
    fn what_is_printed_reads_as_printed() {
        let once = expanded("static_resources: {clusters: [{name: a}, {name: b, type: EDS}]}\n");
        assert_eq!(
            once.matches("connect_timeout: 5s # default").count(),
            2,
            "{once}"
        );
        assert_eq!(once.matches("type: STATIC # default").count(), 1, "{once}");
        let again = expanded(&once);
        assert_eq!(again, once);
    }
}
