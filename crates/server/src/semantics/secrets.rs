//! Secrets: static ones once each, and certificates that are text at all.

use std::collections::HashSet;

use nuncio_config::span::Span;
use nuncio_config::tree::{Message, Value};

use super::Checker;
use super::look::Look;

const KINDS: [(&str, &str); 4] = [
    ("tls_certificate", "TlsCertificate"),
    ("validation_context", "CertificateValidationContext"),
    ("session_ticket_keys", "TlsSessionTicketKeys"),
    ("generic_secret", "GenericSecret"),
];

/// The names of all static secrets.
pub(super) fn names(bootstrap: &Message) -> HashSet<Box<str>> {
    let resources = bootstrap.child("static_resources");
    let secrets = resources
        .into_iter()
        .flat_map(|resources| resources.children("secrets"));
    secrets
        .filter_map(|secret| Some(secret.text("name")?.0.into()))
        .collect()
}

/// No name twice among the static secrets of a kind.
pub(super) fn unique(bootstrap: &Message, checker: &mut Checker<'_>) {
    let Some(resources) = bootstrap.child("static_resources") else {
        return;
    };
    let mut seen = HashSet::new();
    for secret in resources.children("secrets") {
        let kind = KINDS.into_iter().find(|(field, _)| secret.has(field));
        if let (Some((name, span)), Some((_, kind))) = (secret.text("name"), kind)
            && !seen.insert((kind, name))
        {
            checker.error(span, format!("Duplicate static {kind} secret name {name}"));
        }
    }
}

/// Someone who uses a static secret.
pub(super) fn refer(config: &Message, checker: &mut Checker<'_>) {
    if let Some((name, span)) = config.text("name")
        && !config.has("sds_config")
    {
        let there = checker.static_secrets.contains(name);
        checker.secrets_in_use.insert(name.into());
        if !there && checker.reported.insert((span.source, span.start)) {
            checker.error(span, format!("Unknown static secret: {name}"));
        }
    }
}

/// A reference to a validation context has words of its own.
pub(super) fn context(common: &Message, checker: &mut Checker<'_>) {
    let combined = common.child("combined_validation_context");
    for holder in [Some(common), combined].into_iter().flatten() {
        let config = holder.child("validation_context_sds_secret_config");
        let config = config.filter(|config| !config.has("sds_config"));
        if let Some((name, span)) = config.and_then(|config| config.text("name"))
            && !checker.static_secrets.contains(name)
            && checker.reported.insert((span.source, span.start))
        {
            let text = format!("Unknown static certificate validation context: {name}");
            checker.error(span, text);
        }
    }
}

/// References to secrets of OAuth2 have words of their own.
pub(super) fn oauth2(credentials: &Message, checker: &mut Checker<'_>) {
    for (field, text) in [
        ("token_secret", "invalid token secret configuration"),
        ("hmac_secret", "invalid HMAC secret configuration"),
    ] {
        let config = credentials.child(field);
        let config = config.filter(|config| !config.has("sds_config"));
        if let Some((name, span)) = config.and_then(|config| config.text("name"))
            && !checker.static_secrets.contains(name)
            && checker.reported.insert((span.source, span.start))
        {
            checker.error(span, text);
        }
    }
}

/// The static secrets that are used, once all users are known.
pub(super) fn used(bootstrap: &Message, checker: &mut Checker<'_>) {
    let resources = bootstrap.child("static_resources");
    let secrets = resources
        .into_iter()
        .flat_map(|resources| resources.children("secrets"));
    for secret in secrets {
        let name = secret.text("name").map_or("", |(name, _)| name);
        if checker.secrets_in_use.contains(name) {
            for entry in secret.entries() {
                checker.visit_value(&entry.value);
            }
        }
    }
}

/// Authorities to trust that are written in the configuration itself.
pub(super) fn authorities(context: &Message, checker: &mut Checker<'_>) {
    let Some(source) = context.child("trusted_ca") else {
        return;
    };
    if let Some(span) = without_certificate(source) {
        let text = "Failed to load trusted CA certificates from <inline>";
        checker
            .error(span, text)
            .note("there is no PEM block `CERTIFICATE` in it");
    }
}

/// Where the bytes stand, when they are written here and hold no certificate.
fn without_certificate(source: &Message) -> Option<Span> {
    let entry = source
        .get_by_name("inline_string")
        .or(source.get_by_name("inline_bytes"))?;
    let bytes = match &entry.value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return None,
    };
    let text = String::from_utf8_lossy(bytes);
    let there = text.contains("-----BEGIN ") && text.contains("CERTIFICATE-----");
    (!there && !bytes.is_empty()).then_some(entry.span)
}
