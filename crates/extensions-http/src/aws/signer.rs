//! Signature Version 4, and 4A: the same but for its key, and that regions stand in a header of their own.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use nuncio_contract::formatter::timestamp;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use super::asymmetric;
use super::canonical::{self, Choice};
use super::chain::Chain;
use super::credentials::Credentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Signs requests for one service.
pub(crate) struct Signer {
    pub(crate) service: Box<str>,
    pub(crate) region: Box<str>,
    pub(crate) credentials: Chain,
    pub(crate) choice: Choice,
    /// Signs in the query; for how many seconds the signature counts.
    pub(crate) in_query: Option<u64>,
    /// Signs by version 4A; the region may be several.
    pub(crate) is_asymmetric: bool,
    pub(crate) names: Names,
}

/// The headers of signatures.
pub(crate) struct Names {
    pub(crate) content: HeaderName,
    pub(crate) date: HeaderName,
    pub(crate) token: HeaderName,
    pub(crate) regions: HeaderName,
}

impl Default for Names {
    fn default() -> Self {
        let name = |text| HeaderName::parse(text).unwrap_or(HeaderName::from(Known::Authorization));
        Names {
            content: name("x-amz-content-sha256"),
            date: name("x-amz-date"),
            token: name("x-amz-security-token"),
            regions: name("x-amz-region-set"),
        }
    }
}

/// What is signed of the body.
pub(crate) enum Payload<'a> {
    Unsigned,
    /// There is none.
    Nothing,
    /// This, in two parts.
    Body(&'a [u8], &'a [u8]),
}

impl Signer {
    /// Signs a request at this time; without credentials it says no more than what its body is.
    pub(crate) fn sign(&self, request: &mut HeaderMap, payload: &Payload<'_>, now: SystemTime) {
        let hash = match payload {
            Payload::Unsigned => UNSIGNED.to_owned(),
            Payload::Nothing => hex(digest(&SHA256, b"").as_ref()),
            Payload::Body(one, other) => {
                let mut all = aws_lc_rs::digest::Context::new(&SHA256);
                all.update(one);
                all.update(other);
                hex(all.finish().as_ref())
            }
        };
        if self.in_query.is_none() || !matches!(payload, Payload::Body(..)) {
            request.replace(&self.names.content, hash.as_bytes());
        }
        let Some(credentials) = self.credentials.current() else {
            return;
        };
        let digits: String = timestamp(now)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let (day, time) = digits.split_at(digits.len().min(8));
        let time: String = time.chars().take(6).collect();
        let date = format!("{day}T{time}Z");
        let scope = match self.is_asymmetric {
            true => format!("{day}/{}/aws4_request", self.service),
            false => format!("{day}/{}/{}/aws4_request", self.region, self.service),
        };
        match self.in_query {
            None => self.sign_headers(request, &credentials, &hash, (&date, day, &scope)),
            Some(seconds) => {
                let moment = (&*date, day, &*scope);
                self.sign_query(request, &credentials, &hash, moment, seconds);
            }
        }
    }

    fn sign_headers(
        &self,
        request: &mut HeaderMap,
        credentials: &Credentials,
        hash: &str,
        (date, day, scope): Moment<'_>,
    ) {
        request.remove(Known::Authorization);
        request.remove(&self.names.token);
        if let Some(token) = &credentials.session_token {
            request.replace(&self.names.token, token.as_bytes());
        }
        request.replace(&self.names.date, date.as_bytes());
        if self.is_asymmetric {
            request.replace(&self.names.regions, self.region.as_bytes());
        }
        let headers = canonical::headers(request, &self.choice);
        let signature = self.signature(request, credentials, &headers, hash, (date, day, scope));
        let id = &credentials.access_key_id;
        let names = canonical::names(&headers);
        let names = String::from_utf8_lossy(&names);
        let value = format!(
            "{} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.algorithm()
        );
        request.append(Known::Authorization, value.as_bytes());
    }

