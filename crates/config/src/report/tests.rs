//! What a user sees.

use crate::diagnostic::Diagnostics;
use crate::interpret::interpret;
use crate::report::{Style, render};
use crate::source::{Format, Source, Sources};
use crate::text::{self, Limits};

fn report(yaml: &str, style: Style) -> String {
    let mut sources = Sources::default();
    let source = Source::new("envoy.yaml", Format::Yaml, yaml);
    let index = sources.add(source.clone());
    let mut diagnostics = Diagnostics::default();
    if let Some(node) = text::parse(&source, index, &Limits::default(), &mut diagnostics) {
        let bootstrap = nuncio_api::message("envoy.config.bootstrap.v3.Bootstrap").unwrap();
        interpret(bootstrap, &node, &mut diagnostics);
    }
    render(&diagnostics, &sources, style)
}

#[test]
fn an_unknown_field_is_shown_with_its_line_path_and_the_field_that_was_meant() {
    let yaml =
        "static_resources:\n  clusters:\n  - name: a\n    load_assignment:\n      endpointz: []\n";
    let expected = "\
error: there is no field `endpointz` in `envoy.config.endpoint.v3.ClusterLoadAssignment`
 --> envoy.yaml:5:7 (static_resources.clusters[0].load_assignment.endpointz)
  |
5 |       endpointz: []
  |       ^^^^^^^^^
  = help: did you mean `endpoints`?
  = envoy: Protobuf message (type envoy.config.bootstrap.v3.Bootstrap reason INVALID_ARGUMENT: invalid JSON in envoy.config.bootstrap.v3.Bootstrap @ static_resources.clusters[0].load_assignment: message envoy.config.endpoint.v3.ClusterLoadAssignment: no such field: 'endpointz') has unknown fields
";
    assert_eq!(report(yaml, Style::Plain), expected);
}

#[test]
fn machines_get_one_object_a_line() {
    let lines = report("node: {id: 1}\nfoo: 2\n", Style::Json);
    let expected = r#"{"severity":"error","file":"envoy.yaml","line":1,"column":12,"end_line":1,"end_column":13,"path":"node.id","message":"expected a string for `id`, found the number 1","note":null,"suggestion":"put it in quotes","envoy":"Unable to parse JSON as proto (INVALID_ARGUMENT: invalid JSON in envoy.config.bootstrap.v3.Bootstrap @ node.id: string: unexpected character: '1'; expected '\"')"}"#;
    assert_eq!(lines.lines().next(), Some(expected));
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn colours_come_only_when_asked_for() {
    assert!(report("foo: 2\n", Style::Coloured).contains("\x1b["));
    assert!(!report("foo: 2\n", Style::Plain).contains("\x1b["));
}

#[test]
fn a_long_line_is_cut_around_the_column() {
    let yaml = format!("{{node: {{id: {}, ids: 1}}}}", "x".repeat(1000));
    let shown = report(&yaml, Style::Plain);
    assert!(
        shown
            .lines()
            .any(|line| line.contains("ids: 1") && line.len() < 200)
    );
}

#[test]
fn control_characters_of_a_config_never_reach_the_terminal() {
    assert!(!report("{node: {id: \"\\e\", \"a\u{1b}[2Jb\": 1}}", Style::Plain).contains('\u{1b}'));
}
