//! The filter step by step, as far as it needs no server, and what a server could do to it.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, SecretPlaces};
use nuncio_contract::calls::CallAnswer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::HeadersStatus;

use super::config::Settings;
use super::token::{self, NoTokens, Tokens};
use super::{ROOM, config, crypto, messages};
use crate::tests::harness::{Stream, Worker, errors, parse, refusal};

const SECRET: &[u8] = b"hmac secret";
/// In the year 2100.
const LATER: &str = "4102444800";

fn yaml(more: &str) -> String {
    format!(
        "{{config: {{token_endpoint: {{cluster: a, uri: 'http://a/t', timeout: 1s}}, \
         authorization_endpoint: 'https://auth.example/authorize', \
         redirect_uri: 'https://here.example/callback', \
         redirect_path_matcher: {{path: {{exact: /callback}}}}, \
         signout_path: {{path: {{exact: /signout}}}}, {more} \
         credentials: {{client_id: i, \
         token_secret: {{name: t, sds_config: {{path_config_source: {{path: /nowhere}}}}}}, \
         hmac_secret: {{name: h, sds_config: {{path_config_source: {{path: /nowhere}}}}}}}}}}}}"
    )
}

/// The filter, whose secrets have come.
fn ready(more: &str) -> Worker {
    let mut ctx = Ctx::default();
    let places = SecretPlaces::default();
    ctx.secret_places = places.clone();
    let config =
        parse(ROOM.message, &yaml(more), &mut ctx).and_then(|any| config::parse(&any, &mut ctx));
    let config = config.unwrap_or_else(|_| panic!("{}", errors(&ctx)));
    for wish in &ctx.secrets_wanted {
        places.fill(wish, &Arc::from(SECRET));
    }
    Worker::of(&ROOM, &*config)
}

fn settings(more: &str) -> Settings {
    let mut ctx = Ctx::default();
    let any = parse(ROOM.message, &yaml(more), &mut ctx);
    let any = any.unwrap_or_else(|_| panic!("{}", errors(&ctx)));
    let message: messages::OAuth2 = any.decode(&mut ctx).expect("it is honoured");
    let message = message.config.expect("it is there");
    Settings::compile(&message, &mut ctx).unwrap_or_else(|_| panic!("{}", errors(&ctx)))
}

/// The status of the filter's answer; 0 if the request passes.
fn status(stream: &mut Stream<'_>) -> u16 {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => reply.status,
        HeadersStatus::Continue => 0,
        _ => panic!("it waits"),
    }
}

fn signed_in(host: &str, expires_at: &str) -> String {
    let signature = crypto::sign(SECRET, format!("{host}\n{expires_at}\n\n\n").as_bytes());
    format!("OauthExpires={expires_at}; OauthHMAC={signature}")
}

#[test]
fn nobody_passes_before_the_secrets_have_come() {
    let worker = Worker::new(&ROOM, &yaml(""));
    let signature = crypto::sign(b"", format!("host\n{LATER}\n\n\n").as_bytes());
    let cookies = format!("OauthExpires={LATER}; OauthHMAC={signature}");
    assert_eq!(status(&mut worker.stream().with("cookie", &cookies)), 503);
    assert_eq!(worker.stat("oauth_failure"), 1);
}

#[test]
fn only_cookies_that_are_signed_for_the_host_and_not_over_let_a_request_pass() {
    let worker = ready("");
    let good = worker.stream().with("cookie", &signed_in("host", LATER));
    let mut good = good.with("authorization", "Bearer of nobody");
    assert_eq!(status(&mut good), 0);
    assert_eq!(good.header("authorization"), "");
    assert_eq!(good.header("cookie"), "");
    for cookies in [
        signed_in("other", LATER),
        signed_in("host", "0"),
        signed_in("host", "-1"),
        signed_in("host", LATER).replace(LATER, "4102444801"),
        format!("{}; BearerToken=mine", signed_in("host", LATER)),
        format!("OauthExpires={LATER}; OauthHMAC="),
        String::new(),
    ] {
        let mut stream = worker.stream().with("cookie", &cookies);
        assert_eq!(status(&mut stream), 302, "{cookies}");
    }
    assert_eq!(worker.stat("oauth_success"), 1);
    assert_eq!(worker.stat("oauth_unauthorized_rq"), 7);
}

