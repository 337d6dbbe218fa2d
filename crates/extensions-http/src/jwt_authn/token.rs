//! A token, read but not yet believed.

use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::claims;
use super::status::Status;
use nuncio_config::base64_url::decode;

/// How a token may be signed.
const ALGORITHMS: [&str; 13] = [
    "ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
    "PS384", "PS512", "EdDSA",
];

/// A token.
#[derive(Debug)]
pub(super) struct Token {
    /// What is signed: header and payload as they came.
    pub(super) signed: Box<[u8]>,
    /// The payload as it came.
    pub(super) payload_text: Box<str>,
    pub(super) algorithm: Box<str>,
    /// Empty if it has none.
    pub(super) key_id: Box<str>,
    pub(super) signature: Vec<u8>,
    pub(super) header: Struct,
    pub(super) payload: Struct,
    pub(super) issuer: Box<str>,
    pub(super) subject: Box<str>,
    pub(super) audiences: Vec<Box<str>>,
    begin: u64,
    end: u64,
    has_end: bool,
}

impl Token {
    /// Reads a token.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Status> {
        let parts: Vec<_> = text.split(|byte| *byte == b'.').collect();
        let [header_text, payload_text, signature] = parts[..] else {
            return Err(Status::BadFormat);
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(Status::BadFormat);
        }
        let header = decode(header_text).ok_or(Status::HeaderBadBase64)?;
        let header = claims::read(&header).ok_or(Status::HeaderBadJson)?;
        let algorithm = match header.get("alg") {
            Some(Value::String(algorithm)) => algorithm.clone(),
            _ => return Err(Status::HeaderBadAlgorithm),
        };
        if !ALGORITHMS.contains(&&*algorithm) {
            return Err(Status::HeaderUnknownAlgorithm);
        }
        let key_id = text_of(&header, "kid", Status::HeaderBadKeyId)?;
        let payload = decode(payload_text).ok_or(Status::PayloadBadBase64)?;
        let payload = claims::read(&payload).ok_or(Status::PayloadBadJson)?;
        let issuer = text_of(&payload, "iss", Status::IssuerNotText)?;
        let subject = text_of(&payload, "sub", Status::SubjectNotText)?;
        let [not_integer, out] = [Status::IssuedNotInteger, Status::IssuedOutOfRange];
        seconds_of(&payload, "iat", not_integer, out)?;
        let [not_integer, out] = [Status::BeginNotInteger, Status::BeginOutOfRange];
        let begin = seconds_of(&payload, "nbf", not_integer, out)?;
        let [not_integer, out] = [Status::EndNotInteger, Status::EndOutOfRange];
        let end = seconds_of(&payload, "exp", not_integer, out)?;
        text_of(&payload, "jti", Status::IdNotText)?;
        let audiences = audiences_of(&payload)?;
        let signature = decode(signature).ok_or(Status::SignatureBadBase64)?;
        Ok(Token {
            signed: [header_text, b".", payload_text].concat().into(),
            payload_text: String::from_utf8_lossy(payload_text).into(),
            algorithm,
            key_id,
            signature,
            header,
            issuer,
            subject,
            audiences,
            begin: begin.unwrap_or(0),
            end: end.unwrap_or(0),
            has_end: end.is_some(),
            payload,
        })
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn end(&self) -> Option<u64> {
        self.has_end.then_some(self.end)
    }

    /// Whether it counts now.
    pub(super) fn check_time(&self, now_seconds: u64, skew_seconds: u64) -> Result<(), Status> {
        if now_seconds.saturating_add(skew_seconds) < self.begin {
            return Err(Status::NotYetValid);
        }
        if self.end > 0 && now_seconds > self.end.saturating_add(skew_seconds) {
            return Err(Status::Expired);
        }
        Ok(())
    }
}

fn text_of(claims: &Struct, name: &str, wrong: Status) -> Result<Box<str>, Status> {
    match claims.get(name) {
        None => Ok(Box::default()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong),
    }
}

fn seconds_of(
    claims: &Struct,
    name: &str,
    not_integer: Status,
    out_of_range: Status,
) -> Result<Option<u64>, Status> {
    /// 2^63.
    const TOO_MUCH: f64 = 9_223_372_036_854_775_808.0;
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) if (0.0..TOO_MUCH).contains(number) => {
            Ok(Some(claims::whole(*number)))
        }
        Some(Value::Number(_)) => Err(out_of_range),
        Some(_) => Err(not_integer),
    }
}

fn audiences_of(claims: &Struct) -> Result<Vec<Box<str>>, Status> {
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::List(all)) => {
            let all = all.iter().map(|one| match one {
                Value::String(one) => Ok(one.clone()),
                _ => Err(Status::AudienceNotText),
            });
            all.collect()
        }
        Some(_) => Err(Status::AudienceNotText),
    }
}
