//! JSON lines, pinned from Envoy 1.40.

use super::{fields, headers, stream, string};
use crate::formatter::Format;
use crate::headers::MapKind;
use crate::stream_info::Address;
use crate::stream_info::metadata::{Struct, Value};

fn line(format: Struct, omit_empty: bool) -> String {
    let mut stream = stream();
    stream.request = headers(
        MapKind::Request,
        &[
            ("user-agent", "u\"a\\b/é".as_bytes()),
            ("x-bad", b"\xff\xfe\"z"),
        ],
    );
    stream.show(&Format::compile_json(&format, omit_empty).expect("a good format"))
}

#[test]
fn keys_are_sorted_types_kept_and_texts_escaped_as_on_the_oracle() {
    let list = vec![
        string("x"),
        Value::Number(2.0),
        string("%REQ(none)%"),
        Value::Struct(fields([("q", string("%RESPONSE_CODE%"))])),
    ];
    let format = fields([
        ("z", string("%PROTOCOL%")),
        ("b", string("%BYTES_SENT%")),
        (
            "mix",
            string("a-%BYTES_SENT%-%ROUTE_NAME%-%UPSTREAM_PROTOCOL%-%REQ(none)%"),
        ),
        ("a", Value::Null),
        ("n", Value::Number(1_000_000.0)),
        ("f", Value::Number(1.5)),
        ("big", Value::Number(123_456_789_012_345_680_000.0)),
        ("neg", Value::Number(-0.0)),
        ("t", Value::Bool(true)),
        ("l", Value::List(list)),
        ("o", Value::Struct(Struct::default())),
        ("ua", string("%REQ(user-agent)%")),
        ("md", string("%CLUSTER_METADATA(ns:o)%")),
        ("mdn", string("%CLUSTER_METADATA(ns:big)%")),
        ("mdm", string("%CLUSTER_METADATA(ns:zz)%")),
        (
            "mdi",
            string("x%CLUSTER_METADATA(ns:n)%%CLUSTER_METADATA(ns:o)%"),
        ),
        ("port", string("%UPSTREAM_REMOTE_PORT%")),
        ("dur", string("%COMMON_DURATION(US_TX_BEG:DS_RX_BEG:ns)%")),
        ("e\"kéy", string("pct%%")),
        ("lit", string("q\"\\ /é\u{7f}\u{1}\n\t<")),
        ("0", string("%REQ(x-bad)%")),
        (
            "c",
            string("%COALESCE({\"operators\":[\"BYTES_SENT\",\"PROTOCOL\"]})%"),
        ),
        ("grp", string("%GRPC_STATUS%")),
        ("tm", string("%START_TIME(%Y)%")),
        ("fl", string("%RESPONSE_FLAGS%")),
        ("env", string("%ENVIRONMENT(NUNCIO_NO_SUCH_VARIABLE)%")),
    ]);
    let expected = concat!(
        "{\"0\":\"\\u00ff\\u00fe\\u0022z\",\"a\":null,\"b\":5,\"big\":123456789012345683968,\"c\":5,\"dur\":null,",
        "\"e\\\"kéy\":\"pct%\",\"env\":\"-\",\"f\":1.5,\"fl\":\"-\",\"grp\":null,",
        "\"l\":[\"x\",2,null,{\"q\":200}],\"lit\":\"q\\\"\\\\ /é\u{7f}\\u0001\\n\\t<\",",
        "\"md\":{\"a\":\"q\\\"é\",\"b\":[1,\"x\",null,true]},",
        "\"mdi\":\"x3.5{\\\"a\\\":\\\"q\\\\\\\"é\\\",\\\"b\\\":[1,\\\"x\\\",null,true]}\",",
        "\"mdm\":null,\"mdn\":1e+06,\"mix\":\"a-5-my route-HTTP/1.1--\",\"n\":1e+06,\"neg\":-0,\"o\":{},",
        "\"port\":21101,\"t\":true,\"tm\":\"2026\",\"ua\":\"u\\\"a\\\\b/é\",\"z\":\"HTTP/1.1\"}\n",
    );
    assert_eq!(line(format, false), expected);
}

#[test]
fn with_omission_missing_values_go_with_their_keys_and_lists_stay() {
    let none = || string("%REQ(none)%");
    let format = fields([
        ("z", string("%PROTOCOL%")),
        ("mix", string("a-%UPSTREAM_PROTOCOL%-%REQ(none)%")),
        ("a", Value::Null),
        (
            "l",
            Value::List(vec![
                string("x"),
                Value::Number(2.0),
                none(),
                Value::Struct(fields([("q", none())])),
            ]),
        ),
        ("l2", Value::List(vec![none()])),
        ("o", Value::Struct(Struct::default())),
        (
            "o2",
            Value::Struct(fields([("x", Value::Struct(fields([("y", none())])))])),
        ),
        ("mix2", string("%REQ(none)%%REQ(none)%")),
        ("lit", string("%%")),
        ("emp", string("")),
    ]);
    assert_eq!(
        line(format, true),
        "{\"emp\":\"\",\"l\":[\"x\",2],\"l2\":[],\"lit\":\"%\",\"mix\":\"a-HTTP/1.1-\",\"mix2\":\"\",\"z\":\"HTTP/1.1\"}\n"
    );
    assert_eq!(line(fields([("a", none())]), true), "{}\n");
}

#[test]
fn a_pipe_has_a_null_port_in_json() {
    let mut stream = stream();
    stream.info.upstream.remote_address = Some(Address::Pipe("/run/a.sock".into()));
    let format = fields([("p", string("%UPSTREAM_REMOTE_PORT%"))]);
    let format = Format::compile_json(&format, false).expect("a good format");
    assert_eq!(stream.show(&format), "{\"p\":null}\n");
}

#[test]
fn a_limit_cuts_strings_of_metadata_and_leaves_all_else_whole() {
    let format = fields([
        ("a", string("%METADATA(CLUSTER:ns:k):4%")),
        ("b", string("%METADATA(CLUSTER:ns:n):2%")),
        ("c", string("%METADATA(CLUSTER:ns:n):3%")),
        ("d", string("%METADATA(CLUSTER:ns:o):3%")),
    ]);
    assert_eq!(
        line(format, false),
        "{\"a\":\"clus\",\"b\":3.5,\"c\":3.5,\"d\":{\"a\":\"q\\\"é\",\"b\":[1,\"x\",null,true]}}\n"
    );
}
