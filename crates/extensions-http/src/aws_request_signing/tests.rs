//! Signatures as Envoy 1.40 makes them of the same requests, and what becomes of a stream.

use std::time::{Duration, SystemTime};

use nuncio_config::span::Span;
use nuncio_config::typed::Ctx;
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use super::config::{AwsRequestSigning, Settings};
use crate::aws::credentials::Credentials;
use crate::aws::signer::Payload;
use crate::tests::harness::{Worker, errors, parse, refusal, values};

const OWN: &str =
    "credential_provider: {inline_credential: {access_key_id: AKID, secret_access_key: secret}}";
const WITH_TOKEN: &str = "credential_provider: {inline_credential: {access_key_id: AKID, \
    secret_access_key: secret, session_token: 'to+ken/=='}}";
const TARGET: &str = "/a//b/./c/../d%20e/~x*'(z)/?b=2&a=1&a=0&c&d=%41+x%2F&=e&f=g=h";

/// 2026-11-26T23:40:20Z.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_736_420)
}

fn settings(yaml: &str) -> Settings {
    let mut ctx = Ctx::default();
    let any = parse(ROOM.message, yaml, &mut ctx);
    let any = any.unwrap_or_else(|_| panic!("{}", errors(&ctx)));
    let message: AwsRequestSigning = any.decode(&mut ctx).expect("it is honoured");
    let settings = Settings::compile(&message, "", &mut ctx);
    settings.unwrap_or_else(|_| panic!("{}", errors(&ctx)))
}

fn signed(yaml: &str, headers: &[(&str, &str)], payload: &Payload<'_>) -> HeaderMap {
    let mut request = HeaderMap::request();
    for (name, value) in headers {
        let name = HeaderName::parse_with_pseudo(name).expect("a name");
        request.append(&name, value.as_bytes());
    }
    settings(yaml).signer.sign(&mut request, payload, then());
    request
}

fn signature(request: &HeaderMap) -> String {
    let value = values(request, "authorization");
    let (_, signature) = value.split_once("Signature=").unwrap_or(("", "none"));
    signature.to_owned()
}

#[test]
fn requests_are_signed_as_by_envoy() {
    let request = [
        (":method", "GET"),
        (":path", TARGET),
        (":authority", "a.example"),
        ("x-a", "a   b"),
        ("x-e", "e"),
        ("content-type", "t"),
        ("x-a2", ""),
        ("x-forwarded-proto", "http"),
    ];
    let of = |yaml: &str, payload| signature(&signed(yaml, &request, &payload));
    assert_eq!(
        of(
            &format!("{{service_name: execute-api, region: us-east-1, {OWN}}}"),
            Payload::Nothing
        ),
        "a739882ece1e13ba4982b547bbeaab6ed3b935dd8ea61922586daaa53ac81fc0"
    );
    assert_eq!(
        of(
            &format!("{{service_name: s3, region: us-east-1, {OWN}}}"),
            Payload::Unsigned
        ),
        "bc7f3b8357897ccacf2c595e6dbafbe86d42d9d193b008ccb4bf064b83e419a2"
    );
    let included = "match_included_headers: [{exact: x-a}]";
    assert_eq!(
        of(
            &format!("{{service_name: svc, region: r, {included}, {OWN}}}"),
            Payload::Nothing
        ),
        "b1ef049fea4977bba2fbe127aa2f673fdd45d34710124c67ced88b17d4866912"
    );
    let mut elsewhere = request;
    elsewhere[2] = (":authority", "other.example:443");
    let excluded = "match_excluded_headers: [{prefix: x-e}]";
    let yaml =
        format!("{{service_name: vpc-lattice-svcs, region: eu-west-1, {excluded}, {WITH_TOKEN}}}");
    let request = signed(&yaml, &elsewhere, &Payload::Nothing);
    assert_eq!(
        signature(&request),
        "23c22a6b8c9d5a5d22db57ba92fb47b57e4982d95feaf1f3a8cc63090bc2125a"
    );
    assert_eq!(values(&request, "x-amz-security-token"), "to+ken/==");
    assert_eq!(values(&request, "x-amz-date"), "20261126T234020Z");
}

#[test]
fn a_query_is_signed_as_by_envoy() {
    let request = [
        (":method", "GET"),
        (":path", TARGET),
        (":authority", "a.example"),
        ("x-a", "a   b"),
        ("x-e", "e"),
        ("content-type", "t"),
    ];
    let yaml = format!(
        "{{service_name: svc, region: r, query_string: {{expiration_time: 77s}}, {WITH_TOKEN}}}"
    );
    let request = signed(&yaml, &request, &Payload::Nothing);
    assert_eq!(
        values(&request, ":path"),
        "/a//b/./c/../d%20e/~x*'(z)/?=e&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
         X-Amz-Credential=AKID%2F20261126%2Fr%2Fsvc%2Faws4_request&X-Amz-Date=20261126T234020Z&\
         X-Amz-Expires=77&X-Amz-Security-Token=to%2Bken%2F%3D%3D&\
         X-Amz-Signature=435f484ebdaaebaa19557ad12f5b16d0c82aab50614dc11972451f20debb66b8&\
         X-Amz-SignedHeaders=content-type%3Bhost%3Bx-a%3Bx-amz-content-sha256%3Bx-e&\
         a=1&a=0&b=2&c=&d=%41+x%2F&f=g=h"
    );
    assert_eq!(values(&request, "authorization"), "");
}

