//! Signatures, seals and random numbers. Random numbers are the system's, as sessions depend on them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use nuncio_config::base64;
use nuncio_config::base64_url;

const BLOCK_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
/// What is sealed by AES-GCM begins so.
const GCM: &[u8] = b"gcm.";

/// Bytes that nobody can guess; none if the system has none.
pub(super) fn random<const LENGTH: usize>() -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The HMAC of a text, in base64.
pub(super) fn sign(secret: &[u8], text: &[u8]) -> String {
    base64::encode(tag(secret, text).as_ref())
}

fn tag(secret: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text)
}

/// Whether this is the HMAC of a text, in base64, or in base64 of hexadecimal digits as it once was.
pub(super) fn is_signed(secret: &[u8], text: &[u8], signature: &[u8]) -> bool {
    let tag = tag(secret, text);
    let digits: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let forms = [
        base64::encode(tag.as_ref()),
        base64::encode(digits.as_bytes()),
    ];
    let [now, before] = forms.map(|form| is_equal(form.as_bytes(), signature));
    now | before
}

/// Whether both are the same, in a time that does not tell how much of them is.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// The SHA-256 of a text, in base64 for URLs.
pub(super) fn challenge(verifier: &str) -> String {
    base64_url::encode(digest(&SHA256, verifier.as_bytes()).as_ref())
}

fn key(secret: &[u8]) -> Option<UnboundCipherKey> {
    UnboundCipherKey::new(&AES_256, digest(&SHA256, secret).as_ref()).ok()
}

/// Encrypts a text; none only if the machine cannot.
pub(super) fn seal(secret: &[u8], text: &[u8]) -> Option<String> {
    let iv = random::<BLOCK_BYTES>()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key(secret)?).ok()?;
    let mut sealed = text.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut sealed, context).ok()?;
    Some(base64_url::encode(&[&iv[..], &sealed].concat()))
}

/// What a text was before it was encrypted, or why that is not known, in Envoy's words.
pub(super) fn open(secret: &[u8], sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
    const INVALID: &str = "Invalid encrypted data";
    const WRONG: &str = "failed to finalize decryption";
    if let Some(sealed) = sealed.strip_prefix(GCM) {
        let sealed = base64_url::decode_canonical(sealed).ok_or(INVALID)?;
        return open_gcm(secret, &sealed).ok_or(WRONG);
    }
    let sealed = base64_url::decode_canonical(sealed).ok_or(INVALID)?;
    let (iv, sealed) = sealed
        .split_first_chunk::<BLOCK_BYTES>()
        .filter(|(_, sealed)| !sealed.is_empty())
        .ok_or(INVALID)?;
    let mut bytes = sealed.to_vec();
    let key = key(secret).and_then(|key| PaddedBlockDecryptingKey::cbc_pkcs7(key).ok());
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    let opened = key.ok_or(WRONG)?.decrypt(&mut bytes, context);
    opened.map(|text| text.to_vec()).map_err(|_| WRONG)
}

/// Whether a text is encrypted in the form that Envoy calls the legacy one.
pub(super) fn is_legacy(sealed: &[u8]) -> bool {
    !sealed.starts_with(GCM)
}

fn open_gcm(secret: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let key = UnboundKey::new(&AES_256_GCM, digest(&SHA256, secret).as_ref()).ok()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut bytes = sealed.to_vec();
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), &mut bytes);
    opened.ok().map(|text| text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"hmac secret";

    #[test]
    fn what_is_sealed_can_be_opened_with_the_same_secret_alone() {
        let sealed = seal(SECRET, b"a token").expect("it can");
        assert_eq!(
            open(SECRET, sealed.as_bytes()).as_deref(),
            Ok(&b"a token"[..])
        );
        assert_ne!(seal(SECRET, b"a token"), Some(sealed.clone()));
        assert_ne!(
            open(b"other", sealed.as_bytes()).ok().as_deref(),
            Some(&b"a token"[..])
        );
        assert_eq!(open(SECRET, b"AAAA"), Err("Invalid encrypted data"));
        assert_eq!(open(SECRET, b"a+b/"), Err("Invalid encrypted data"));
    }

    #[test]
    fn what_envoy_sealed_by_the_newer_cipher_can_be_opened() {
        let sealed = b"gcm.ZS_J4IYSBnl756AqJy5_QWO_iQ3cgoOhsZNZMY1PERZJFInmV5G4v9j9GlBr-Ca6K_6JtliahdVh2ErYhWkxf2fhGusL8M0";
        let verifier = open(SECRET, sealed).expect("it is sealed by this secret");
        let verifier = String::from_utf8(verifier).expect("it is text");
        assert_eq!(
            challenge(&verifier),
            "q9cLtParCVX-Pt742tJx6uYF0jqMP72uJSUnTkA-j8A"
        );
        let mut forged = sealed.to_vec();
        forged[20] ^= 1;
        assert_eq!(open(SECRET, &forged), Err("failed to finalize decryption"));
    }

    #[test]
    fn signatures_are_taken_in_both_forms() {
        let signature = sign(SECRET, b"text");
        assert!(is_signed(SECRET, b"text", signature.as_bytes()));
        assert!(!is_signed(SECRET, b"text2", signature.as_bytes()));
        assert!(!is_signed(b"other", b"text", signature.as_bytes()));
        assert!(!is_signed(SECRET, b"text", b""));
    }
}
