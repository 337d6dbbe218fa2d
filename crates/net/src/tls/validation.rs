//! From a validation context to what is demanded of peers.

use nuncio_config::base64;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::matching::CompiledStringMatcher;
use rustls::RootCertStore;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::chain::Roots;
use super::details::describe;
use super::distinguished_name;
use super::identity::{certificates_in, name_of};
use super::messages::{
    CertificateValidationContext, CommonTlsContext, SanType, SubjectAltNameMatcher,
    TrustChainVerification, Validator,
};
use super::secrets;
use super::spiffe::TrustDomains;
use super::subject_names::NameMatcher;
use super::verify::Demands;

const SPIFFE: &str = "envoy.tls.cert_validator.spiffe";

/// Most bytes of a file of revocation lists.
const LIMIT_BYTES: usize = 64 << 20;

/// What a context demands; nothing where it has no validation context.
pub(super) fn demands(
    common: Option<&CommonTlsContext>,
    ctx: &mut Ctx,
) -> Result<Demands, Refused> {
    let validation = common.and_then(|common| common.validation_context_type.as_ref());
    match validation {
        Some(validation) => {
            let found = secrets::validation_context(validation, ctx)?;
            of_context(&found.context, &found.name, ctx)
        }
        None => Ok(Demands::default()),
    }
}

fn of_context(
    context: &CertificateValidationContext,
    name: &str,
    ctx: &mut Ctx,
) -> Result<Demands, Refused> {
    let validator = context.custom_validator_config.as_ref();
    let spiffe = validator.map(|validator| trust_domains(validator, context, ctx));
    let spiffe = spiffe.transpose()?;
    let roots = match &spiffe {
        Some(_) => None,
        None => roots(context, name, ctx)?,
    };
    let matchers = &context.match_typed_subject_alt_names;
    let of_any_kind = &context.match_subject_alt_names;
    if roots.is_none() && spiffe.is_none() && !(matchers.is_empty() && of_any_kind.is_empty()) {
        ctx.error(
            context.span(),
            "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
        );
        return Err(Refused);
    }
    let mut names = Vec::new();
    for message in matchers {
        let oid = oid_of(message, ctx)?;
        let matcher = CompiledStringMatcher::compile(&message.matcher, ctx)?;
        names.push(NameMatcher::new(message, oid, matcher));
    }
    // The newer list is the one that counts where both are there, as in Envoy.
    for matcher in of_any_kind.iter().filter(|_| matchers.is_empty()) {
        let matcher = CompiledStringMatcher::compile(matcher, ctx)?;
        names.extend(NameMatcher::of_any_kind(&matcher));
    }
    if spiffe.is_some() {
        return Ok(Demands {
            spiffe,
            names,
            hides_authorities: context.suppress_client_ca_list,
            ..Demands::default()
        });
    }
    Ok(Demands {
        spiffe: None,
        accepts_untrusted: context.trust_chain_verification
            == TrustChainVerification::AcceptUntrusted,
        certificate_hashes: hashes(&context.verify_certificate_hash, from_hex, ctx)?,
        key_hashes: hashes(&context.verify_certificate_spki, from_base64, ctx)?,
        roots,
        names,
        signatures: Vec::new(),
        hides_authorities: context.suppress_client_ca_list,
    })
}

/// Envoy finds validators by their names.
fn trust_domains(
    validator: &Validator,
    context: &CertificateValidationContext,
    ctx: &mut Ctx,
) -> Result<TrustDomains, Refused> {
    let name = &validator.name;
    if name.value != SPIFFE {
        let text = format!(
            "Failed to get certificate validator factory for {}",
            name.value
        );
        ctx.error(name.span, text)
            .suggest(format!("the validator there is, is `{SPIFFE}`"));
        return Err(Refused);
    }
    let allows_expired = context.allow_expired_certificate;
    TrustDomains::compile(&validator.typed_config, allows_expired, ctx)
}

fn hashes(
    written: &[Spanned<String>],
    decode: fn(&str) -> Option<[u8; 32]>,
    ctx: &mut Ctx,
) -> Result<Vec<[u8; 32]>, Refused> {
    let decoded = written.iter().map(|hash| {
        decode(&hash.value).ok_or_else(|| {
            ctx.error(hash.span, format!("Invalid hash: {}", hash.value));
            Refused
        })
    });
    decoded.collect()
}

