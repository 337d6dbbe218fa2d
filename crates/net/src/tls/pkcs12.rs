//! PKCS#12 files (RFC 7292): a key, its certificate, and the certificates above it.
//!
//! As `openssl pkcs12 -export` writes them today: sealed by PBES2, checked by an HMAC of SHA-256 or SHA-1. Files with
//! the ciphers of before are refused, as are those in BER with indefinite lengths.

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::hmac;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::der::{CONTEXT, Der, OCTET_STRING, OID, SEQUENCE};
use super::sealed::{SealFault, open, open_key};

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.7.6
const SEALED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
/// 1.2.840.113549.1.12.10.1: what kinds of bags begin with.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.3.14.3.2.26
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// The implicit `[0]` of sealed bytes.
const SEALED: u8 = 0x80;
const MOST_ROUNDS: u32 = 10_000_000;

/// What a file holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) key: Option<PrivateKeyDer<'static>>,
    /// In the order of the file.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Opens a file; `password` may be empty.
pub(super) fn read(der: &[u8], password: &str) -> Result<Contents, SealFault> {
    let mut file = Der::new(der).enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let _version = file.number().ok_or(SealFault::Malformed)?;
    let mut safe = file.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    if safe.expect(OID) != Some(DATA) {
        return Err(SealFault::OtherCipher);
    }
    let content = safe
        .enter(CONTEXT[0])
        .and_then(|mut inner| inner.expect(OCTET_STRING));
    let content = content.ok_or(SealFault::Malformed)?;
    if let Some(mac) = file.enter(SEQUENCE) {
        check_mac(mac, content, password)?;
    }
    let mut parts = Der::new(content)
        .enter(SEQUENCE)
        .ok_or(SealFault::Malformed)?;
    let mut contents = Contents::default();
    while !parts.is_empty() {
        let part = parts.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
        let bags = open_part(part, password)?;
        read_bags(&bags, password, &mut contents)?;
    }
    Ok(contents)
}

fn open_part(mut part: Der<'_>, password: &str) -> Result<Vec<u8>, SealFault> {
    let kind = part.expect(OID).ok_or(SealFault::Malformed)?;
    let mut inner = part.enter(CONTEXT[0]).ok_or(SealFault::Malformed)?;
    if kind == DATA {
        let bytes = inner.expect(OCTET_STRING).ok_or(SealFault::Malformed)?;
        return Ok(bytes.to_vec());
    }
    if kind != SEALED_DATA {
        return Err(SealFault::OtherCipher);
    }
    let mut sealed = inner.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let _version = sealed.number().ok_or(SealFault::Malformed)?;
    let mut info = sealed.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let _kind = info.expect(OID).ok_or(SealFault::Malformed)?;
    let algorithm = info.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let bytes = info.expect(SEALED).ok_or(SealFault::Malformed)?;
    open(algorithm, bytes, password.as_bytes())
}

fn read_bags(der: &[u8], password: &str, contents: &mut Contents) -> Result<(), SealFault> {
    let mut bags = Der::new(der).enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    while !bags.is_empty() {
        let mut bag = bags.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
        let kind = bag.expect(OID).ok_or(SealFault::Malformed)?;
        let value = bag.expect(CONTEXT[0]).ok_or(SealFault::Malformed)?;
        match kind.strip_prefix(BAGS) {
            Some([1]) => contents.key = Some(PrivatePkcs8KeyDer::from(value.to_vec()).into()),
            Some([2]) => {
                let key = open_key(value, password.as_bytes())?;
                contents.key = Some(PrivatePkcs8KeyDer::from(key).into());
            }
            Some([3]) => {
                let mut bag = Der::new(value)
                    .enter(SEQUENCE)
                    .ok_or(SealFault::Malformed)?;
                let _kind = bag.expect(OID).ok_or(SealFault::Malformed)?;
                let inner = bag.enter(CONTEXT[0]);
                let der = inner.and_then(|mut inner| inner.expect(OCTET_STRING));
                let der = der.ok_or(SealFault::Malformed)?;
                contents
                    .certificates
                    .push(CertificateDer::from(der.to_vec()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the password is the file's.
fn check_mac(mut mac: Der<'_>, content: &[u8], password: &str) -> Result<(), SealFault> {
    let mut info = mac.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let name = info.enter(SEQUENCE).and_then(|mut name| name.expect(OID));
    let expected = info.expect(OCTET_STRING).ok_or(SealFault::Malformed)?;
    let salt = mac.expect(OCTET_STRING).ok_or(SealFault::Malformed)?;
    let rounds = mac.number().unwrap_or(1);
    let (hash, algorithm) = match name {
        Some(SHA256) => (&digest::SHA256, hmac::HMAC_SHA256),
        Some(SHA1) => (
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        ),
        _ => return Err(SealFault::OtherCipher),
    };
    if rounds > MOST_ROUNDS {
        return Err(SealFault::Malformed);
    }
    let key = mac_key(hash, salt, rounds, password);
    hmac::verify(&hmac::Key::new(algorithm, &key), content, expected)
        .map_err(|_| SealFault::WrongPassword)
}

/// The key of RFC 7292's appendix B, for a hash whose blocks have 64 bytes; the key is one hash long.
fn mac_key(hash: &'static digest::Algorithm, salt: &[u8], rounds: u32, password: &str) -> Vec<u8> {
    const BLOCK_BYTES: usize = 64;
    const PURPOSE_MAC: u8 = 3;
    let units = password.encode_utf16().chain(std::iter::once(0));
    let password: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    let blocks = |bytes: &[u8]| -> Vec<u8> {
        let whole = bytes.len().div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
        bytes.iter().copied().cycle().take(whole).collect()
    };
    let mut text = vec![PURPOSE_MAC; BLOCK_BYTES];
    text.extend(blocks(salt));
    text.extend(blocks(&password));
    let mut key = digest(hash, &text).as_ref().to_vec();
    for _ in 1..rounds {
        key = digest(hash, &key).as_ref().to_vec();
    }
    key
}
