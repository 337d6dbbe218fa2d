//! Certificates in PEM: ours to show, and those that we trust.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::data_source::DataSource;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::details::{CertificateDetails, describe};
use super::messages::TlsCertificate;

/// Most bytes of a certificate or key file.
const LIMIT_BYTES: usize = 4 << 20;

/// A chain and its key, and what can be told of it.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) details: Option<CertificateDetails>,
}

/// The certificate that is shown to hosts that ask for one.
pub(super) fn identity(
    certificates: &[TlsCertificate],
    ctx: &mut Ctx,
) -> Result<Option<Identity>, Refused> {
    let certificate = match certificates {
        [] => return Ok(None),
        [one] => one,
        [_, second, ..] => {
            ctx.error(
                second.span(),
                "Multiple TLS certificates are not supported for client contexts",
            );
            return Err(Refused);
        }
    };
    let (Some(chain), Some(key)) = (&certificate.certificate_chain, &certificate.private_key)
    else {
        ctx.error(
            certificate.span(),
            "a certificate needs `certificate_chain` and `private_key`",
        );
        return Err(Refused);
    };
    let key_bytes = key.read(LIMIT_BYTES, ctx)?;
    let Ok(key_der) = PrivateKeyDer::from_pem_slice(&key_bytes) else {
        ctx.error(
            key.span(),
            "Failed to load private key: it is not a PEM key without password",
        );
        return Err(Refused);
    };
    let certificates = certificates_in(chain, "certificate chain", ctx)?;
    let first = certificates.first();
    Ok(Some(Identity {
        details: first.and_then(|first| describe(chain, first)),
        chain: certificates,
        key: key_der,
    }))
}

/// The certificates of a PEM source, one at least.
pub(super) fn certificates_in(
    source: &DataSource,
    what: &str,
    ctx: &mut Ctx,
) -> Result<Vec<CertificateDer<'static>>, Refused> {
    let bytes = source.read(LIMIT_BYTES, ctx)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            ctx.error(
                source.span(),
                format!("Failed to load {what}: it holds no PEM certificate"),
            );
            Err(Refused)
        }
    }
}
