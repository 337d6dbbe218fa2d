//! OCSP responses (RFC 6960) that are stapled to handshakes: what must be known of one to decide on it.
//!
//! As in Envoy, one response about one certificate; its signature is for the client to check.

use rustls::pki_types::UnixTime;
use x509_parser::prelude::X509Certificate;

use super::der::{
    CONTEXT, Der, ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE,
};
use super::downstream_messages::OcspStaplePolicy;

/// 1.3.6.1.5.5.7.48.1.1
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// 1.3.6.1.5.5.7.1.24
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";

/// A response as far as it is looked at.
#[derive(Clone, Debug)]
pub(super) struct OcspResponse {
    pub(super) der: Vec<u8>,
    serial: Vec<u8>,
    /// `YYYYMMDDHHMMSSZ`
    next_update: Option<Vec<u8>>,
}

/// What becomes of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OcspAction {
    /// The response is shown.
    Staple,
    /// None is.
    NoStaple,
    /// The certificate may not be shown.
    Fail,
    /// The client does not want any.
    NotAsked,
}

impl OcspResponse {
    /// Reads a response; the error is Envoy's.
    pub(super) fn parse(der: Vec<u8>) -> Result<Self, &'static str> {
        const MALFORMED: &str = "OCSP response is malformed";
        let mut response = Der::new(&der).enter(SEQUENCE).ok_or(MALFORMED)?;
        let status = response.expect(ENUMERATED).ok_or(MALFORMED)?;
        if status != [0] {
            return Err("OCSP response was unsuccessful");
        }
        let bytes = response
            .enter(CONTEXT[0])
            .and_then(|mut inner| inner.enter(SEQUENCE));
        let mut bytes = bytes.ok_or("OCSP response has no body")?;
        if bytes.expect(OID) != Some(BASIC) {
            return Err("Unknown OCSP response type");
        }
        let basic = bytes
            .enter(OCTET_STRING)
            .and_then(|mut inner| inner.enter(SEQUENCE));
        let mut data = basic
            .and_then(|mut basic| basic.enter(SEQUENCE))
            .ok_or(MALFORMED)?;
        if data.tag() == Some(CONTEXT[0]) {
            let _version = data.next();
        }
        let _responder = data.next().ok_or(MALFORMED)?;
        let _produced_at = data.expect(GENERALIZED_TIME).ok_or(MALFORMED)?;
        let mut singles = data.enter(SEQUENCE).ok_or(MALFORMED)?;
        let single = singles.enter(SEQUENCE).ok_or(MALFORMED)?;
        if !singles.is_empty() {
            return Err("OCSP Response must be for one certificate only");
        }
        let (serial, next_update) = about_one(single).ok_or(MALFORMED)?;
        let (serial, next_update) = (serial.to_vec(), next_update.map(<[u8]>::to_vec));
        Ok(OcspResponse {
            der,
            serial,
            next_update,
        })
    }

    /// Whether it is about this certificate.
    pub(super) fn matches(&self, certificate: &X509Certificate<'_>) -> bool {
        certificate.raw_serial() == self.serial
    }

    /// Whether there should be a newer one.
    pub(super) fn is_expired(&self, now: UnixTime) -> bool {
        let Some(text) = &self.next_update else {
            return true;
        };
        let end = std::str::from_utf8(text).ok().and_then(seconds);
        end.is_none_or(|end| now.as_secs() > end)
    }
}

/// Serial number and next update of a `SingleResponse`.
fn about_one<'a>(mut single: Der<'a>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let mut id = single.enter(SEQUENCE)?;
    let _hash = id.enter(SEQUENCE)?;
    let _issuer_name = id.expect(OCTET_STRING)?;
    let _issuer_key = id.expect(OCTET_STRING)?;
    let serial = id.expect(INTEGER)?;
    let _status = single.next()?;
    let _this_update = single.expect(GENERALIZED_TIME)?;
    let next_update = single.enter(CONTEXT[0]);
    Some((
        serial,
        next_update.and_then(|mut time| time.expect(GENERALIZED_TIME)),
    ))
}

/// Seconds since 1970 of `YYYYMMDDHHMMSSZ`.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of a calendar whose years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let since_1970 = days.checked_sub(719_468)?;
    Some(since_1970 * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Whether a certificate says that it must not be shown without a response.
pub(super) fn must_staple(certificate: &X509Certificate<'_>) -> bool {
    const STATUS_REQUEST: u32 = 5;
    let extensions = certificate.extensions();
    let feature = extensions
        .iter()
        .find(|one| one.oid.to_id_string() == TLS_FEATURE);
    let features = feature.and_then(|feature| Der::new(feature.value).enter(SEQUENCE));
    features.is_some_and(|mut features| {
        std::iter::from_fn(|| features.number()).any(|feature| feature == STATUS_REQUEST)
    })
}

/// What a policy says.
pub(super) fn action(
    response: Option<&OcspResponse>,
    policy: OcspStaplePolicy,
    must_staple: bool,
    is_asked: bool,
    now: UnixTime,
) -> OcspAction {
    if !is_asked {
        return OcspAction::NotAsked;
    }
    let policy = if must_staple {
        OcspStaplePolicy::Must
    } else {
        policy
    };
    let is_valid = response.is_some_and(|response| !response.is_expired(now));
    match (policy, is_valid, response) {
        (_, true, _) => OcspAction::Staple,
        (OcspStaplePolicy::Lenient, ..) | (OcspStaplePolicy::Strict, _, None) => {
            OcspAction::NoStaple
        }
        (OcspStaplePolicy::Strict | OcspStaplePolicy::Must, ..) => OcspAction::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds("19700101000000Z"), Some(0));
        assert_eq!(seconds("20240229120001Z"), Some(1_709_208_001));
        assert_eq!(seconds("20240229120001"), None);
        assert_eq!(seconds("20241329120001Z"), None);
    }

    #[test]
    fn a_policy_decides_where_there_is_no_valid_response() {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(10));
        let with = |next_update: &[u8]| OcspResponse {
            der: Vec::new(),
            serial: Vec::new(),
            next_update: Some(next_update.to_vec()),
        };
        let (valid, expired) = (with(b"20300101000000Z"), with(b"19700101000000Z"));
        use OcspStaplePolicy::{Lenient, Must, Strict};
        for (response, policy, must, wanted) in [
            (Some(&valid), Must, false, OcspAction::Staple),
            (Some(&expired), Lenient, false, OcspAction::NoStaple),
            (Some(&expired), Strict, false, OcspAction::Fail),
            (None, Strict, false, OcspAction::NoStaple),
            (None, Must, false, OcspAction::Fail),
            (None, Lenient, true, OcspAction::Fail),
        ] {
            assert_eq!(
                action(response, policy, must, true, now),
                wanted,
                "{policy:?}"
            );
            let unasked = action(response, policy, must, false, now);
            assert_eq!(unasked, OcspAction::NotAsked);
        }
    }
}
