//! What may be wrong with keys, in Envoy's words.

/// What is wrong.
pub(super) type Fault = &'static str;

pub(super) const NOT_JSON: Fault = "Jwks is an invalid JSON";
pub(super) const NO_KEYS: Fault = "Jwks does not have [keys] field";
pub(super) const KEYS_NO_LIST: Fault = "[keys] in Jwks is not an array";
pub(super) const NO_VALID_KEYS: Fault = "Jwks doesn't have any valid public key";
pub(super) const CERTIFICATE: Fault = "X509 parse pubkey fails";

pub(super) const NO_TYPE: Fault = "[kty] is missing in [keys]";
pub(super) const BAD_TYPE: Fault = "[kty] is bad in [keys]";
pub(super) const UNKNOWN_TYPE: Fault = "[kty] is not supported in [keys]";

pub(super) const RSA_ALGORITHM: Fault = "[alg] is not started with [RS] or [PS] for an RSA key";
pub(super) const RSA_N: [Fault; 2] = [
    "[n] field is missing for a RSA key",
    "[n] field is not string for a RSA key",
];
pub(super) const RSA_E: [Fault; 2] = [
    "[e] field is missing for a RSA key",
    "[e] field is not string for a RSA key",
];
pub(super) const RSA: Fault = "Jwks RSA [n] or [e] field is missing or has a parse error";

pub(super) const EC_ALGORITHM: Fault = "[alg] is not started with [ES] for an EC key";
pub(super) const EC_CURVE: Fault = "[crv] field is not string for an EC key";
pub(super) const EC_UNKNOWN: Fault = "[crv] or [alg] field is not supported for an EC key";
pub(super) const EC_MISMATCH: Fault =
    "[crv] field specified is not compatible with [alg] for an EC key";
pub(super) const EC_X: [Fault; 2] = [
    "[x] field is missing for an EC key",
    "[x] field is not string for an EC key",
];
pub(super) const EC_Y: [Fault; 2] = [
    "[y] field is missing for an EC key",
    "[y] field is not string for an EC key",
];
pub(super) const EC_BASE64: Fault = "Jwks EC [x] or [y] field is an invalid Base64.";
pub(super) const EC_POINT: Fault = "Jwks EC [x] and [y] fields have a parse error.";

pub(super) const SECRET_ALGORITHM: Fault = "[alg] does not start with [HS] for an HMAC key";
pub(super) const SECRET: [Fault; 2] = [
    "[k] field is missing for an HMAC key",
    "[k] field is not string for an HMAC key",
];
pub(super) const SECRET_BASE64: Fault = "Jwks Oct key is an invalid Base64";

pub(super) const OKP_ALGORITHM: Fault = "[alg] is not [EdDSA] for an OKP key";
pub(super) const OKP_CURVE: [Fault; 2] = [
    "[crv] field is missing for an OKP key",
    "[crv] field is not string for an OKP key",
];
pub(super) const OKP_UNKNOWN: Fault = "[crv] field is not supported for an OKP key";
pub(super) const OKP_X: [Fault; 2] = [
    "[x] field is missing for an OKP key",
    "[x] field is not string for an OKP key",
];
pub(super) const OKP_BASE64: Fault = "Jwks OKP [x] field is an invalid Base64.";
pub(super) const OKP_LENGTH: Fault = "Jwks OKP [x] field is wrong length.";
