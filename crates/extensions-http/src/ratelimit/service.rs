//! What the service is asked, and the headers that tell of its limits.

use nuncio_contract::headers::{HeaderMap, HeaderName, is_valid_value};
use nuncio_contract::rate_limit::Descriptor;
use nuncio_contract::service_values::text;
use nuncio_service_messages::Message;
use nuncio_service_messages::common::{HeaderValue, UInt64Value};
use nuncio_service_messages::rate_limit::{
    Code, DescriptorStatus, Entry, RateLimitDescriptor, RateLimitOverride, RateLimitRequest,
};

use crate::ext_authz::decides_framing;

/// The question.
pub(super) fn request(domain: &str, descriptors: Vec<Descriptor>, hits: u32) -> Vec<u8> {
    let descriptors = descriptors.into_iter().map(|descriptor| {
        let entries = descriptor.entries.into_iter().map(|entry| Entry {
            key: entry.key.into(),
            value: text(&entry.value),
        });
        RateLimitDescriptor {
            entries: entries.collect(),
            limit: descriptor.limit.map(|limit| RateLimitOverride {
                requests_per_unit: limit.requests_per_unit,
                unit: limit.unit,
            }),
            hits_addend: descriptor.hits.map(|value| UInt64Value { value }),
            is_negative_hits: descriptor.gives_back,
        }
    });
    let request = RateLimitRequest {
        domain: domain.to_owned(),
        descriptors: descriptors.collect(),
        hits_addend: hits,
    };
    request.encode_to_vec()
}

/// Headers of the service that are headers, but for those that say where a body ends.
pub(super) fn headers(list: &[HeaderValue]) -> Vec<(HeaderName, Vec<u8>)> {
    list.iter()
        .filter(|header| is_valid_value(header.bytes()) && !decides_framing(&header.key))
        .filter_map(|header| {
            let name = HeaderName::parse(&header.key).ok()?;
            Some((name, header.bytes().to_vec()))
        })
        .collect()
}

/// How many seconds a unit has; none for one that nobody knows.
fn seconds(unit: i32) -> Option<u32> {
    const DAY: u32 = 86_400;
    Some(match unit {
        1 => 1,
        2 => 60,
        3 => 3600,
        4 => DAY,
        5 => 30 * DAY,
        6 => 365 * DAY,
        7 => 7 * DAY,
        _ => return None,
    })
}

/// The headers that tell of the limit that is nearest, and of all.
pub(super) fn limit_headers(statuses: &[DescriptorStatus]) -> Vec<(HeaderName, Vec<u8>)> {
    let mut nearest: Option<(&DescriptorStatus, u32)> = None;
    let mut all = String::new();
    for status in statuses {
        let Some(limit) = &status.current_limit else {
            continue;
        };
        if nearest.is_none_or(|(other, _)| status.limit_remaining < other.limit_remaining) {
            nearest = Some((status, limit.requests_per_unit));
        }
        if let Some(window) = seconds(limit.unit) {
            all += &format!(", {};w={window}", limit.requests_per_unit);
            if !limit.name.is_empty() {
                all += &format!(";name=\"{}\"", limit.name);
            }
        }
    }
    let Some((status, requests)) = nearest else {
        return Vec::new();
    };
    let reset = status.duration_until_reset.as_ref();
    let reset = reset.map_or(0, |duration| duration.seconds);
    [
        ("x-ratelimit-limit", format!("{requests}{all}")),
        ("x-ratelimit-remaining", status.limit_remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ]
    .into_iter()
    .filter(|(_, value)| is_valid_value(value.as_bytes()))
    .filter_map(|(name, value)| Some((HeaderName::parse(name).ok()?, value.into_bytes())))
    .collect()
}

/// Adds in how many seconds the last of the limits that are exceeded counts anew, at least one, unless the service says
/// when to come again.
pub(super) fn tell_when_again(
    statuses: &[DescriptorStatus],
    given: &mut Vec<(HeaderName, Vec<u8>)>,
) {
    let exceeded = statuses
        .iter()
        .filter(|status| status.code() == Code::OverLimit);
    let seconds = exceeded.map(|status| {
        let reset = status.duration_until_reset.as_ref();
        reset.map_or(1, |duration| duration.seconds.max(1))
    });
    let says_so = given
        .iter()
        .any(|(name, _)| name.as_bytes() == b"retry-after");
    if let (Some(seconds), false) = (seconds.max(), says_so)
        && let Ok(name) = HeaderName::parse("retry-after")
    {
        given.push((name, seconds.to_string().into_bytes()));
    }
}

/// Adds headers behind what is there.
pub(super) fn append(headers: &[(HeaderName, Vec<u8>)], to: &mut HeaderMap) {
    for (name, value) in headers {
        to.append(name, value);
    }
}
