//! Headers by which a host says when it takes requests again: `retry-after`, `x-ratelimit-reset` and the like.

use std::time::{Duration, SystemTime};

use nuncio_contract::headers::{HeaderMap, HeaderName};

/// Such a header.
#[derive(Debug)]
pub struct ResetHeader {
    /// Its name.
    pub name: HeaderName,
    /// Whether it holds a time, in seconds since 1970, rather than seconds from now.
    pub is_timestamp: bool,
}

impl ResetHeader {
    /// The time that it asks for.
    pub fn interval(&self, response: &HeaderMap, now: SystemTime) -> Option<Duration> {
        let value = response.get(&self.name)?;
        let seconds: u64 = std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()?;
        if !self.is_timestamp {
            return Some(Duration::from_secs(seconds));
        }
        let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        seconds
            .checked_sub(since.as_secs())
            .map(Duration::from_secs)
    }
}
