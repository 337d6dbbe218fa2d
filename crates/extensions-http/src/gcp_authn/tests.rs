//! What is asked for and how answers are read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_contract::calls::CallAnswer;
use nuncio_contract::gcp_audience::GcpAudience;
use nuncio_contract::headers::{HeaderMap, Known};

use super::ROOM;
use super::token::Wanted;
use crate::tests::harness::refusal;

fn wanted(url: &str, scopes: Option<&[&str]>) -> Wanted {
    Wanted {
        asked: Arc::new(GcpAudience {
            url: url.into(),
            scopes: scopes.map(|scopes| scopes.iter().map(|one| (*one).into()).collect()),
            ..GcpAudience::default()
        }),
        impersonated: None,
    }
}

#[test]
fn an_audience_cannot_break_out_of_the_path() {
    let path = |url: &str| wanted(url, None).path().expect("a path");
    let start = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=";
    assert_eq!(path("http://a/?b&c"), format!("{start}http://a/?b&c"));
    assert_eq!(path("a b\r\nc\u{7f}"), format!("{start}a%20b%0D%0Ac%7F"));
    assert_eq!(wanted("", None).path(), None);
}

#[test]
fn answers_that_are_no_tokens_are_not_taken() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let read = |status: u64, body: &str, scopes: Option<&[&str]>| {
        let mut headers = HeaderMap::response();
        headers.set_integer(Known::Status, status);
        let body = body.as_bytes().to_vec();
        let answer = CallAnswer { headers, body };
        let token = wanted("u", scopes).read(&answer, now);
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
fn a_token_that_ended_with_1969_is_none_rather_than_one_without_an_end() {
    let wanted = Wanted {
        impersonated: Some(("a".into(), b"me".as_slice().into())),
        ..wanted("", None)
    };
    let read = |end: &str| {
        let mut headers = HeaderMap::response();
        headers.set_integer(Known::Status, 200);
        let body = format!(r#"{{"accessToken":"abc","expireTime":"{end}"}}"#).into_bytes();
        let token = wanted.read(&CallAnswer { headers, body }, SystemTime::UNIX_EPOCH);
        token.map(|token| token.end_seconds)
    };
    assert_eq!(read("1970-01-01T00:00:09Z"), Some(Some(9)));
    assert_eq!(read("1970-01-01T00:00:00Z"), None);
    assert_eq!(read("1969-12-31T23:59:58Z"), None);
    assert_eq!(read("0001-01-01T00:00:00Z"), None);
}

#[test]
fn tokens_that_are_not_there_are_refused() {
    for yaml in [
        "{audience: {bound_jwt: {url: u}}}",
        "{audience: {bound_access_token: {}}}",
    ] {
        let found = refusal(&ROOM, yaml);
        assert!(found.contains("not supported by Nuncio yet"), "{found}");
    }
}

#[test]
fn an_account_cannot_break_out_of_the_path() {
    let wanted = Wanted {
        impersonated: Some(("../m@a b?c".into(), b"me".as_slice().into())),
        ..wanted("", None)
    };
    let (head, body) = wanted.request().expect("it is asked for");
    let path = "/v1/projects/-/serviceAccounts/..%2Fm@a%20b%3Fc:generateAccessToken";
    assert_eq!(head.get(Known::Path), Some(path.as_bytes()));
    assert!(body.starts_with(b"{\"lifetime\":\"3600s\",\"scope\":["));
}

#[test]
fn who_asks_is_not_shown_what_others_asked_for() {
    let of = |account: &str, who: &[u8]| Wanted {
        impersonated: Some((account.into(), who.into())),
        ..wanted("", None)
    };
    assert_eq!(of("a", b"t"), of("a", b"t"));
    assert_ne!(of("a", b"t"), of("a", b"u"));
    assert_ne!(of("a", b"t"), of("b", b"t"));
}
