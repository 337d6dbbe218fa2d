//! From a config's text to lines in a file.

use crate::sink::tests::Directory;
use crate::tests::{Config, first_line, refusal};

#[test]
fn without_a_format_the_default_line_is_written() {
    let directory = Directory::new();
    let path = directory.path("a.log");
    Config::new(&file(&path, "")).log();
    assert!(first_line(&path).ends_with("\"- - -\" 0 - 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\""));
}

#[test]
fn every_way_to_give_a_format_is_taken() {
    let directory = Directory::new();
    for (name, format, expected) in [
        ("old", "format: '%RESPONSE_CODE%|%REQ(a)%\n'", "0|-"),
        ("empty", "format: ''", ""),
        (
            "json",
            "json_format: {b: '%BYTES_SENT%', a: '%REQ(a)%'}",
            "{\"a\":null,\"b\":0}",
        ),
        (
            "typed",
            "typed_json_format: {b: '%BYTES_SENT%'}",
            "{\"b\":0}",
        ),
        ("text", "log_format: {text_format: '%BYTES_SENT%!'}", "0!"),
        (
            "inline",
            "log_format: {text_format_source: {inline_string: '%BYTES_SENT%'}}",
            "0",
        ),
        (
            "bytes",
            "log_format: {text_format_source: {inline_bytes: eCVQUk9UT0NPTCUK}}",
            "x-",
        ),
        (
            "omit",
            "log_format: {text_format: '[%REQ(a)%]', omit_empty_values: true}",
            "[]",
        ),
        (
            "extension",
            "log_format: {text_format: '%REQ_WITHOUT_QUERY%', formatters: [{name: a, typed_config: \
             {'@type': type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery}}]}",
            "-",
        ),
    ] {
        let path = directory.path(name);
        Config::new(&file(&path, format)).log();
        let line = first_line(&path);
        if name == "empty" {
            assert!(line.ends_with("\"-\""), "{line}");
        } else {
            assert_eq!(line, expected, "{name}");
        }
    }
}

#[test]
fn bad_configs_are_refused_with_envoys_words() {
    let directory = Directory::new();
    let path = directory.path("a.log");
    for (format, text) in [
        (
            "log_format: {text_format: '%NOPE%'}",
            "Not supported field in StreamInfo: NOPE",
        ),
        (
            "log_format: {json_format: {a: '%REQ()%'}}",
            "REQ requires parameters",
        ),
        (
            "log_format: {text_format_source: {filename: /no/such/file}}",
            "Invalid path: /no/such/file",
        ),
        (
            "log_format: {text_format_source: {environment_variable: NUNCIO_NO_SUCH_VARIABLE}}",
            "Environment variable doesn't exist: NUNCIO_NO_SUCH_VARIABLE",
        ),
        (
            "log_format: {text_format: x, formatters: [{name: a, typed_config: \
             {'@type': type.googleapis.com/envoy.extensions.formatter.dynamic_modules.v3.DynamicModuleFormatter}}]}",
            "formatter `envoy.extensions.formatter.dynamic_modules.v3.DynamicModuleFormatter` is not supported by Nuncio yet",
        ),
        (
            "log_format: {text_format: x, formatters: [{name: a.b, typed_config: \
             {'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: x}}]}",
            "Formatter not found: a.b",
        ),
    ] {
        assert_eq!(refusal(&file(&path, format)), text);
    }
    assert_eq!(
        refusal(&file("/no/such/directory/a.log", "")),
        "unable to open file '/no/such/directory/a.log': No such file or directory"
    );
}

fn file(path: &str, format: &str) -> String {
    format!(
        "name: a\ntyped_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n  \
         path: {path}\n  {}\n",
        format.replace('\n', "\\n").replace(
            "'%RESPONSE_CODE%|%REQ(a)%\\n'",
            "\"%RESPONSE_CODE%|%REQ(a)%\\n\""
        )
    )
}