#[test]
fn every_flow_has_another_name_and_verifier() {
    let worker = ready("");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let HeadersStatus::Reply(reply) = worker.stream().decode_headers(true) else {
            panic!("nobody is signed in");
        };
        let values = reply.headers.iter().map(|(_, value)| value.clone());
        let all: Vec<Vec<u8>> = values.collect();
        assert_eq!(all.len(), 5);
        assert!(!seen.contains(&all));
        seen.push(all);
    }
}

#[test]
fn a_state_counts_only_with_the_cookie_of_the_one_who_brings_it() {
    let worker = ready("");
    let nonce = "00000000000000aa";
    let token = format!("{nonce}.{}", crypto::sign(SECRET, nonce.as_bytes()));
    let state = format!(r#"{{"url":"https://host/x","csrf_token":"{token}","flow_id":"{nonce}"}}"#);
    let state = nuncio_config::base64_url::encode(state.as_bytes());
    let path = format!("/callback?code=c&state={state}");
    let details = |cookie: &str| {
        let mut stream = worker.stream().with("cookie", cookie);
        stream.request.set(Known::Path, path.as_bytes());
        match stream.decode_headers(true) {
            HeadersStatus::Reply(reply) => reply.details.into_owned(),
            _ => panic!("nobody answers for the token endpoint"),
        }
    };
    let unbelieved = "CSRF_token_validation_failed";
    assert_eq!(details("a=b"), unbelieved);
    assert_eq!(
        details(&format!("OauthNonce.{nonce}=00000000000000ab.x")),
        unbelieved
    );
    let own = format!("OauthNonce.{nonce}={token}");
    assert_eq!(
        details(&own),
        "Code_verifier_cookie_is_missing_in_the_request"
    );
    let verifier = crypto::seal(SECRET, b"verifier").expect("it can");
    let all = format!("{own}; CodeVerifier.{nonce}={verifier}");
    assert_eq!(details(&all), "Token_endpoint_cluster_not_found");
}

fn answer(body: &str) -> Option<CallAnswer> {
    let mut headers = HeaderMap::response();
    headers.set(Known::Status, b"200");
    let body = body.as_bytes().to_vec();
    Some(CallAnswer { headers, body })
}

#[test]
fn tokens_that_could_not_stand_in_a_header_are_none() {
    let settings = settings("");
    let good = token::read(
        &settings,
        answer(r#"{"access_token":"a","expires_in":"5"}"#),
    );
    let expected = Tokens {
        access: "a".to_owned(),
        id: String::new(),
        refresh: String::new(),
        expires_in: 5,
    };
    assert_eq!(good, Ok(expected));
    for body in [
        r#"{"access_token":"a\r\nset-cookie: b=c","expires_in":5}"#,
        r#"{"access_token":"a","id_token":"\u0000","expires_in":5}"#,
        r#"{"access_token":"a","refresh_token":"b\n","expires_in":5}"#,
        r#"{"access_token":"a","expires_in":1.5}"#,
        "[]",
        "",
    ] {
        let read = token::read(&settings, answer(body));
        let is_missing = matches!(
            read,
            Err(NoTokens::Missing {
                reason: "Failed to parse oauth response body",
                ..
            })
        );
        assert!(is_missing, "{body}: {read:?}");
    }
    assert!(matches!(
        token::read(&settings, None),
        Err(NoTokens::Refused(_))
    ));
}

#[test]
fn users_are_sent_back_to_allowed_domains_alone() {
    let settings = settings("allowed_redirect_domains: [a.example, '*.b.example'],");
    for host in [
        "a.example",
        "A.Example:81",
        "x.b.example",
        "x.y.b.example:1",
    ] {
        assert!(settings.allows(host.as_bytes()), "{host}");
    }
    for host in [
        "evil.example",
        "b.example",
        "xb.example",
        "a.example.evil",
        "[::1]:80",
        "",
    ] {
        assert!(!settings.allows(host.as_bytes()), "{host}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let text = refusal(
        &ROOM,
        &yaml("forward_bearer_token: true, preserve_authorization_header: true,"),
    );
    assert!(
        text.starts_with("invalid OAuth2 configuration: at most one of"),
        "{text}"
    );
    let text = refusal(&ROOM, &yaml("end_session_endpoint: 'https://a/',"));
    assert_eq!(
        text,
        "OAuth2 filter: end session endpoint is only supported for OpenID Connect."
    );
}
