//! Whether two trees say the same: spans do not count, nor does the order of the text.
//!
//! What a diff of two loads asks. Maps are compared in their order, so a map whose entries only changed
//! places counts as another one.

use super::{Any, Entry, Message, Value};

/// Whether two messages say the same.
pub fn same(one: &Message, other: &Message) -> bool {
    same_but_for(one, other, "")
}

/// The same, where messages called `ignored` may differ but not be on one side alone.
pub fn same_but_for(one: &Message, other: &Message, ignored: &str) -> bool {
    if one.name() != other.name() {
        return false;
    }
    if one.name() == ignored {
        return true;
    }
    let same_entry = |(one, other): (&Entry, &Entry)| {
        one.number == other.number && same_value(&one.value, &other.value, ignored)
    };
    let (ones, others) = (set(one), set(other));
    ones.len() == others.len() && ones.into_iter().zip(others).all(same_entry)
}

/// The fields that say anything: a default in a field without presence is as good as none.
fn set(message: &Message) -> Vec<&Entry> {
    let says_something = |entry: &&Entry| !entry.is_implicit_default();
    message.entries().iter().filter(says_something).collect()
}

fn same_value(one: &Value, other: &Value, ignored: &str) -> bool {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::I64(one), Value::I64(other)) => one == other,
        (Value::U64(one), Value::U64(other)) => one == other,
        (Value::F64(one), Value::F64(other)) => one.to_bits() == other.to_bits(),
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Bytes(one), Value::Bytes(other)) => one == other,
        (Value::Enum(one), Value::Enum(other)) => one == other,
        (Value::Duration(s, ns), Value::Duration(other_s, other_ns))
        | (Value::Timestamp(s, ns), Value::Timestamp(other_s, other_ns)) => {
            (s, ns) == (other_s, other_ns)
        }
        (Value::Json(one), Value::Json(other)) => one == other,
        (Value::Message(one), Value::Message(other)) => same_but_for(one, other, ignored),
        (Value::Any(one), Value::Any(other)) => same_any(one, other, ignored),
        (Value::List(ones), Value::List(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|(one, other)| same_value(&one.value, &other.value, ignored))
        }
        (Value::Map(ones), Value::Map(others)) => {
            ones.len() == others.len()
                && ones.iter().zip(others).all(|(one, other)| {
                    one.key == other.key && same_value(&one.value, &other.value, ignored)
                })
        }
        _ => false,
    }
}

fn same_any(one: &Any, other: &Any, ignored: &str) -> bool {
    one.type_url == other.type_url
        && one.typed_struct == other.typed_struct
        && same_but_for(&one.message, &other.message, ignored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostics;
    use crate::source::{Format, Source};
    use crate::{interpret, text};

    fn cluster(yaml: &str) -> Message {
        read("envoy.config.cluster.v3.Cluster", yaml)
    }

    fn read(name: &str, yaml: &str) -> Message {
        let mut diagnostics = Diagnostics::default();
        let source = Source::new("test.yaml", Format::Yaml, yaml);
        let node = text::parse(&source, 0, &text::Limits::default(), &mut diagnostics)
            .expect("the text is YAML");
        let descriptor = nuncio_api::message(name).expect("the message is known");
        interpret::interpret(descriptor, &node, &mut diagnostics).expect("the text is the message")
    }

    #[test]
    fn order_spacing_and_written_defaults_make_no_difference() {
        let one = cluster("{name: a, connect_timeout: 1s}");
        let other = cluster("connect_timeout: 1.0s\nalt_stat_name: ''\n\nname:   a\n");
        assert!(same(&one, &other));
    }

    #[test]
    fn another_value_a_further_field_and_another_order_of_a_list_do() {
        let one = cluster("{name: a, connect_timeout: 1s}");
        assert!(!same(&one, &cluster("{name: b, connect_timeout: 1s}")));
        assert!(!same(&one, &cluster("{name: a, connect_timeout: 2s}")));
        assert!(!same(&one, &cluster("{name: a}")));
        let lists = ["[{max_requests: 1}, {}]", "[{}, {max_requests: 1}]"].map(|list| {
            cluster(&format!(
                "{{name: a, circuit_breakers: {{thresholds: {list}}}}}"
            ))
        });
        assert!(!same(&lists[0], &lists[1]));
    }

    #[test]
    fn an_ignored_message_may_differ_but_not_be_missing() {
        const MANAGER: &str =
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
        let manager = |routes: &str, prefix: &str| {
            let filter = format!(
                "{{'@type': type.googleapis.com/{MANAGER}, stat_prefix: {prefix}{routes}}}"
            );
            read(
                "envoy.config.listener.v3.Listener",
                &format!("filter_chains: [{{filters: [{{name: h, typed_config: {filter}}}]}}]"),
            )
        };
        let one = manager(", route_config: {name: r}", "p");
        assert!(same_but_for(
            &one,
            &manager(", route_config: {name: s}", "p"),
            ROUTES
        ));
        assert!(!same_but_for(
            &one,
            &manager(", route_config: {name: r}", "q"),
            ROUTES
        ));
        assert!(!same_but_for(&one, &manager("", "p"), ROUTES));
    }
}
