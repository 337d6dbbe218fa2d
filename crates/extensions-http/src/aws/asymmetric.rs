//! Signatures of version 4A: ECDSA on P-256 with SHA-256, by a key that is derived from the secret (NIST SP 800-108, HMAC in
//! counter mode, as AWS' signing libraries do it), so that they count in several regions.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

pub(crate) const ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";
const SECRET_PREFIX: &str = "AWS4A";
/// The order of the curve, less two.
const MOST: [u8; KEY_BYTES] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];
const KEY_BYTES: usize = 32;
/// How many candidates are tried; the first one is as good as certain to do.
const LAST_COUNTER: u8 = 254;

/// A key that signs.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    /// That of an access key.
    pub(crate) fn derive(id: &str, secret: &str) -> Option<Self> {
        let secret = [SECRET_PREFIX, secret].concat();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let number = (1..=LAST_COUNTER).find_map(|counter| candidate(&secret, id, counter))?;
        let agreeing = PrivateKey::from_private_key(&ECDH_P256, &number).ok()?;
        let public = agreeing.compute_public_key().ok()?;
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, &number, public.as_ref());
        pair.ok().map(Key)
    }

    /// The signature of a text, in DER.
    pub(crate) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let signature = self.0.sign(&SystemRandom::new(), text).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

/// The private number by a counter, if it is one.
fn candidate(secret: &hmac::Key, id: &str, counter: u8) -> Option<[u8; KEY_BYTES]> {
    let fixed = [
        &[0, 0, 0, 1],
        ALGORITHM.as_bytes(),
        &[0],
        id.as_bytes(),
        &[counter],
        &[0, 0, 1, 0],
    ];
    let tag = hmac::sign(secret, &fixed.concat());
    let mut number: [u8; KEY_BYTES] = tag.as_ref().try_into().ok()?;
    if number > MOST {
        return None;
    }
    for digit in number.iter_mut().rev() {
        let (sum, is_over) = digit.overflowing_add(1);
        *digit = sum;
        if !is_over {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, KeyPair, UnparsedPublicKey};

    use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

    use super::super::canonical::{self, Choice};
    use super::super::chain::Chain;
    use super::super::credentials::Credentials;
    use super::super::signer::{Names, Signer};
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_are_those_of_aws() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let key = Key::derive("AKIDEXAMPLE", secret);
        let public = key.map(|key| hex(key.0.public_key().as_ref()));
        let expected = "04\
             b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1\
             865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518";
        assert_eq!(public.as_deref(), Some(expected));
    }

    #[test]
    fn signatures_are_verified_by_the_public_key() {
        let key = Key::derive("id", "secret").expect("a key");
        let signature = key.sign(b"text").expect("a signature");
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.0.public_key().as_ref());
        assert!(public.verify(b"text", &signature).is_ok());
        assert!(public.verify(b"other", &signature).is_err());
    }

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SCOPE: &str = "20261128/s3/aws4_request";

    fn signer() -> Signer {
        let credentials = Credentials::new("AKID", "secret", Some("to/ken="));
        Signer {
            service: "s3".into(),
            region: "us-west-2,eu-*".into(),
            credentials: Chain::fixed(credentials.expect("credentials")),
            choice: Choice::default(),
            in_query: None,
            is_asymmetric: true,
            names: Names::default(),
        }
    }

    fn request(path: &str, headers: &[(&str, &str)]) -> HeaderMap {
        let mut request = HeaderMap::request();
        request.set(Known::Method, b"GET");
        request.set(Known::Authority, b"a.example");
        request.set(Known::Path, path.as_bytes());
        for (name, value) in headers {
            let name = HeaderName::parse(name).expect("a name");
            request.append(&name, value.as_bytes());
        }
        request
    }

    /// Whether the key of `signer` has made a signature of Envoy's.
    fn is_signed(request: &HeaderMap, date: &str, signature: &str) -> bool {
        let signer = signer();
        let headers = canonical::headers(request, &signer.choice);
        let text = signer.text(request, &headers, EMPTY, (date, "20261128", SCOPE));
        let digits = signature.as_bytes().chunks(2);
        let signature = digits.map(|digits| {
            let digits = std::str::from_utf8(digits).expect("digits");
            u8::from_str_radix(digits, 16).expect("a byte")
        });
        let signature: Vec<u8> = signature.collect();
        let key = Key::derive("AKID", "secret").expect("a key");
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.0.public_key().as_ref());
        public.verify(text.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn what_envoy_signs_in_headers_is_verified() {
        let request = request(
            "/a%20b?c=d",
            &[
                ("x-request-id", "i"),
                ("x-forwarded-proto", "http"),
                ("x-amz-content-sha256", EMPTY),
                ("x-amz-security-token", "to/ken="),
                ("x-amz-date", "20261128T020719Z"),
                ("x-amz-region-set", "us-west-2,eu-*"),
            ],
        );
        let signature = "3045022009ac8571fd61944320f18beecf46941fd3872c9365fb86cbb3d5d36910a1b4b2\
             0221009cb14f63222e0593b26a10a07a896e49aed387c85c346de53f7e66ad82cbf8af";
        assert!(is_signed(&request, "20261128T020719Z", signature));
        assert!(!is_signed(&request, "20261128T020720Z", signature));
    }

    #[test]
    fn what_envoy_signs_in_the_query_is_verified() {
        let path = "/a%20b?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&\
             X-Amz-Credential=AKID%2F20261128%2Fs3%2Faws4_request&X-Amz-Date=20261128T020721Z&\
             X-Amz-Expires=60&X-Amz-Region-Set=us-west-2%2Ceu-%2A&X-Amz-Security-Token=to%2Fken%3D&\
             X-Amz-SignedHeaders=host%3Bx-amz-content-sha256%3Bx-request-id&c=d";
        let headers = [
            ("x-request-id", "i"),
            ("x-forwarded-proto", "http"),
            ("x-amz-content-sha256", EMPTY),
        ];
        let signature = "3046022100a392891135174e82896c4bd25629032ad51e9bad8e9789c09d54e74319402a17\
             022100d19bdeca1f1c877f5a2a2b419efc2ed17b039700b33aeda99370057004a0f0d1";
        assert!(is_signed(
            &request(path, &headers),
            "20261128T020721Z",
            signature
        ));
    }
}
