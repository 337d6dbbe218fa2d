//! What may be wrong with a token or the keys for it, in Envoy's words and with its numbers.

macro_rules! statuses {
    ($($name:ident = $number:literal, $text:literal;)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Status {
            $(#[doc = $text] $name,)+
        }

        impl Status {
            /// Envoy's number of it, which metadata tell.
            pub(super) const fn number(self) -> u32 {
                match self {
                    $(Status::$name => $number,)+
                }
            }

            /// Envoy's words for it.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Status::$name => $text,)+
                }
            }
        }
    };
}

statuses! {
    Missing = 1, "Jwt is missing";
    NotYetValid = 2, "Jwt not yet valid";
    Expired = 3, "Jwt is expired";
    BadFormat = 4, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    HeaderBadBase64 = 5, "Jwt header is an invalid Base64url encoded";
    HeaderBadJson = 6, "Jwt header is an invalid JSON";
    HeaderBadAlgorithm = 7, "Jwt header [alg] field is required and must be a string";
    HeaderUnknownAlgorithm = 8, "Jwt header [alg] is not supported";
    HeaderBadKeyId = 9, "Jwt header [kid] field is not a string";
    PayloadBadBase64 = 10, "Jwt payload is an invalid Base64url encoded";
    PayloadBadJson = 11, "Jwt payload is an invalid JSON";
    IssuerNotText = 12, "Jwt payload [iss] field is not a string";
    SubjectNotText = 13, "Jwt payload [sub] field is not a string";
    IssuedNotInteger = 14, "Jwt payload [iat] field is not an integer";
    IssuedOutOfRange = 15, "Jwt payload [iat] field is not a positive 64 bit integer";
    BeginNotInteger = 16, "Jwt payload [nbf] field is not an integer";
    BeginOutOfRange = 17, "Jwt payload [nbf] field is not a positive 64 bit integer";
    EndNotInteger = 18, "Jwt payload [exp] field is not an integer";
    EndOutOfRange = 19, "Jwt payload [exp] field is not a positive 64 bit integer";
    IdNotText = 20, "Jwt payload [jti] field is not a string";
    AudienceNotText = 21, "Jwt payload [aud] field is not a string or string list";
    SignatureBadBase64 = 22, "Jwt signature is an invalid Base64url encoded";
    Ed25519WrongLength = 23, "Jwt ED25519 signature is wrong length";
    UnknownIssuer = 24, "Jwt issuer is not configured";
    AudienceNotAllowed = 25, "Audiences in Jwt are not allowed";
    VerificationFails = 26, "Jwt verification fails";
    NoValidKeys = 31, "Jwks doesn't have any valid public key";
    KeyMismatch = 32, "Jwks doesn't have key to match kid or alg from Jwt";
    FetchFails = 40, "Jwks remote fetch is failed";
}
