//! Whether an answer may be kept, how old it is, and whether it may be served without asking the host.

use std::time::{Duration, SystemTime};

use nuncio_contract::headers::{HeaderMap, Known};

use super::control::{RequestControl, ResponseControl, Seconds};
use super::date;
use super::vary::AllowList;

/// The statuses that may be kept. 206 is not among them: what is kept stands for the whole.
const KEPT: [&[u8]; 12] = [
    b"200", b"203", b"204", b"300", b"301", b"308", b"404", b"405", b"410", b"414", b"451", b"501",
];

/// Whether a response may be kept.
pub(crate) fn is_kept(response: &HeaderMap, allowed_vary: &AllowList) -> bool {
    let control = control_of(response);
    let has_lifetime = control.must_validate
        || control.max_age.is_some()
        || response.contains(Known::Date) && response.contains(Known::Expires);
    let status = response.get(Known::Status).unwrap_or_default();
    has_lifetime && !control.no_store && KEPT.contains(&status) && allowed_vary.allows(response)
}

/// How old a kept response is.
pub(crate) fn age(response: &HeaderMap, came: SystemTime, now: SystemTime) -> Seconds {
    let date = date_of(response, Known::Date).unwrap_or(0);
    let (came, now) = (since_epoch(came), since_epoch(now));
    let date = milliseconds(date);
    let apparent = came.saturating_sub(date).max(0);
    let told = response.get_str(Known::Age).map(str::trim_ascii);
    let told = told.and_then(|text| text.parse::<Seconds>().ok());
    let initial = apparent.max(milliseconds(told.unwrap_or(0)));
    initial.saturating_add(now.saturating_sub(came)) / 1000
}

/// Whether a kept response of this age may be served only if its host says that it has not changed.
pub(crate) fn needs_validation(
    response: &HeaderMap,
    age: Seconds,
    request: &RequestControl,
) -> bool {
    let control = control_of(response);
    let too_old = request.max_age.is_some_and(|max| max < age);
    if control.must_validate || request.must_validate || too_old {
        return true;
    }
    let expires = || {
        let expires = date_of(response, Known::Expires).unwrap_or(0);
        let date = date_of(response, Known::Date).unwrap_or(0);
        expires.saturating_sub(date)
    };
    let lifetime = control.max_age.unwrap_or_else(expires);
    if age > lifetime {
        let staleness = age.saturating_sub(lifetime);
        let may_be_stale = request.max_stale.is_some_and(|max| max > staleness);
        return control.no_stale || !may_be_stale;
    }
    let rest = lifetime.saturating_sub(age);
    request.min_fresh.is_some_and(|wanted| wanted > rest)
}

/// The date in a header.
pub(crate) fn date_of(head: &HeaderMap, name: Known) -> Option<Seconds> {
    head.get(name).and_then(date::parse)
}

fn control_of(response: &HeaderMap) -> ResponseControl {
    ResponseControl::of(response.get(Known::CacheControl).unwrap_or_default())
}

fn milliseconds(seconds: Seconds) -> i64 {
    seconds.saturating_mul(1000)
}

fn since_epoch(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}
