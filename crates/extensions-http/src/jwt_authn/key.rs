//! One key of a set, and whether it has signed something.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::faults::{self, Fault};
use super::status::Status;
use nuncio_config::base64_url::decode;

/// A key.
#[derive(Debug)]
pub(super) struct Key {
    /// Empty if it has none.
    pub(super) id: Box<str>,
    /// How it signs; empty if that is not said.
    pub(super) algorithm: Box<str>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Of a certificate: RFC 3279.
    RsaInfo(Vec<u8>),
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Secret(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const fn coordinate_bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// By the algorithm or the curve's name, one of which may be missing.
    fn find(algorithm: &str, name: &str) -> Result<Self, Fault> {
        let by_name = match name {
            "P-256" => Some(Curve::P256),
            "P-384" => Some(Curve::P384),
            "P-521" => Some(Curve::P521),
            _ => None,
        };
        let by_algorithm = match algorithm {
            "ES256" => (Curve::P256, "P-256"),
            "ES384" => (Curve::P384, "P-384"),
            "ES512" => (Curve::P521, "P-521"),
            "" if name.is_empty() => return Ok(Curve::P256),
            "" => return by_name.ok_or(faults::EC_UNKNOWN),
            _ if name.is_empty() => return Err(faults::EC_UNKNOWN),
            _ => return Err(faults::EC_MISMATCH),
        };
        match name.is_empty() || name == by_algorithm.1 {
            true => Ok(by_algorithm.0),
            false => Err(faults::EC_MISMATCH),
        }
    }
}

/// The text of a member, which must be there; what is wrong if it is missing or another thing.
fn text_of<'k>(jwk: &'k Struct, name: &str, faults: [Fault; 2]) -> Result<&'k str, Fault> {
    match jwk.get(name) {
        Some(Value::String(text)) => Ok(text),
        None => Err(faults[0]),
        Some(_) => Err(faults[1]),
    }
}

impl Key {
    /// Of a JSON web key.
    pub(super) fn read(jwk: &Struct) -> Result<Self, Fault> {
        let optional = |name: &str| match jwk.get(name) {
            Some(Value::String(text)) => Some(&**text),
            _ => None,
        };
        let algorithm = optional("alg");
        let kind = text_of(jwk, "kty", [faults::NO_TYPE, faults::BAD_TYPE])?;
        let material = match kind {
            "RSA" => Material::rsa(jwk, algorithm)?,
            "EC" => Material::ec(jwk, algorithm)?,
            "oct" => Material::secret(jwk, algorithm)?,
            "OKP" => Material::ed25519(jwk, algorithm)?,
            _ => return Err(faults::UNKNOWN_TYPE),
        };
        Ok(Key {
            id: optional("kid").unwrap_or_default().into(),
            algorithm: algorithm.unwrap_or_default().into(),
            material,
        })
    }

    /// Of a certificate: the public key in it, which is to be one of RSA.
    pub(super) fn of_certificate(id: &str, public_key: Vec<u8>) -> Self {
        Key {
            id: id.into(),
            algorithm: Box::default(),
            material: Material::RsaInfo(public_key),
        }
    }

    /// Whether the key has signed this.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Status> {
        let fails = Status::VerificationFails;
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                let how = rsa(algorithm).ok_or(fails)?;
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(how, signed, signature).map_err(|_| fails)
            }
            Material::RsaInfo(info) => {
                let how = rsa(algorithm).ok_or(fails)?;
                let key = UnparsedPublicKey::new(how, info);
                key.verify(signed, signature).map_err(|_| fails)
            }
            Material::Ec { curve, point } => {
                if algorithm != ec_name(*curve) {
                    return Err(fails);
                }
                let key = UnparsedPublicKey::new(ec(*curve), point);
                key.verify(signed, signature).map_err(|_| fails)
            }
            Material::Secret(secret) => {
                let how = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => return Err(fails),
                };
                let key = hmac::Key::new(how, secret);
                hmac::verify(&key, signed, signature).map_err(|_| fails)
            }
            Material::Ed25519(key) => {
                if signature.len() != 64 {
                    return Err(Status::Ed25519WrongLength);
                }
                if algorithm != "EdDSA" {
                    return Err(fails);
                }
                let key = UnparsedPublicKey::new(&ED25519, key);
                key.verify(signed, signature).map_err(|_| fails)
            }
        }
    }
}