    fn sign_query(
        &self,
        request: &mut HeaderMap,
        credentials: &Credentials,
        hash: &str,
        (date, day, scope): Moment<'_>,
        seconds: u64,
    ) {
        let headers = canonical::headers(request, &self.choice);
        let path = request.get(Known::Path).unwrap_or_default();
        let (path, mut parameters) = parameters(path);
        let id = &credentials.access_key_id;
        let credential = canonical::component(format!("{id}/{scope}").as_bytes());
        let token = credentials.session_token.as_ref();
        let token = token.map(|token| canonical::encoded(token.as_bytes(), b""));
        let regions = self.is_asymmetric.then_some(&self.region);
        let regions = regions.map(|regions| canonical::component(regions.as_bytes()));
        for (name, value) in [
            ("X-Amz-Algorithm", Some(self.algorithm().into())),
            ("X-Amz-Region-Set", regions),
            ("X-Amz-Date", Some(date.as_bytes().to_vec())),
            ("X-Amz-Expires", Some(seconds.to_string().into_bytes())),
            ("X-Amz-Security-Token", token),
            ("X-Amz-Credential", Some(credential)),
            (
                "X-Amz-SignedHeaders",
                Some(canonical::component(&canonical::names(&headers))),
            ),
        ] {
            let values = value.into_iter();
            values.for_each(|value| add(&mut parameters, name, value));
        }
        request.set(Known::Path, &target(&path, &parameters));
        let signature = self.signature(request, credentials, &headers, hash, (date, day, scope));
        add(&mut parameters, "X-Amz-Signature", signature.into_bytes());
        request.set(Known::Path, &target(&path, &parameters));
    }

    const fn algorithm(&self) -> &'static str {
        match self.is_asymmetric {
            true => asymmetric::ALGORITHM,
            false => ALGORITHM,
        }
    }

    /// What is signed in the end.
    pub(super) fn text(
        &self,
        request: &HeaderMap,
        headers: &BTreeMap<Vec<u8>, Vec<u8>>,
        hash: &str,
        (date, _, scope): Moment<'_>,
    ) -> String {
        let canonical = canonical::request(request, headers, hash, self.keeps_path());
        let canonical = hex(digest(&SHA256, &canonical).as_ref());
        format!("{}\n{date}\n{scope}\n{canonical}", self.algorithm())
    }

    fn signature(
        &self,
        request: &HeaderMap,
        credentials: &Credentials,
        headers: &BTreeMap<Vec<u8>, Vec<u8>>,
        hash: &str,
        moment: Moment<'_>,
    ) -> String {
        let text = self.text(request, headers, hash, moment);
        if self.is_asymmetric {
            let key = credentials.asymmetric();
            let signature = key.and_then(|key| key.sign(text.as_bytes()));
            return hex(&signature.unwrap_or_default());
        }
        let first = format!("AWS4{}", credentials.secret_access_key);
        let parts = [moment.1, &self.region, &self.service, "aws4_request", &text];
        let mut key = first.into_bytes();
        for part in parts {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
            key = tag.as_ref().to_vec();
        }
        hex(&key)
    }

    /// Objects of these services are called by their paths as they are.
    fn keeps_path(&self) -> bool {
        let services = ["s3", "s3-outposts"];
        services
            .iter()
            .any(|one| self.service.eq_ignore_ascii_case(one))
    }
}

/// The date, its day, and the scope of credentials.
type Moment<'a> = (&'a str, &'a str, &'a str);

/// Parameters of a query as they stand there, by name.
type Parameters = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

fn parameters(target: &[u8]) -> (Vec<u8>, Parameters) {
    let end = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(end.unwrap_or(target.len()));
    let mut all = Parameters::new();
    let pieces = query
        .get(1..)
        .unwrap_or_default()
        .split(|byte| *byte == b'&');
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let end = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(end.unwrap_or(piece.len()));
        let values = all.entry(name.to_vec()).or_default();
        values.push(value.get(1..).unwrap_or_default().to_vec());
    }
    (path.to_vec(), all)
}

fn add(parameters: &mut Parameters, name: &str, value: Vec<u8>) {
    let values = parameters.entry(name.as_bytes().to_vec()).or_default();
    values.push(value);
}

fn target(path: &[u8], parameters: &Parameters) -> Vec<u8> {
    let pairs = parameters.iter().flat_map(|(name, values)| {
        values
            .iter()
            .map(move |value| [&**name, &**value].join(&b'='))
    });
    let pairs: Vec<_> = pairs.collect();
    [path, &pairs.join(&b'&')].join(&b'?')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