/// The identifier in numbers, where names have one.
fn oid_of<'m>(message: &'m SubjectAltNameMatcher, ctx: &mut Ctx) -> Result<&'m str, Refused> {
    let oid = message.oid.value.as_str();
    if message.san_type != SanType::OtherName || is_oid(oid) {
        return Ok(oid);
    }
    let named = match oid {
        "msUPN" => Some("1.3.6.1.4.1.311.20.2.3"),
        _ => distinguished_name::numbers_of(oid),
    };
    if let Some(numbers) = named {
        return Ok(numbers);
    }
    if oid.starts_with(|first: char| first.is_ascii_alphabetic()) {
        // BoringSSL has a long list of them.
        return Err(ctx.unsupported_here(message.oid.span, format!("OID `{oid}`, which is a name")));
    }
    let text = format!("Failed to create SAN matcher for OTHER_NAME with OID: {oid}");
    ctx.error(message.span(), text);
    Err(Refused)
}

/// Whether it is an identifier of an object in numbers, as it can be written in a certificate.
fn is_oid(text: &str) -> bool {
    let numbers = text.split('.').map(|part| {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_digit());
        let has_zeros = part.len() > 1 && part.starts_with('0');
        let number: Option<u64> = part.parse().ok();
        number.filter(|_| is_plain && !has_zeros)
    });
    let numbers: Option<Vec<u64>> = numbers.collect();
    match numbers.as_deref() {
        Some([0 | 1, second, ..]) => *second < 40,
        Some([2, second, ..]) => second.checked_add(80).is_some(),
        _ => false,
    }
}

fn roots(
    context: &CertificateValidationContext,
    name: &str,
    ctx: &mut Ctx,
) -> Result<Option<Roots>, Refused> {
    let mut details = None;
    let certificates = match (&context.trusted_ca, &context.system_root_certs) {
        (Some(source), _) => {
            let certificates = certificates_in(source, "trusted CA certificates", ctx)?;
            details = certificates
                .first()
                .and_then(|first| describe(source, name, first));
            certificates
        }
        (None, Some(_)) => rustls_native_certs::load_native_certs().certs,
        (None, None) => {
            if let Some(crl) = &context.crl {
                let text = format!(
                    "Failed to load CRL from {} without trusted CA",
                    name_of(crl)
                );
                ctx.error(crl.span(), text);
                return Err(Refused);
            }
            return Ok(None);
        }
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        ctx.error(
            context.span(),
            "Failed to load trusted CA certificates: none can be used",
        );
        return Err(Refused);
    }
    let (is_looked_up, revocation_lists) = revocation_lists(context, ctx)?;
    Ok(Some(Roots {
        store,
        certificates,
        details,
        revocation_lists,
        is_looked_up,
        only_leaf_is_looked_up: context.only_verify_leaf_cert_crl,
        allows_expired: context.allow_expired_certificate,
        most_above: context.max_verify_depth,
    }))
}

/// Whether certificates are looked up in lists, and the lists: as in Envoy a text without any is taken, and no
/// certificate passes then.
fn revocation_lists(
    context: &CertificateValidationContext,
    ctx: &mut Ctx,
) -> Result<(bool, Vec<CertRevocationList<'static>>), Refused> {
    let Some(source) = &context.crl else {
        return Ok((false, Vec::new()));
    };
    let bytes = source.read(LIMIT_BYTES, ctx)?;
    let parsed = CertificateRevocationListDer::pem_slice_iter(&bytes).map(|der| {
        let list = OwnedCertRevocationList::from_der(&der.ok()?).ok()?;
        Some(CertRevocationList::from(list))
    });
    match parsed.collect::<Option<Vec<_>>>() {
        Some(lists) => Ok((!bytes.is_empty(), lists)),
        None => {
            let text = format!("Failed to load CRL from {}", name_of(source));
            ctx.error(source.span(), text);
            Err(Refused)
        }
    }
}

/// 64 hexadecimal digits, with or without colons between bytes.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// 32 bytes as base64 (RFC 4648 section 4), padded.
fn from_base64(text: &str) -> Option<[u8; 32]> {
    base64::decode_padded(text.as_bytes())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_in_both_spellings() {
        let plain = "ab".repeat(32);
        let with_colons = ["ab"; 32].join(":");
        assert_eq!(from_hex(&plain), Some([0xab; 32]));
        assert_eq!(from_hex(&with_colons), Some([0xab; 32]));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_base64(&format!("{}=", "A".repeat(43))), Some([0; 32]));
        assert_eq!(
            from_base64("NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=").map(|b| b[0]),
            Some(0x36)
        );
        assert_eq!(from_base64("short"), None);
    }
}
