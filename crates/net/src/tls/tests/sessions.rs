//! Sessions that are resumed, and those that are not.

use rustls::SupportedProtocolVersion;

use super::server::{Authority, client, meet, showing};
use crate::tls::{ServerTls, TlsCounter};

const KEYS: &str = "session_ticket_keys: {keys: [{inline_string: \
    '01234567890123456789012345678901234567890123456789012345678901234567890123456789'}]},";

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// Whether a client that met `first` resumes its session with `second`.
async fn resumes(
    first: &ServerTls,
    second: &ServerTls,
    version: &'static SupportedProtocolVersion,
) -> bool {
    let client = client(None, &[version]);
    let (handshake, _) = meet(first, &client, "a").await;
    assert!(handshake.result.is_ok());
    let (handshake, _) = meet(second, &client, "a").await;
    assert!(handshake.result.is_ok());
    handshake.counters.contains(&TlsCounter::SessionReused)
}

#[tokio::test]
async fn a_session_is_resumed_by_the_context_that_began_it_and_by_no_other() {
    let signed = Authority::new("a").signs(&["a"]);
    let (one, other) = (showing(&[&signed], "", ""), showing(&[&signed], "", ""));
    for version in VERSIONS {
        assert!(resumes(&one, &one, version).await);
        assert!(!resumes(&one, &other, version).await);
    }
}

#[tokio::test]
async fn contexts_with_the_same_keys_share_sessions_if_they_demand_the_same() {
    let authority = Authority::new("a");
    let signed = authority.signs(&["a"]);
    let stateless = format!("{KEYS} disable_stateful_session_resumption: true,");
    let one = showing(&[&signed], &stateless, "");
    let same = showing(&[&authority.signs(&["a"])], &stateless, "");
    let verifying = format!(
        "validation_context: {{trusted_ca: {{inline_string: {:?}}}}},",
        authority.pem()
    );
    let stricter = showing(&[&signed], &stateless, &verifying);
    for version in VERSIONS {
        assert!(resumes(&one, &same, version).await);
        assert!(!resumes(&one, &stricter, version).await);
    }
}

#[tokio::test]
async fn each_way_to_resume_can_be_switched_off() {
    let signed = Authority::new("a").signs(&["a"]);
    let without_tickets = showing(
        &[&signed],
        "disable_stateless_session_resumption: true,",
        "",
    );
    assert!(resumes(&without_tickets, &without_tickets, VERSIONS[0]).await);
    assert!(!resumes(&without_tickets, &without_tickets, VERSIONS[1]).await);
    let without_any = showing(
        &[&signed],
        "disable_stateless_session_resumption: true, disable_stateful_session_resumption: true,",
        "",
    );
    for version in VERSIONS {
        assert!(!resumes(&without_any, &without_any, version).await);
    }
}

#[tokio::test]
async fn renewed_certificates_end_sessions_whose_keys_nobody_gave() {
    let signed = Authority::new("a").signs(&["a"]);
    let renewed = showing(&[&signed], "", "");
    let client = client(None, &[VERSIONS[1]]);
    let (_, _) = meet(&renewed, &client, "a").await;
    renewed.renew_from(&showing(&[&signed], "", ""));
    let (handshake, _) = meet(&renewed, &client, "a").await;
    assert!(!handshake.counters.contains(&TlsCounter::SessionReused));
}
