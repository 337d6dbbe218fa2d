//! What is written reads as what was read.

use super::to_yaml;
use crate::diagnostic::Diagnostics;
use crate::source::{Format, Source};
use crate::text::{Kind, Limits, parse};

fn rewritten(text: &str) -> String {
    let source = Source::new("a.yaml", Format::Yaml, text);
    let mut diagnostics = Diagnostics::default();
    let root = parse(&source, 0, &Limits::default(), &mut diagnostics).expect("parses");
    to_yaml(&root, &source)
}

#[test]
fn a_tidy_text_stays_as_it_is() {
    let text = "\
# first
admin:
  # above
  access_log_path: /dev/null # beside
  address:
    socket_address: { address: 127.0.0.1, port_value: 9901 }
list:
- name: a
  \"@type\": type.googleapis.com/x.Y
  quoted: \"%REQ(:PATH)%\"
# of the second
- name: 'b: c' # beside an item
  code: |
    # no comment
    function()
      return \"x\"
    end
- plain
- []
# last
";
    assert_eq!(rewritten(text), text);
}

#[test]
fn texts_that_would_be_read_as_something_else_are_quoted() {
    assert_eq!(
        rewritten("a: \"\\x79es\"\n\"on\": '12'\nb: \"a\\tb\"\n"),
        "a: \"\\x79es\"\n\"on\": '12'\nb: \"a\\tb\"\n"
    );
    let json = Source::new(
        "a.json",
        Format::Json,
        r#"{"a": "yes", "on": "12", "b": "a\tb", "c": "say \"x\""}"#,
    );
    let root = parse(&json, 0, &Limits::default(), &mut Diagnostics::default()).expect("parses");
    assert_eq!(
        to_yaml(&root, &json),
        "a: \"yes\"\n\"on\": \"12\"\nb: \"a\\tb\"\nc: 'say \"x\"'\n"
    );
}

#[test]
fn a_quoted_text_that_was_changed_is_written_anew() {
    let source = Source::new(
        "a.yaml",
        Format::Yaml,
        "a: \"old\"\nb: 'old'\nc: \"ol\\x64\"\n",
    );
    let mut root =
        parse(&source, 0, &Limits::default(), &mut Diagnostics::default()).expect("parses");
    for entry in root.entries_mut().expect("a map") {
        entry.value.kind = Kind::Str("new".into());
    }
    assert_eq!(to_yaml(&root, &source), "a: new\nb: new\nc: new\n");
}

#[test]
fn long_flow_becomes_block() {
    let item = "some_long_name: some_long_value";
    let text = format!("a: {{ {} }}\n", [item].join(", "));
    assert_eq!(rewritten(&text), text);
    let text = format!("a: [{}]\n", ["some_long_value"; 9].join(", "));
    assert_eq!(rewritten(&text).lines().count(), 10);
}
