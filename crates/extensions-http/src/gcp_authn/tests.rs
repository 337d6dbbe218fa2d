//! What is asked for and how answers are read.

use std::time::{Duration, SystemTime};

use nuncio_contract::calls::CallAnswer;
use nuncio_contract::gcp_audience::GcpAudience;
use nuncio_contract::headers::{HeaderMap, Known};

use super::{ROOM, token};
use crate::tests::harness::refusal;

fn audience(url: &str, scopes: Option<&[&str]>) -> GcpAudience {
    GcpAudience {
        url: url.into(),
        scopes: scopes.map(|scopes| scopes.iter().map(|one| (*one).into()).collect()),
    }
}

#[test]
fn an_audience_cannot_break_out_of_the_path() {
    let path = |url: &str| token::path(&audience(url, None)).expect("a path");
    let start = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=";
    assert_eq!(path("http://a/?b&c"), format!("{start}http://a/?b&c"));
    assert_eq!(path("a b\r\nc\u{7f}"), format!("{start}a%20b%0D%0Ac%7F"));
    assert_eq!(token::path(&audience("", None)), None);
}

#[test]
fn answers_that_are_no_tokens_are_not_taken() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let read = |status: u64, body: &str, scopes: Option<&[&str]>| {
        let mut headers = HeaderMap::response();
        headers.set_integer(Known::Status, status);
        let body = body.as_bytes().to_vec();
        let answer = CallAnswer { headers, body };
        let token = token::read(&answer, &audience("u", scopes), now);
        token.map(|token| (token.text.len(), token.end_seconds))
    };
    let access = Some([].as_slice());
    let whole = r#"{"access_token":"abc","expires_in":50}"#;
    assert_eq!(read(200, whole, access), Some((3, Some(1050))));
    assert_eq!(read(201, whole, access), None);
    assert_eq!(read(200, whole, None), None);
    for wrong in [
        r#"{"access_token":"a\nb","expires_in":50}"#,
        r#"{"access_token":"abc","expires_in":"50"}"#,
        r#"{"access_token":"abc","expires_in":-1}"#,
        r#"{"access_token":"","expires_in":50}"#,
        r#"{"access_token":"abc"}"#,
    ] {
        assert_eq!(read(200, wrong, access), None, "{wrong}");
    }
    let identity = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDAwMDAwMDB9.c2ln";
    assert_eq!(read(200, identity, None), Some((50, Some(4_100_000_000))));
    assert_eq!(read(200, &" ".repeat(70_000), None), None);
}

#[test]
fn tokens_that_are_not_there_are_refused() {
    for yaml in [
        "{audience: {bound_jwt: {url: u}}}",
        "{audience: {bound_access_token: {}}}",
        "{audience: {iam_access_token: {account: a, authorization: b}}}",
    ] {
        let found = refusal(&ROOM, yaml);
        assert!(found.contains("not supported by Nuncio yet"), "{found}");
    }
}