impl Material {
    fn rsa(jwk: &Struct, algorithm: Option<&str>) -> Result<Self, Fault> {
        if algorithm.is_some_and(|it| !it.starts_with("RS") && !it.starts_with("PS")) {
            return Err(faults::RSA_ALGORITHM);
        }
        let modulus = text_of(jwk, "n", faults::RSA_N)?;
        let exponent = text_of(jwk, "e", faults::RSA_E)?;
        let number = |text: &str| decode(text.as_bytes()).map(trimmed).ok_or(faults::RSA);
        let (modulus, exponent) = (number(modulus)?, number(exponent)?);
        match matches!(exponent[..], [3] | [1, 0, 1]) {
            true => Ok(Material::Rsa { modulus, exponent }),
            false => Err(faults::RSA),
        }
    }

    fn ec(jwk: &Struct, algorithm: Option<&str>) -> Result<Self, Fault> {
        if algorithm.is_some_and(|it| !it.starts_with("ES")) {
            return Err(faults::EC_ALGORITHM);
        }
        let name = match jwk.get("crv") {
            None => "",
            Some(Value::String(name)) => name,
            Some(_) => return Err(faults::EC_CURVE),
        };
        let curve = Curve::find(algorithm.unwrap_or_default(), name)?;
        let x = text_of(jwk, "x", faults::EC_X)?;
        let y = text_of(jwk, "y", faults::EC_Y)?;
        let number = |text: &str| decode(text.as_bytes()).ok_or(faults::EC_BASE64);
        let point = point(curve, &number(x)?, &number(y)?).ok_or(faults::EC_POINT)?;
        let is_point = ParsedPublicKey::new(ec(curve), &point).is_ok();
        match is_point {
            true => Ok(Material::Ec { curve, point }),
            false => Err(faults::EC_POINT),
        }
    }

    fn secret(jwk: &Struct, algorithm: Option<&str>) -> Result<Self, Fault> {
        if algorithm.is_some_and(|it| !matches!(it, "HS256" | "HS384" | "HS512")) {
            return Err(faults::SECRET_ALGORITHM);
        }
        let secret = decode(text_of(jwk, "k", faults::SECRET)?.as_bytes());
        let secret = secret.filter(|secret| !secret.is_empty());
        secret.map(Material::Secret).ok_or(faults::SECRET_BASE64)
    }

    fn ed25519(jwk: &Struct, algorithm: Option<&str>) -> Result<Self, Fault> {
        if algorithm.is_some_and(|it| it != "EdDSA") {
            return Err(faults::OKP_ALGORITHM);
        }
        if text_of(jwk, "crv", faults::OKP_CURVE)? != "Ed25519" {
            return Err(faults::OKP_UNKNOWN);
        }
        let key = decode(text_of(jwk, "x", faults::OKP_X)?.as_bytes());
        let key = key.ok_or(faults::OKP_BASE64)?;
        match key.len() {
            32 => Ok(Material::Ed25519(key)),
            _ => Err(faults::OKP_LENGTH),
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "PS384" => &RSA_PSS_2048_8192_SHA384,
        "PS512" => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ec(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    }
}

/// Curve and hash belong together.
const fn ec_name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "ES256",
        Curve::P384 => "ES384",
        Curve::P521 => "ES512",
    }
}

/// Without zeros in front.
fn trimmed(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

/// An uncompressed point.
fn point(curve: Curve, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let coordinate = trimmed(coordinate.to_vec());
        let zeros = curve.coordinate_bytes().checked_sub(coordinate.len())?;
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend(coordinate);
    }
    Some(point)
}
