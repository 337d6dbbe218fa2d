//! Expressions over a stream with little in it. What each is was told by Envoy 1.40.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::{Attributes, Expression, Options, ParseOrBuild, Refusal, print};
use crate::headers::{HeaderMap, HeaderName};
use crate::stream_info::metadata::{Struct, Value as Metadata};
use crate::stream_info::{ConnectionInfo, StreamInfo};

fn stream() -> StreamInfo {
    let connection = Rc::new(ConnectionInfo {
        id: 7,
        ..ConnectionInfo::default()
    });
    let start = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
    let mut info = StreamInfo::new(connection, start, Instant::now());
    let list = Metadata::List(vec![Metadata::Number(1.0), Metadata::String("a".into())]);
    let fields: Struct = [
        ("i", Metadata::Number(3.0)),
        ("l", list),
        ("z", Metadata::Null),
    ]
    .into_iter()
    .collect();
    info.dynamic_metadata_mut().merge("ns", fields);
    info
}

fn request() -> HeaderMap {
    let mut headers = HeaderMap::request();
    for (name, value) in [
        (":path", "/p?q=1#f"),
        (":method", "GET"),
        (":authority", "a"),
        ("x-two", "one"),
        ("x-two", "two"),
        ("x-number", "12"),
        ("x-empty", ""),
    ] {
        let name = HeaderName::parse_with_pseudo(name).expect("a name");
        headers.append(&name, value.as_bytes());
    }
    headers.append(&HeaderName::parse("x-bytes").expect("a name"), b"a\xffb");
    headers
}

fn with(text: &str, options: Options) -> String {
    let expression = match Expression::parse(text, options) {
        Ok(expression) => expression,
        Err(ParseOrBuild::Parse(words)) => return format!("parse: {words}"),
        Err(ParseOrBuild::Build(Refusal::Wrong(words))) => return words,
        Err(ParseOrBuild::Build(Refusal::NotYet(what))) => return format!("not yet: {what}"),
    };
    let (info, request) = (stream(), request());
    let attributes = Attributes {
        info: &info,
        request: Some(&request),
        response: None,
        trailers: None,
        services: None,
        lacks_response: None,
    };
    let value = expression.evaluate(&attributes);
    value.map_or("-".to_owned(), |value| {
        String::from_utf8_lossy(&print(&value)).into_owned()
    })
}

fn check(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(with(text, Options::default()), *wanted, "{text}");
    }
}

#[test]
fn attributes_are_what_is_known_of_the_stream() {
    check(&[
        ("request.path", "/p?q=1#f"),
        ("request.url_path", "/p"),
        ("request.query", "q=1"),
        ("request['method']", "GET"),
        ("request.headers['x-two']", "one,two"),
        ("request.headers['X-TWO']", "one,two"),
        ("request.headers['host']", "a"),
        ("size(request.headers['x-bytes'])", "3"),
        ("request.headers['x-empty'] == ''", "true"),
        ("request.headers['bad name']", "-"),
        ("request.headers.size()", "7"),
        (
            "'x-two' in request.headers && !('x-no' in request.headers)",
            "true",
        ),
        ("1 in request.headers", "false"),
        ("has(request.referer)", "false"),
        ("request.nothing", "-"),
        ("request", "CelMap value"),
        ("size(request)", "0"),
        ("request.time", "1970-01-01T00:00:01.5+00:00"),
        ("connection.id", "7"),
        ("connection.mtls", "false"),
        ("connection.tls_version", "-"),
        ("upstream.address", "-"),
        ("xds.route_name", "-"),
        ("response.code", "-"),
        ("nothing", "-"),
        ("upstream_filter_state", "-"),
        ("metadata.filter_metadata.ns.i == 3", "true"),
        ("metadata.filter_metadata['ns']['l'][1]", "a"),
        ("metadata.filter_metadata.ns.l == [1.0, 'a']", "true"),
        ("metadata.filter_metadata.ns.z == null", "true"),
        ("metadata['filter_metadata']", "-"),
        ("has(metadata.typed_filter_metadata)", "false"),
        ("type(metadata) == map", "false"),
        (
            "xds.virtual_host_name",
            "not yet: `xds.virtual_host_name` in an expression of CEL",
        ),
        ("xds.node", "not yet: `xds.node` in an expression of CEL"),
    ]);
}

#[test]
fn what_fails_is_passed_over_where_the_rest_decides() {
    check(&[
        ("request.nothing == 1 || true", "true"),
        ("request.nothing == 1 && false", "false"),
        ("request.nothing == 1 || false", "-"),
        ("1 && false", "false"),
        ("true && 1", "-"),
        ("false ? request.nothing : 1", "1"),
        ("request.nothing ? 1 : 2", "-"),
        ("1 ? 1 : 2", "-"),
        ("[1, request.nothing]", "-"),
        ("!1", "-"),
    ]);
}

