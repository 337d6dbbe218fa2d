//! Bytes sealed by a password: PBES2 (RFC 8018), as `openssl` writes keys and PKCS#12 files today.
//!
//! PBKDF2 with HMAC-SHA-1, -256, -384 or -512, and AES in CBC mode. The ciphers of before (DES, RC2, RC4) are refused.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;

use super::der::{Der, OCTET_STRING, OID, SEQUENCE};

/// 1.2.840.113549.1.5.13
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
/// 1.2.840.113549.1.5.12
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// 1.2.840.113549.2: what HMACs begin with.
const HMACS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
/// 2.16.840.1.101.3.4.1: what AES begins with.
const AES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];
/// Most rounds, so that a file cannot hold up the start for ever.
const MOST_ROUNDS: u32 = 10_000_000;

/// Why something cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealFault {
    /// It is not what it should be.
    Malformed,
    /// It is sealed by something else.
    OtherCipher,
    /// The password is wrong.
    WrongPassword,
}

/// Opens an `EncryptedPrivateKeyInfo`; returns the `PrivateKeyInfo`.
pub(super) fn open_key(der: &[u8], password: &[u8]) -> Result<Vec<u8>, SealFault> {
    let mut info = Der::new(der).enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let algorithm = info.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let sealed = info.expect(OCTET_STRING).ok_or(SealFault::Malformed)?;
    open(algorithm, sealed, password)
}

/// Opens `sealed`, whose `AlgorithmIdentifier` has `algorithm` in it.
pub(super) fn open(
    mut algorithm: Der<'_>,
    sealed: &[u8],
    password: &[u8],
) -> Result<Vec<u8>, SealFault> {
    let scheme = algorithm.expect(OID).ok_or(SealFault::Malformed)?;
    if scheme != PBES2 {
        return Err(SealFault::OtherCipher);
    }
    let mut parameters = algorithm.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let derivation = parameters.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let mut cipher = parameters.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let name = cipher.expect(OID).ok_or(SealFault::Malformed)?;
    let iv = cipher.expect(OCTET_STRING).ok_or(SealFault::Malformed)?;
    let iv: [u8; 16] = iv.try_into().map_err(|_| SealFault::OtherCipher)?;
    let (cipher, key_bytes): (&Algorithm, usize) = match name.strip_prefix(AES) {
        Some([2]) => (&AES_128, 16),
        Some([42]) => (&AES_256, 32),
        _ => return Err(SealFault::OtherCipher),
    };
    let key = derive(derivation, password, key_bytes)?;
    let key = UnboundCipherKey::new(cipher, &key).map_err(|_| SealFault::Malformed)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| SealFault::Malformed)?;
    let mut bytes = sealed.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let opened = key.decrypt(&mut bytes, context);
    opened
        .map(|opened| opened.to_vec())
        .map_err(|_| SealFault::WrongPassword)
}

fn derive(mut how: Der<'_>, password: &[u8], key_bytes: usize) -> Result<Vec<u8>, SealFault> {
    if how.expect(OID) != Some(PBKDF2) {
        return Err(SealFault::OtherCipher);
    }
    let mut parameters = how.enter(SEQUENCE).ok_or(SealFault::Malformed)?;
    let salt = parameters
        .expect(OCTET_STRING)
        .ok_or(SealFault::Malformed)?;
    let rounds = parameters.number().filter(|rounds| *rounds <= MOST_ROUNDS);
    let rounds = rounds
        .and_then(NonZeroU32::new)
        .ok_or(SealFault::Malformed)?;
    // How long the key is goes without saying.
    let _key_bytes = parameters.number();
    let hmac = match parameters.enter(SEQUENCE) {
        None => pbkdf2::PBKDF2_HMAC_SHA1,
        Some(mut named) => match named.expect(OID).and_then(|oid| oid.strip_prefix(HMACS)) {
            Some([7]) => pbkdf2::PBKDF2_HMAC_SHA1,
            Some([9]) => pbkdf2::PBKDF2_HMAC_SHA256,
            Some([10]) => pbkdf2::PBKDF2_HMAC_SHA384,
            Some([11]) => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return Err(SealFault::OtherCipher),
        },
    };
    let mut key = vec![0; key_bytes];
    pbkdf2::derive(hmac, rounds, salt, password, &mut key);
    Ok(key)
}
