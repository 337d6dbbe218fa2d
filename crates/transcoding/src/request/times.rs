//! `Timestamp` and `Duration` from their texts, to messages of theirs with both fields.

use crate::wire::{put_tag, put_varint};

/// The first and the last second of the years 1 to 9999.
pub(crate) const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// How many seconds a duration may have, either way.
pub(crate) const MOST_SECONDS: i64 = 315_576_000_000;

fn message(seconds: i64, nanos: i32) -> Vec<u8> {
    let mut out = Vec::new();
    put_tag(&mut out, 1, 0);
    put_varint(&mut out, seconds.cast_unsigned());
    put_tag(&mut out, 2, 0);
    put_varint(&mut out, i64::from(nanos).cast_unsigned());
    out
}

/// What is behind the point, in billionths.
fn nanos(fraction: &str, no_number: &str, too_long: &str) -> Result<i32, String> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_number.to_owned());
    }
    if fraction.len() > 9 {
        return Err(too_long.to_owned());
    }
    format!("{fraction:0<9}")
        .parse()
        .map_err(|_| no_number.to_owned())
}

fn split(text: &str) -> (&str, &str) {
    text.split_once('.').unwrap_or((text, ""))
}

/// A duration from `1.5s`.
pub(super) fn duration(text: &str) -> Result<Vec<u8>, String> {
    const TOO_LONG: &str = "Duration value exceeds limits";
    let text = text
        .strip_suffix('s')
        .ok_or("Illegal duration format; duration must end with 's'")?;
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (seconds, fraction) = split(text);
    let seconds: u64 = seconds
        .parse()
        .map_err(|_| "Invalid duration format, failed to parse seconds")?;
    let no_number = "Invalid duration format, failed to parse nano seconds";
    let nanos = nanos(fraction, no_number, TOO_LONG)?;
    let seconds = i64::try_from(seconds).map_err(|_| TOO_LONG)?;
    if seconds > MOST_SECONDS {
        return Err(TOO_LONG.to_owned());
    }
    Ok(match is_negative {
        true => message(-seconds, -nanos),
        false => message(seconds, nanos),
    })
}

/// A timestamp from `1970-01-01T00:00:00Z`.
pub(super) fn timestamp(text: &str) -> Result<Vec<u8>, String> {
    const TOO_FAR: &str = "Timestamp value exceeds limits";
    let (time, offset_seconds) = zone(text).ok_or(
        "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.",
    )?;
    let (time, fraction) = split(time);
    let no_number = "Invalid time format, failed to parse nano seconds";
    let nanos = nanos(fraction, no_number, TOO_FAR)?;
    let seconds = seconds(time).ok_or("Invalid time format: Failed to parse input")?;
    let seconds = seconds - offset_seconds;
    match TIMESTAMPS.contains(&seconds) {
        true => Ok(message(seconds, nanos)),
        false => Err(TOO_FAR.to_owned()),
    }
}

/// What is before the zone, and how many seconds the zone is ahead.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, 0));
    }
    let (time, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some((time, sign * (hours * 3600 + minutes * 60)))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The seconds since 1970 of `2020-01-02T03:04:05`.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let mut time = time.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    let second = digits(second, 2)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a day: years begin in March, so that the day that may be missing is the last one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + of_year - 719_468
}
