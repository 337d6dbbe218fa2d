//! The Lambda filter's JSON, and streams that do not call a function.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use super::json::{Returned, of_request, returned};
use crate::tests::harness::{Worker, parse_level, refusal, response};

const ARN: &str = "arn: 'arn:aws:lambda:us-west-2:9:function:f'";
const OWN: &str = "credentials: {access_key_id: a, secret_access_key: b}";

#[test]
fn a_stream_to_another_cluster_passes() {
    let worker = Worker::new(&ROOM, &format!("{{{ARN}, {OWN}}}"));
    let mut stream = worker.stream().going_to("other");
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    assert!(matches!(
        stream.decode_data(b"body", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.passed, b"body");
    assert_eq!(stream.header(":path"), "/");
    let mut head = response(&[(":status", "200")]);
    assert!(matches!(
        stream.encode_headers(&mut head, false),
        HeadersStatus::Continue
    ));
}

#[test]
fn a_request_is_told_with_its_headers_query_and_body() {
    let mut request = HeaderMap::request();
    let mut add = |name: &[u8], value: &[u8]| {
        let known = nuncio_contract::headers::Known::find(name);
        request.append_found(known, name, value);
    };
    add(b":method", b"POST");
    add(b":path", b"/a?b=1&b=2&c");
    add(b"x-a", b"1");
    add(b"x-a", b"\xff");
    let told = |body| String::from_utf8(of_request(&request, body)).expect("JSON is text");
    let parts = [
        "\"raw_path\":\"/a?b=1&b=2&c\"",
        "\"x-a\":\"1,\u{fffd}\"",
        "\"b\":\"1\"",
        "\"c\":\"\"",
    ];
    for part in parts {
        assert!(told(None).contains(part), "{part}");
    }
    assert!(
        told(None).contains("\"body\":\"\"") && told(None).contains("\"is_base64_encoded\":false")
    );
    assert!(told(Some(b"hello")).contains("\"body\":\"aGVsbG8=\""));
}

#[test]
fn what_a_function_returns_is_read_as_protobuf_reads_json() {
    let all = returned(br#"{"statusCode":"203","headers":{"a":"b"},"cookies":["c=1"],"body":"aGVsbG8=","isBase64Encoded":true,"x":[]}"#);
    let expected = Returned {
        status: 203,
        headers: vec![("a".to_owned(), "b".to_owned())],
        cookies: vec!["c=1".to_owned()],
        body: b"hello".to_vec(),
    };
    assert_eq!(all, Some(expected));
    assert_eq!(returned(b"{}"), Some(Returned::default()));
    assert_eq!(
        returned(br#"{"statusCode":null,"body":null}"#),
        Some(Returned::default())
    );
    assert_eq!(
        returned(br#"{"status_code":200.0}"#).map(|it| it.status),
        Some(200)
    );
    for bad in [
        "",
        "7",
        "[]",
        r#"{"statusCode":-1}"#,
        r#"{"statusCode":1.5}"#,
        r#"{"headers":{"a":1}}"#,
        r#"{"cookies":["a",null]}"#,
        r#"{"body":7}"#,
        r#"{"isBase64Encoded":"true"}"#,
    ] {
        assert_eq!(returned(bad.as_bytes()), None, "{bad}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(returned(deep.as_bytes()), None);
}

#[test]
fn a_name_that_is_none_is_refused_and_so_is_a_profile_that_is_nowhere() {
    let why = refusal(&ROOM, &format!("{{arn: 'arn:aws:lambda', {OWN}}}"));
    assert!(
        why.contains("aws_lambda_filter: Invalid ARN: arn:aws:lambda"),
        "{why}"
    );
    let why = parse_level(&ROOM, "{}").err().unwrap_or_default();
    assert!(why.contains("aws_lambda_filter: Invalid ARN: "), "{why}");
    let why = refusal(
        &ROOM,
        &format!("{{{ARN}, credentials_profile: there-is-no-such-profile}}"),
    );
    assert!(why.contains("not supported by Nuncio yet"), "{why}");
}
