//! Secrets by name: certificates, validation contexts and keys of session tickets that stand in the bootstrap, or come
//! from elsewhere. A context whose secrets have not all come is not ready, and refuses every handshake.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::tree::{Message, merge};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::generic_secret::SdsSecretConfig;

use super::messages::{
    CertificateValidationContext, CommonTlsContext, Secret, SecretType, TlsCertificate,
    ValidationContextType,
};

const CERTIFICATE: &str = "tls_certificate";
const VALIDATION: &str = "validation_context";
const TICKET_KEYS: &str = "session_ticket_keys";

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
            Some(SecretType::SessionTicketKeys(keys)) => {
                let _decoded_again_where_it_is_used = keys;
                "TlsSessionTicketKeys"
            }
            Some(SecretType::Generic(secret)) => {
                let _decoded_again_where_it_is_used = secret;
                "GenericSecret"
            }
            None => {
                ctx.error(message.span, "Secret type not implemented");
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

/// Whether all secrets are there that come from elsewhere; which ones these are is noted.
pub(super) fn are_there(
    common: Option<&CommonTlsContext>,
    ticket_keys: Option<&SdsSecretConfig>,
    ctx: &mut Ctx,
) -> bool {
    let mut wishes = Vec::new();
    if let Some(common) = common {
        let certificates = &common.tls_certificate_sds_secret_configs;
        wishes.extend(certificates.iter().map(|one| (one, CERTIFICATE)));
        wishes.extend(match &common.validation_context_type {
            Some(ValidationContextType::Secret(config)) => Some((config, VALIDATION)),
            Some(ValidationContextType::Combined(both)) => {
                Some((&both.validation_context_sds_secret_config, VALIDATION))
            }
            Some(ValidationContextType::Static(_)) | None => None,
        });
    }
    wishes.extend(ticket_keys.map(|config| (config, TICKET_KEYS)));
    let mut are_all = true;
    for (config, kind) in &wishes {
        if let Some(wish) = config.wish(kind) {
            are_all &= ctx.secret_from_elsewhere(wish).is_some();
        }
    }
    if !are_all {
        // They are used once the others have come.
        for (config, kind) in wishes {
            if config.sds_config.is_none() {
                let _noted = ctx.static_secret(&config.name.value, kind);
            }
        }
    }
    are_all
}

/// A certificate, and the name of the secret that it is.
pub(super) struct Named<'a> {
    /// Empty where it is written into the context.
    pub(super) name: String,
    pub(super) certificate: Cow<'a, TlsCertificate>,
}

/// A validation context, and the name of the secret that it is.
pub(super) struct NamedValidation<'a> {
    pub(super) name: String,
    pub(super) context: Cow<'a, CertificateValidationContext>,
}

/// The certificates of a context, written into it or referred to.
pub(super) fn certificates<'a>(
    common: &'a CommonTlsContext,
    ctx: &mut Ctx,
) -> Result<Vec<Named<'a>>, Refused> {
    let is_said = |one: &&TlsCertificate| {
        one.certificate_chain.is_some() || one.private_key.is_some() || one.pkcs12.is_some()
    };
    let mut written = common.tls_certificates.iter().filter(is_said).peekable();
    if written.peek().is_some() {
        let named = written.map(|certificate| Named {
            name: String::new(),
            certificate: Cow::Borrowed(certificate),
        });
        return Ok(named.collect());
    }
    let referred = common.tls_certificate_sds_secret_configs.iter();
    let found: Vec<_> = referred
        .map(|config| {
            let secret = find(config, CERTIFICATE, "Unknown static secret", ctx)?;
            Ok(Named {
                name: config.name.value.clone(),
                certificate: Cow::Owned(decode::<TlsCertificate>(&secret, ctx)?),
            })
        })
        .collect();
    found.into_iter().collect()
}

/// The keys of session tickets that are referred to.
pub(super) fn ticket_keys(
    config: &SdsSecretConfig,
    ctx: &mut Ctx,
) -> Result<Arc<Message>, Refused> {
    const UNKNOWN: &str = "Unknown tls session ticket keys secret";
    find(config, TICKET_KEYS, UNKNOWN, ctx)
}

/// The validation context, written or referred to, or both.
pub(super) fn validation_context<'a>(
    kind: &'a ValidationContextType,
    ctx: &mut Ctx,
) -> Result<NamedValidation<'a>, Refused> {
    const UNKNOWN: &str = "Unknown static certificate validation context";
    let named = |config: &SdsSecretConfig, context| NamedValidation {
        name: config.name.value.clone(),
        context: Cow::Owned(context),
    };
    match kind {
        ValidationContextType::Static(context) => Ok(NamedValidation {
            name: String::new(),
            context: Cow::Borrowed(context),
        }),
        ValidationContextType::Secret(config) => {
            let secret = find(config, VALIDATION, UNKNOWN, ctx)?;
            Ok(named(config, decode(&secret, ctx)?))
        }
        ValidationContextType::Combined(both) => {
            let config = &both.validation_context_sds_secret_config;
            let secret = find(config, VALIDATION, UNKNOWN, ctx)?;
            let mut merged = (*both.default_validation_context).clone();
            merge(&mut merged, &secret);
            Ok(named(config, decode(&Arc::new(merged), ctx)?))
        }
    }
}

fn find(
    config: &SdsSecretConfig,
    kind: &'static str,
    unknown: &str,
    ctx: &mut Ctx,
) -> Result<Arc<Message>, Refused> {
    let name = &config.name;
    let secret = match config.wish(kind) {
        // Noted already, when it was asked whether all are there.
        Some(wish) => ctx.delivered_secrets.find(&wish),
        None => ctx.static_secret(&name.value, kind),
    };
    secret.ok_or_else(|| {
        ctx.error(name.span, format!("{unknown}: {}", name.value));
        Refused
    })
}
