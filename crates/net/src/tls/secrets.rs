//! Static secrets: certificates and validation contexts that stand in the bootstrap under a name.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::tree::{Message, merge};
use nuncio_config::typed::{Ctx, Refused, decode};

use super::messages::{
    CertificateValidationContext, CommonTlsContext, SdsSecretConfig, Secret, SecretType,
    TlsCertificate, ValidationContextType,
};

/// Checks the secrets of a bootstrap; all that is wrong is reported.
///
/// # Errors
/// [`Refused`] when one of them cannot be used.
pub fn check(secrets: &[Arc<Message>], ctx: &mut Ctx) -> Result<(), Refused> {
    let mut known = HashSet::new();
    let mut sound = Ok(());
    for message in secrets {
        let Ok(secret) = decode::<Secret>(message, ctx) else {
            sound = Err(Refused);
            continue;
        };
        let kind = match secret.r#type {
            Some(SecretType::TlsCertificate(certificate)) => {
                let _decoded_again_where_it_is_used = certificate;
                "TlsCertificate"
            }
            Some(SecretType::ValidationContext(context)) => {
                let _decoded_again_where_it_is_used = context;
                "CertificateValidationContext"
            }
            None => {
                // Of another type it has been said that it is not supported.
                if ["session_ticket_keys", "generic_secret"]
                    .into_iter()
                    .all(|other| message.get_by_name(other).is_none())
                {
                    ctx.error(message.span, "Secret type not implemented");
                }
                sound = Err(Refused);
                continue;
            }
        };
        let name = secret.name;
        if !known.insert((kind, name.value.clone())) {
            let text = format!("Duplicate static {kind} secret name {}", name.value);
            ctx.error(name.span, text);
            sound = Err(Refused);
        }
    }
    sound
}

/// The certificates of a context, written into it or referred to.
pub(super) fn certificates<'a>(
    common: &'a CommonTlsContext,
    ctx: &mut Ctx,
) -> Result<Cow<'a, [TlsCertificate]>, Refused> {
    if !common.tls_certificates.is_empty() {
        return Ok(Cow::Borrowed(&common.tls_certificates));
    }
    let referred = common
        .tls_certificate_sds_secret_configs
        .iter()
        .map(|config| {
            let secret = find(config, "tls_certificate", "Unknown static secret", ctx)?;
            decode::<TlsCertificate>(&secret, ctx)
        });
    let found: Vec<_> = referred.collect();
    found.into_iter().collect()
}

/// The validation context, written or referred to, or both.
pub(super) fn validation_context<'a>(
    kind: &'a ValidationContextType,
    ctx: &mut Ctx,
) -> Result<Cow<'a, CertificateValidationContext>, Refused> {
    const UNKNOWN: &str = "Unknown static certificate validation context";
    const FIELD: &str = "validation_context";
    match kind {
        ValidationContextType::Static(context) => Ok(Cow::Borrowed(context)),
        ValidationContextType::Secret(config) => {
            let secret = find(config, FIELD, UNKNOWN, ctx)?;
            decode(&secret, ctx).map(Cow::Owned)
        }
        ValidationContextType::Combined(both) => {
            let config = &both.validation_context_sds_secret_config;
            let secret = find(config, FIELD, UNKNOWN, ctx)?;
            let mut merged = (*both.default_validation_context).clone();
            merge(&mut merged, &secret);
            decode(&Arc::new(merged), ctx).map(Cow::Owned)
        }
    }
}

fn find(
    config: &SdsSecretConfig,
    kind: &str,
    unknown: &str,
    ctx: &mut Ctx,
) -> Result<Arc<Message>, Refused> {
    let name = &config.name;
    if let Some(secret) = ctx.static_secret(&name.value, kind) {
        return Ok(secret);
    }
    // A secret from elsewhere is no static one, and has been reported as not supported.
    let is_reported = ctx
        .diagnostics
        .iter()
        .any(|found| found.is_unsupported() && config.span().contains(found.span));
    if !is_reported {
        ctx.error(name.span, format!("{unknown}: {}", name.value));
    }
    Err(Refused)
}
