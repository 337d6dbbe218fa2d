//! Times: from and to texts, and their parts.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const SECOND_NS: i128 = 1_000_000_000;
/// Longer durations are none in CEL: 10,000 years.
const MOST_SECONDS: i128 = 315_576_000_000;

/// A part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    /// From 0.
    Month,
    /// From 0.
    DayOfMonth,
    /// From 1.
    Date,
    /// From 0, a Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// The part that a function of this name gives.
    pub(super) fn named(function: &str) -> Option<Self> {
        Some(match function {
            "getFullYear" => Part::FullYear,
            "getMonth" => Part::Month,
            "getDayOfMonth" => Part::DayOfMonth,
            "getDate" => Part::Date,
            "getDayOfWeek" => Part::DayOfWeek,
            "getDayOfYear" => Part::DayOfYear,
            "getHours" => Part::Hours,
            "getMinutes" => Part::Minutes,
            "getSeconds" => Part::Seconds,
            "getMilliseconds" => Part::Milliseconds,
            _ => return None,
        })
    }

    /// Of a point in time, in a time zone.
    pub(super) fn of_timestamp(self, ns: i128, zone: Option<&[u8]>) -> Option<i64> {
        let time = civil(ns, zone)?;
        Some(match self {
            Part::FullYear => time.year().into(),
            Part::Month => i64::from(time.month()) - 1,
            Part::DayOfMonth => i64::from(time.day()) - 1,
            Part::Date => time.day().into(),
            Part::DayOfWeek => time.weekday().to_sunday_zero_offset().into(),
            Part::DayOfYear => i64::from(time.day_of_year()) - 1,
            Part::Hours => time.hour().into(),
            Part::Minutes => time.minute().into(),
            Part::Seconds => time.second().into(),
            Part::Milliseconds => time.millisecond().into(),
        })
    }

    /// Of a duration: all of it in this unit, but for milliseconds.
    pub(super) fn of_duration(self, ns: i128) -> Option<i64> {
        let all = match self {
            Part::Hours => ns / (3600 * SECOND_NS),
            Part::Minutes => ns / (60 * SECOND_NS),
            Part::Seconds => ns / SECOND_NS,
            Part::Milliseconds => ns / 1_000_000 % 1000,
            _ => return None,
        };
        i64::try_from(all).ok()
    }
}

/// A point in time as a calendar has it; none outside of its years.
fn civil(ns: i128, zone: Option<&[u8]>) -> Option<DateTime> {
    let zone = std::str::from_utf8(zone.unwrap_or_default()).ok()?;
    let utc = Timestamp::from_nanosecond(ns).ok()?;
    if zone.is_empty() {
        return Some(Offset::UTC.to_datetime(utc));
    }
    match offset_seconds(zone) {
        Some(seconds) => {
            let moved = utc.checked_add(SignedDuration::from_secs(seconds)).ok()?;
            Some(Offset::UTC.to_datetime(moved))
        }
        None => Some(TimeZone::get(zone).ok()?.to_datetime(utc)),
    }
}

/// `+02:00` and the like.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (hours, minutes) = zone.split_once(':')?;
    let (sign, hours) = match hours.strip_prefix('-') {
        Some(hours) => (-1, hours),
        None => (1, hours.strip_prefix('+').unwrap_or(hours)),
    };
    let number = |text: &str| text.parse::<u16>().ok().map(i64::from);
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// A timestamp of RFC 3339, in nanoseconds since 1970.
pub fn parse_timestamp(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let offset = match zone {
        "Z" | "z" => 0,
        other => offset_seconds(other)?,
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if second > 60 {
        return None;
    }
    let start = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        0,
        0,
    );
    let start = Offset::UTC.to_timestamp(start.ok()?).ok()?;
    let seconds = i128::from(second) - i128::from(offset);
    Some(start.as_nanosecond() + seconds * SECOND_NS + fraction_ns(fraction)?)
}

fn digits(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The digits behind a point in billionths; those beyond do not count.
fn fraction_ns(text: &str) -> Option<i128> {
    digits(text.get(..text.len().min(9))?)?;
    let nine: String = text.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

/// A duration as Go and Abseil write it: numbers with units.
pub(super) fn parse_duration(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(end)?;
        let units: [(&str, i128); 6] = [
            ("ns", 1),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("s", SECOND_NS),
            ("m", 60 * SECOND_NS),
            ("h", 3600 * SECOND_NS),
        ];
        let (unit, size) = units
            .into_iter()
            .find(|(unit, _)| behind.starts_with(unit))?;
        rest = behind.get(unit.len()..)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
            return None;
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let part = match fraction {
            "" => 0,
            digits => fraction_ns(digits)? * size / SECOND_NS,
        };
        total = total.checked_add(whole.checked_mul(size)?.checked_add(part)?)?;
    }
    (total <= MOST_SECONDS * SECOND_NS).then_some(sign * total)
}

/// `1h30m`, `1.5s`, `196.614us`: as Abseil shows a duration.
pub(super) fn show_duration(ns: i128) -> String {
    if ns == 0 {
        return "0".to_owned();
    }
    let sign = if ns < 0 { "-" } else { "" };
    let size = ns.abs();
    let unit = |size: i128, unit: i128, name: &str| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", size % unit);
        let fraction = fraction.trim_end_matches('0');
        match fraction.is_empty() || unit == 1 {
            true => format!("{}{name}", size / unit),
            false => format!("{}.{fraction}{name}", size / unit),
        }
    };
    let text = match size {
        ..1_000 => unit(size, 1, "ns"),
        1_000..1_000_000 => unit(size, 1_000, "us"),
        1_000_000..SECOND_NS => unit(size, 1_000_000, "ms"),
        _ => {
            let (hour, minute) = (3600 * SECOND_NS, 60 * SECOND_NS);
            let mut text = String::new();
            if size >= hour {
                text.push_str(&format!("{}h", size / hour));
            }
            if size % hour >= minute {
                text.push_str(&format!("{}m", size % hour / minute));
            }
            if size % minute > 0 {
                text.push_str(&unit(size % minute, SECOND_NS, "s"));
            }
            text
        }
    };
    format!("{sign}{text}")
}

/// `2020-01-01T00:00:00.5+00:00`.
pub(super) fn show_timestamp(ns: i128) -> Option<String> {
    let time = civil(ns, None)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = format!("{:09}", time.subsec_nanosecond());
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    Some(format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00"
    ))
}

/// A duration in JSON: seconds with 0, 3, 6 or 9 digits.
pub(crate) fn json_duration(ns: i128) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let (seconds, fraction) = (ns.abs() / SECOND_NS, ns.abs() % SECOND_NS);
    format!("{sign}{seconds}{}s", short_fraction(fraction))
}

/// A point in time in JSON; none outside of the years 1 to 9999.
pub(crate) fn json_timestamp(ns: i128) -> Option<String> {
    let time = civil(ns, None).filter(|time| time.year() >= 1)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = short_fraction(time.subsec_nanosecond().into());
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

fn short_fraction(ns: i128) -> String {
    match ns {
        0 => String::new(),
        _ if ns % 1_000_000 == 0 => format!(".{:03}", ns / 1_000_000),
        _ if ns % 1_000 == 0 => format!(".{:06}", ns / 1_000),
        _ => format!(".{ns:09}"),
    }
}