#[test]
fn numbers_compare_by_value_and_fail_where_they_do_not_fit() {
    check(&[
        ("1 == 1.0 && 1u == 1 && 1.0 == 1u", "true"),
        ("-1 < 1u", "true"),
        ("1 == 'a'", "false"),
        ("1 < 'a'", "-"),
        ("9223372036854775807 + 1", "-"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-(-9223372036854775808)", "-"),
        ("1u - 2u", "-"),
        ("-5 / 2", "-2"),
        ("-5 % 3", "-2"),
        ("1 / 0", "-"),
        ("1.0 / 0.0", "inf"),
        ("0.0 / 0.0 == 0.0 / 0.0", "false"),
        ("1 + 1.0", "-"),
        ("5.0 % 2.0", "-"),
        ("123456789.0", "1.23457e+08"),
        ("0.1 + 0.2", "0.3"),
        ("1e-5", "1e-05"),
        ("100000.0", "100000"),
        ("1 + 2 * 3 % 4", "3"),
        ("1 - -1", "2"),
        ("--5", "5"),
        ("'a' + 'b'", "-"),
        ("[1] + [2]", "-"),
    ]);
}

#[test]
fn lists_and_maps_are_asked_by_places_and_keys() {
    check(&[
        ("[1, 2][1.0]", "2"),
        ("[1][-1]", "-"),
        ("{1: 2}[1u]", "2"),
        ("{'a': {'b': [1, {'c': 5}]}}.a.b[1].c", "5"),
        ("{1: 2, 1: 3}", "-"),
        ("{1.0: 2}", "-"),
        ("null in {'a': 1}", "-"),
        ("1.5 in {1: 2}", "false"),
        ("1.0 in [1]", "true"),
        ("'a' in 'abc'", "-"),
        ("{'a': 1, 'b': 2} == {'b': 2, 'a': 1u}", "true"),
    ]);
}

#[test]
fn texts_are_converted_searched_and_matched() {
    check(&[
        ("int(' 5')", "5"),
        ("int('0x10')", "-"),
        ("uint(-0.5)", "-"),
        ("int(9.9e18)", "-"),
        ("bool('F')", "-"),
        ("bool('t')", "true"),
        ("'aXb'.matches('(?i)x')", "true"),
        ("'a\\nb'.matches('a.b')", "false"),
        ("contains('abc', 'b')", "true"),
        ("'abc'.contains(b'b')", "-"),
        ("re.extract('hello world', '(w)o', '\\\\1x')", "wx"),
        ("re.capture('abc', 'a(b)c')", "b"),
        ("re.capture('abc', '(b)')", "-"),
        ("re.captureN('abc', '(?P<x>a)(b)c')['x']", "a"),
        (
            "'a'.matches('a{100}')",
            "failed to create an expression: regular expression exceeds max allowed size",
        ),
        ("'a'.matches('a{96}') || 'a'.matches('^a{98}$')", "false"),
        (
            "'a'.matches('.{12}') || 'a'.matches('(?:a|bc){32}')",
            "false",
        ),
        (
            "'a'.matches('.{13}')",
            "failed to create an expression: regular expression exceeds max allowed size",
        ),
        ("request.headers['x-bytes'].matches('a.b')", "false"),
        ("'a\\u00e9b'.matches('^a.b$')", "true"),
        ("'a'.matches(request.headers['x-empty'])", "true"),
        (
            "'abc'.matches('[')",
            "failed to create an expression: invalid regular expression: missing ]: [",
        ),
    ]);
}

#[test]
fn times_have_parts_in_their_zones() {
    check(&[
        ("duration('1h30m')", "1h30m"),
        ("duration('1500us')", "1.5ms"),
        ("duration('-1ms')", "-1ms"),
        ("duration('1d')", "-"),
        ("duration('1.')", "-"),
        (
            "timestamp('2020-01-01t00:00:60z')",
            "2020-01-01T00:01:00+00:00",
        ),
        ("timestamp('2020-01-01')", "-"),
        ("timestamp(10) - timestamp(4)", "6s"),
        ("timestamp('2020-05-06T07:08:09.123Z').getMonth()", "4"),
        ("timestamp('2020-05-06T07:08:09.123Z').getDayOfWeek()", "3"),
        (
            "timestamp('2020-05-06T07:08:09.123Z').getDayOfYear()",
            "126",
        ),
        (
            "timestamp('2020-05-06T07:08:09.123Z').getHours('-02:30')",
            "4",
        ),
        (
            "timestamp('2020-05-06T07:08:09.123Z').getHours('02:00')",
            "9",
        ),
        (
            "timestamp('2020-05-06T07:08:09.123Z').getHours('Nowhere')",
            "-",
        ),
        ("duration('3661.5s').getMinutes()", "61"),
        ("duration('3661.5s').getFullYear()", "-"),
    ]);
}

#[test]
fn what_is_no_expression_is_told_in_the_words_of_envoys_parser() {
    let operands = super::parser::OPERANDS;
    for (text, wanted) in [
        (
            "a b",
            "parse: ERROR: <input>:1:3: Syntax error: extraneous input 'b' expecting <EOF> | a b | ..^",
        ),
        (
            "as",
            "parse: ERROR: <input>:1:1: reserved identifier: as | as | ^",
        ),
        (
            "has(a)",
            "parse: ERROR: <input>:1:5: has() argument must be a field selection | has(a) | ....^",
        ),
        (
            "a..b",
            "parse: ERROR: <input>:1:3: Syntax error: no viable alternative at input '..' | a..b | ..^",
        ),
        (
            "{a:1",
            "parse: ERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'}', ','} | {a:1 | ....^",
        ),
        (
            "foo(1)",
            "failed to create an expression: No overload found in reference resolve step for foo",
        ),
        (
            "[1].exists(x, x == 1)",
            "failed to create an expression: Comprehension support is disabled",
        ),
        (
            "string(1)",
            "failed to create an expression: No overload found in reference resolve step for string",
        ),
    ] {
        assert_eq!(with(text, Options::default()), wanted, "{text}");
    }
    let unfinished = format!(
        "parse: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {operands} | 1 + | ...^"
    );
    assert_eq!(with("1 +", Options::default()), unfinished);
}

#[test]
fn depth_is_limited_and_chains_of_logic_are_not_deep() {
    let too_deep = "parse: Exceeded max recursion depth of 100 when parsing.";
    for text in [
        "(".repeat(5_000),
        format!("{}1{}", "[".repeat(101), "]".repeat(101)),
        format!("1{}", " + 1".repeat(101)),
        format!("a{}", ".b".repeat(101)),
        format!("{}1", "true ? 1 : ".repeat(101)),
    ] {
        assert_eq!(with(&text, Options::default()), too_deep, "{text}");
    }
    let long = format!("false{}", " || false".repeat(5_000));
    assert_eq!(with(&long, Options::default()), "false");
    let folded = format!(
        "{}a{}",
        "(".repeat(80),
        "*1*1*1*1*1*1*1*1*1*1*1*1*1)".repeat(80)
    );
    let too_many = "parse: More than 1000 operators and members.";
    assert_eq!(with(&folded, Options::default()), too_many);
    let too_long = "1".repeat(100_001);
    assert!(with(&too_long, Options::default()).starts_with("parse: expression size"));
}

#[test]
fn no_expression_costs_more_than_its_length_to_compile() {
    let keys = format!("a{}", "[\"x\"]".repeat(90));
    // It would not end in our time if each level were planned twice.
    assert_ne!(with(&keys, Options::default()), "");
    let unreadable = with(&"@".repeat(50_000), Options::default());
    assert!(unreadable.len() < 3_000_000);
}

#[test]
fn texts_are_made_where_that_is_allowed() {
    let options = Options {
        string_conversion: true,
        string_concat: true,
        string_functions: true,
    };
    for (text, wanted) in [
        ("string(123456789.0)", "1.23456789e+08"),
        ("string(12345.678)", "12345.678"),
        ("string(0.1 + 0.2)", "0.30000000000000004"),
        ("string(duration('1.5s'))", "1.500s"),
        ("string(b'a\\xff')", "-"),
        ("request.method + request.url_path", "GET/p"),
        ("[1] + [2]", "-"),
        ("'abca'.replace('a', 'x', 1)", "xbca"),
        ("'abca'.replace('', 'x')", "xaxbxcxax"),
        ("'a,b,c'.split(',', 2)[1]", "b,c"),
        ("'a,b,c'.split(',', 0).size()", "0"),
        ("'\u{e9}a'.split('')[0]", "\u{e9}"),
        ("''.split('').size()", "1"),
        ("'Ab\u{c9}'.lowerAscii()", "ab\u{c9}"),
        (
            "'abc'.charAt(1)",
            "not yet: `charAt` in an expression of CEL",
        ),
    ] {
        assert_eq!(with(text, options), wanted, "{text}");
    }
}
