//! `rewrite::file` on files: what comes out, and what does not change.

use std::path::PathBuf;

use nuncio_config::rewrite;

fn file(name: &str, text: &str) -> PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rewriting");
    std::fs::create_dir_all(&folder).expect("it can be made");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

fn rewritten(name: &str, text: &str) -> rewrite::Rewritten {
    let path = file(name, text);
    rewrite::file(path.to_str().expect("UTF-8"))
        .unwrap_or_else(|refusal| panic!("{:?}", refusal.diagnostics))
}

#[test]
fn a_v3_file_comes_out_byte_for_byte() {
    let odd = "# a comment\nadmin:   {address:  {socket_address: {address: '127.0.0.1' , port_value: 0}}}\n\n\n";
    for (name, text) in [("v3.yaml", odd), ("v3.json", "{ \"admin\" :\t{} }")] {
        let rewritten = rewritten(name, text);
        assert_eq!(rewritten.text, text);
        assert!(rewritten.changes.is_empty() && !rewritten.findings.has_errors());
    }
}

#[test]
fn a_v2_file_comes_out_as_yaml_with_its_comments() {
    let yaml = "static_resources:\n  clusters:\n  # the one\n  - name: a # a name\n    hosts: [{socket_address: {address: 127.0.0.1, port_value: 1}}]\n";
    let of_yaml = rewritten("v2.yaml", yaml);
    assert!(
        of_yaml
            .text
            .contains("  # the one\n  - name: a # a name\n    load_assignment:"),
        "{}",
        of_yaml.text
    );
    assert!(!of_yaml.changes.is_empty() && !of_yaml.findings.has_errors());
    let json = r#"{"staticResources": {"clusters": [{"name": "a", "hosts": [{"socketAddress": {"address": "127.0.0.1", "portValue": 1}}]}]}}"#;
    let of_json = rewritten("v2.json", json);
    assert!(
        of_json.text.contains("load_assignment:\n"),
        "{}",
        of_json.text
    );
}

#[test]
fn what_is_still_wrong_is_found_in_the_text_that_was_given() {
    let yaml = "static_resources:\n  clusters:\n  - hosts: []\n    nam: a\n";
    let rewritten = rewritten("wrong.yaml", yaml);
    let found = rewritten
        .findings
        .iter()
        .find(|found| found.message.contains("`nam`"))
        .expect("found");
    assert_eq!(rewritten.sources.slice(found.span), "nam");
}

#[test]
fn a_serialized_message_and_a_file_that_is_not_there_are_refused() {
    let path = file("a.pb", "");
    for path in [path.to_str().expect("UTF-8"), "/nonexistent.yaml"] {
        let refusal = rewrite::file(path).unwrap_err();
        assert!(refusal.diagnostics.has_errors());
    }
}