#[test]
fn odd_targets_and_hosts_are_signed_as_by_envoy() {
    let yaml = format!("{{service_name: execute-api, region: us-east-1, {OWN}}}");
    for (target, host, expected) in [
        (
            "/?",
            "a.example",
            "c94c45b59f8d887b6cbcdd6cbdc822e76b758dab16369ec85d2cb00bfe99fef6",
        ),
        (
            "/%zz?x=%zz",
            "a.example",
            "5cf89a38fed26fc6f0c0c0ed49b0d9f9401aa66b39c4ad47afde6b03f845a97c",
        ),
        (
            "/../..//",
            "a.example",
            "c94c45b59f8d887b6cbcdd6cbdc822e76b758dab16369ec85d2cb00bfe99fef6",
        ),
        (
            "//a/",
            "a.example",
            "22571cf35f4001eb20d63f078c7a597406fdd457e27ae62600b629f34c245600",
        ),
        (
            "/a/../../b/.",
            "a.example",
            "848e3d747a54c105b78545769c4c8ba8a71ce834761616ad8535cc5146fac62d",
        ),
        (
            "/",
            "[::1]:443",
            "3979261fdf8980ed0e6aeea53bb3e839f869979913bce5a8d0e011d5e20c6e19",
        ),
        (
            "/",
            "h:8080",
            "419ced4292d4bcf15dc775f5bf47af2e2128767eb66b86bf12faa1c1d14a593c",
        ),
    ] {
        let request = [(":method", "GET"), (":path", target), (":authority", host)];
        let request = signed(&yaml, &request, &Payload::Nothing);
        assert_eq!(signature(&request), expected, "{host}{target}");
    }
    let request = [
        (":method", "POST"),
        (":path", "/"),
        (":authority", "a.example"),
        ("content-length", "5"),
        // What a client says of a signature is nothing.
        ("authorization", "mine"),
        ("x-amz-security-token", "mine"),
        ("x-amz-date", "mine"),
        ("x-amz-content-sha256", "mine"),
    ];
    let request = signed(&yaml, &request, &Payload::Body(b"hel", b"lo"));
    assert_eq!(
        signature(&request),
        "fafba443193667f1320ecbeaff1655dac703e818504a9a1f32e694e781f1e4cb"
    );
}

#[test]
fn a_body_is_held_back_and_signed_whole() {
    let worker = Worker::new(&ROOM, &format!("{{service_name: s, region: r, {OWN}}}"));
    let mut stream = worker.stream();
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert_eq!(stream.header("authorization"), "");
    assert!(matches!(
        stream.decode_data(b"hel", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"lo", true),
        DataStatus::Continue
    ));
    assert_eq!(
        stream.header("x-amz-content-sha256"),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert_eq!(stream.passed, b"hello");
    assert_eq!(worker.stat("aws_request_signing.signing_added"), 1);
    assert_eq!(worker.stat("aws_request_signing.payload_signing_added"), 1);
}

#[test]
fn a_file_holds_credentials_by_profile() {
    let text = "# who\n[default]\naws_access_key_id=A\naws_secret_access_key=s\n\
                [p]\naws_access_key_id = P\naws_secret_access_key= ps \naws_session_token=pt\n[half]\naws_access_key_id=H\n";
    let of = |profile| {
        let found = Credentials::of_profile(text, profile)?;
        let token = found.session_token.unwrap_or_default();
        Some(format!(
            "{}/{}/{token}",
            found.access_key_id, found.secret_access_key
        ))
    };
    assert_eq!(of("default").as_deref(), Some("A/s/"));
    assert_eq!(of("p").as_deref(), Some("P/ps/pt"));
    assert_eq!(of("half"), None);
    assert_eq!(of("nobody"), None);
}

#[test]
fn what_cannot_be_is_refused() {
    for (yaml, text) in [
        (
            format!("{{service_name: s, region: 'r,*', {OWN}}}"),
            "SigV4 region string cannot contain wildcards or commas.",
        ),
        (
            "{service_name: s, region: r, credential_provider: {custom_credential_provider_chain: true}}".to_owned(),
            "Custom credential provider chain must have at least one credential provider",
        ),
        (
            "{service_name: s, region: r, credential_provider: {iam_roles_anywhere_credential_provider: {role_arn: a, \
             certificate: {inline_string: c}, private_key: {inline_string: k}, trust_anchor_arn: t, profile_arn: p}}}"
                .to_owned(),
            "not supported by Nuncio yet",
        ),
    ] {
        let found = refusal(&ROOM, &yaml);
        assert!(found.contains(text), "{found}");
    }
}

#[test]
fn a_chain_of_nothing_is_refused_whatever_other_filters_lack() {
    const EMPTY: &str = "Custom credential provider chain must have at least one";
    let found = |credentials: &str| {
        let mut ctx = Ctx::new(true);
        let what = "field `a` of `envoy.extensions.common.aws.v3.AwsCredentialProvider`";
        ctx.unsupported(Span::new(9, 0, 1), what);
        let yaml = format!("{{service_name: s, region: r, credential_provider: {credentials}}}");
        let any = parse(ROOM.message, &yaml, &mut ctx).expect("it is read");
        let message: AwsRequestSigning = any.decode(&mut ctx).expect("it is decoded");
        let _refused = Settings::compile(&message, "", &mut ctx);
        errors(&ctx)
    };
    assert!(found("{custom_credential_provider_chain: true}").contains(EMPTY));
    let lacking = "{custom_credential_provider_chain: true, iam_roles_anywhere_credential_provider: {role_arn: a, \
                   certificate: {inline_string: c}, private_key: {inline_string: k}, trust_anchor_arn: t, profile_arn: p}}";
    assert!(!found(lacking).contains(EMPTY));
}
