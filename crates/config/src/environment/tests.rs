//! What references become, in whole configurations.

use super::Environment;
use crate::bootstrap::{Input, Loaded, Refusal, load};
use crate::report::Style;
use crate::tree::Value;

fn loaded(yaml: &str, variables: &[(&str, &str)]) -> Result<Loaded, Box<Refusal>> {
    load(&Input {
        yaml: Some(yaml.to_owned()),
        environment: Some(Environment::of(variables)),
        ..Input::default()
    })
}

fn cluster(field: &str, variables: &[(&str, &str)]) -> Value {
    let yaml = format!("static_resources:\n  clusters:\n  - name: a\n    {field}\n");
    let tree = loaded(&yaml, variables)
        .unwrap_or_else(|refusal| panic!("{}", refusal.render(Style::Plain)))
        .tree;
    let clusters = tree.find(&["static_resources", "clusters"]).unwrap();
    let cluster = clusters.as_list().unwrap()[0].value.as_message().unwrap();
    let name = field.split(':').next().unwrap();
    cluster.get_by_name(name).unwrap().value.clone()
}

fn errors(yaml: &str, variables: &[(&str, &str)]) -> String {
    loaded(yaml, variables).unwrap_err().render(Style::Plain)
}

#[test]
fn nothing_happens_unasked() {
    let input = Input {
        yaml: Some("node: {id: \"${HOME}\"}".to_owned()),
        ..Input::default()
    };
    let tree = load(&input).unwrap().tree;
    assert_eq!(
        tree.find(&["node", "id"]).unwrap().as_str(),
        Some("${HOME}")
    );
}

#[test]
fn a_reference_takes_the_type_of_its_field() {
    let number = cluster("per_connection_buffer_limit_bytes: ${X}", &[("X", "4096")]);
    assert!(matches!(number, Value::U64(4096)), "{number:?}");
    for written in ["${X}", "\"${X}\"", "${Y:-true}"] {
        let field = format!("respect_dns_ttl: {written}");
        assert!(
            matches!(cluster(&field, &[("X", "true")]), Value::Bool(true)),
            "{written}"
        );
    }
    let name = cluster("alt_stat_name: ${X}", &[("X", "123")]);
    assert_eq!(name.as_str(), Some("123"));
    let duration = cluster("connect_timeout: \"${X}s\"", &[("X", "3")]);
    assert!(matches!(duration, Value::Duration(3, 0)), "{duration:?}");
    let kind = cluster("type: ${X}", &[("X", "STRICT_DNS")]);
    assert!(matches!(kind, Value::Enum(1)), "{kind:?}");
}

#[test]
fn a_value_cannot_leave_its_scalar() {
    let name = cluster(
        "alt_stat_name: ${X}",
        &[("X", "a\n    type: EDS\n- b: ${Y} # c")],
    );
    assert_eq!(name.as_str(), Some("a\n    type: EDS\n- b: ${Y} # c"));
}

#[test]
fn dollars_can_be_written() {
    let text = |written: &str| cluster(&format!("alt_stat_name: '{written}'"), &[("X", "x")]);
    assert_eq!(text("$${X} ${X} $X $$ $").as_str(), Some("${X} x $X $$ $"));
    assert_eq!(text("a${X}b${X}").as_str(), Some("axbx"));
}

#[test]
fn a_default_serves_where_a_variable_is_unset_or_empty() {
    let text = |variables: &[(&str, &str)]| cluster("alt_stat_name: '${X:-a b}'", variables);
    assert_eq!(text(&[]).as_str(), Some("a b"));
    assert_eq!(text(&[("X", "")]).as_str(), Some("a b"));
    assert_eq!(text(&[("X", "c")]).as_str(), Some("c"));
    assert_eq!(
        cluster("alt_stat_name: 'a${X}'", &[("X", "")]).as_str(),
        Some("a")
    );
}

#[test]
fn what_is_not_set_is_an_error_at_its_place_with_the_nearest_name() {
    let text = errors(
        "node:\n  id: \"a ${SERVICE_NAM}\"\n",
        &[("SERVICE_NAME", "x")],
    );
    assert!(
        text.contains("the environment variable `SERVICE_NAM` is not set"),
        "{text}"
    );
    assert!(
        text.contains("--config-yaml:2:10") && text.contains("did you mean `SERVICE_NAME`?"),
        "{text}"
    );
    let text = errors("node: {id: \"${QQ}\"}", &[]);
    assert!(text.contains("set it, or write `${QQ:-default}`"), "{text}");
}

#[test]
fn what_is_no_reference_is_an_error() {
    for wrong in ["${", "${}", "${A B}", "${1A}", "${A", "${A-b}"] {
        let text = errors(&format!("node: {{id: '{wrong}'}}"), &[("A", "a")]);
        assert!(
            text.contains("is no reference to an environment variable"),
            "{wrong}: {text}"
        );
    }
}

#[test]
fn values_together_are_no_larger_than_a_text_may_be() {
    let mut input = Input {
        yaml: Some("node: {id: '${X}${X}${X}'}".to_owned()),
        environment: Some(Environment::of(&[("X", &"x".repeat(40))])),
        ..Input::default()
    };
    input.limits.text_bytes = 100;
    let text = load(&input).unwrap_err().render(Style::Plain);
    assert!(text.contains("too large for one text"), "{text}");
}

#[test]
fn structures_take_types_as_yaml_does() {
    let yaml =
        "node:\n  metadata:\n    a: ${N}\n    b: \"${N}\"\n    c:\n    - ${B}\n    d: '${B} '\n";
    let tree = loaded(yaml, &[("N", "5"), ("B", "true")]).unwrap().tree;
    let json = crate::dump::to_json(&tree, crate::dump::Options::default());
    assert!(
        json.contains(r#"{"a":5,"b":"5","c":[true],"d":"true "}"#),
        "{json}"
    );
}

#[test]
fn nothing_more_is_said_of_what_is_not_set() {
    let yaml = "admin: {address: {socket_address: {address: '${A}', port_value: '1${B}'}}}";
    let text = errors(yaml, &[]);
    assert_eq!(text.matches("error: ").count(), 2, "{text}");
}
