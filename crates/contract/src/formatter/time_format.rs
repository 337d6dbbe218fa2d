//! Times as text: `%START_TIME(...)%` and its kin.
//!
//! A format is cut up once: `%s`, `%f`, `%3f`, `%*f`, `%E3S`, `%E*S`, `%E3f`, `%E*f` are Envoy's own (a
//! number is the count of digits, `*` is "as many as needed"); the rest is strftime in the C locale, with
//! GNU's flags and widths, and `%Ez`, `%E*z`, `%:z`, `%E4Y`, `%ET` besides. What is not a specifier prints as
//! it stands. Without a format, times print as `2026-11-22T21:59:03.167Z`, local ones with their offset.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::civil::Civil;
use super::error::FormatError;
use super::number::append_u64;
use super::strftime::{self, Specifier};

/// The machine's zone, read at its first use.
static LOCAL_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// The default format.
const ISO_8601: &str = "%Y-%m-%dT%H:%M:%E3SZ";

/// A compiled time format.
#[derive(Clone, Debug)]
pub(super) struct TimeFormat {
    kind: Kind,
    zone: Zone,
}

/// Where on Earth a time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// UTC.
    Utc,
    /// The machine's zone: `TZ` or `/etc/localtime`.
    Local,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The default; nearly every line of every log has it, so that it has a way of its own.
    Iso8601,
    Parts(Box<[Part]>),
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Box<str>),
    Specifier(Specifier),
    EpochSeconds,
    /// Digits of a second; `None` prints as many as needed.
    Subsecond {
        digits: Option<u8>,
        dot: bool,
    },
}

/// A time with its calendar date at an offset.
pub(super) struct Moment<'a> {
    /// The date there.
    pub civil: Civil,
    /// Seconds east of Greenwich.
    pub offset_seconds: i32,
    /// The zone's short name.
    pub zone: &'a str,
}

impl TimeFormat {
    /// Compiles `format`; an empty one gives Envoy's default.
    pub(super) fn parse(format: &str, zone: Zone) -> Result<Self, FormatError> {
        if holds_newline(format) {
            return Err(FormatError::new(
                "Invalid header configuration. Format string contains newline.",
            ));
        }
        let format = match (format, zone) {
            ("" | ISO_8601, Zone::Utc) => {
                return Ok(TimeFormat {
                    kind: Kind::Iso8601,
                    zone,
                });
            }
            ("", Zone::Local) => "%Y-%m-%dT%H:%M:%E3S%z",
            (format, _) => format,
        };
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some((at, length, special)) = next_special(rest) {
            parse_strftime(&rest[..at], &mut parts);
            match special {
                Special::Part(part) => parts.push(part),
                Special::Seconds(digits) => {
                    parts.push(Part::Specifier(Specifier::SECOND));
                    parts.push(Part::Subsecond { digits, dot: true });
                }
            }
            rest = &rest[at + length..];
        }
        parse_strftime(rest, &mut parts);
        Ok(TimeFormat {
            kind: Kind::Parts(parts.into()),
            zone,
        })
    }

    /// Appends `time`.
    pub(super) fn append(&self, time: SystemTime, out: &mut Vec<u8>) {
        match self.zone {
            Zone::Utc => self.append_in(time, None, out),
            Zone::Local => self.append_in(time, Some(&LOCAL_ZONE), out),
        }
    }

    fn append_in(&self, time: SystemTime, zone: Option<&TimeZone>, out: &mut Vec<u8>) {
        let (unix_seconds, nanoseconds) = split(time);
        let parts = match &self.kind {
            Kind::Iso8601 => {
                let civil = Civil::from_unix_seconds(unix_seconds);
                return append_iso_8601(&civil, nanoseconds, out);
            }
            Kind::Parts(parts) => parts,
        };
        let timestamp = zone.zip(Timestamp::from_second(unix_seconds).ok());
        let info = timestamp.map(|(zone, timestamp)| zone.to_offset_info(timestamp));
        let offset_seconds = info.as_ref().map_or(0, |info| info.offset().seconds());
        let civil = Civil::from_unix_seconds(unix_seconds.saturating_add(offset_seconds.into()));
        let zone = info.as_ref().map_or("UTC", |info| info.abbreviation());
        let moment = Moment {
            civil,
            offset_seconds,
            zone,
        };
        for part in parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Specifier(specifier) => specifier.append(&moment, out),
                Part::EpochSeconds => append_i64(unix_seconds, out),
                Part::Subsecond { digits, dot } => {
                    append_subsecond(nanoseconds, *digits, *dot, out)
                }
            }
        }
    }
}

fn append_iso_8601(civil: &Civil, nanoseconds: u32, out: &mut Vec<u8>) {
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, number: u32| {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    };
    // Four digits: no clock of use here is beyond the year 9999.
    let year = civil.year.rem_euclid(10_000) as u32;
    put(0, year / 100);
    put(2, year % 100);
    put(5, civil.month.into());
    put(8, civil.day.into());
    put(11, civil.hour.into());
    put(14, civil.minute.into());
    put(17, civil.second.into());
    let milliseconds = nanoseconds / 1_000_000;
    put(21, milliseconds % 100);
    put(20, milliseconds / 10);
    out.extend_from_slice(&text);
}

fn split(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            since.subsec_nanos(),
        ),
        Err(before) => {
            let until = before.duration();
            let seconds = i64::try_from(until.as_secs()).unwrap_or(i64::MAX);
            match until.subsec_nanos() {
                0 => (-seconds, 0),
                nanoseconds => (-seconds - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}

pub(super) fn append_i64(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    append_u64(number.unsigned_abs(), out);
}

fn append_subsecond(nanoseconds: u32, digits: Option<u8>, dot: bool, out: &mut Vec<u8>) {
    let count = digits.map_or_else(|| needed_digits(nanoseconds), usize::from);
    if dot {
        if count == 0 {
            return;
        }
        out.push(b'.');
    }
    let count = count.max(1);
    let start = out.len();
    // Beyond nanoseconds there are only zeros.
    out.resize(start + count, b'0');
    let mut rest = nanoseconds / 10u32.pow(9 - count.min(9) as u32);
    for place in out.iter_mut().skip(start).take(9.min(count)).rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The digits of a second's fraction without the zeros at its end.
fn needed_digits(nanoseconds: u32) -> usize {
    let zeros = |digits: &usize| nanoseconds.is_multiple_of(10u32.pow(9 - *digits as u32));
    (0..9).find(zeros).unwrap_or(9)
}

enum Special {
    Part(Part),
    Seconds(Option<u8>),
}

/// Finds Envoy's own specifiers: `%[1-9*]?f`, `%s`, `%E[1-9*][Sf]`.
fn next_special(format: &str) -> Option<(usize, usize, Special)> {
    format.match_indices('%').find_map(|(at, _)| {
        let (length, special) = special_at(format.as_bytes().get(at + 1..)?)?;
        Some((at, length + 1, special))
    })
}

fn special_at(text: &[u8]) -> Option<(usize, Special)> {
    let digits = |byte: u8| match byte {
        b'1'..=b'9' => Some(Some(byte - b'0')),
        b'*' => Some(None),
        _ => None,
    };
    let subsecond = |digits| Special::Part(Part::Subsecond { digits, dot: false });
    match *text {
        [b's', ..] => Some((1, Special::Part(Part::EpochSeconds))),
        [b'f', ..] => Some((1, subsecond(Some(9)))),
        [b'E', width, b'S', ..] => Some((3, Special::Seconds(digits(width)?))),
        [b'E', width, b'f', ..] => Some((3, subsecond(digits(width)?))),
        [width, b'f', ..] => Some((2, subsecond(digits(width)?))),
        _ => None,
    }
}

fn parse_strftime(format: &str, parts: &mut Vec<Part>) {
    let mut literal = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        let specifier = &rest[at..];
        match strftime::read(specifier) {
            Some((strftime::Read::Specifier(read), length)) => {
                flush(&mut literal, parts);
                parts.push(Part::Specifier(read));
                rest = &specifier[length..];
            }
            Some((strftime::Read::Text(text), length)) => {
                literal.push_str(text);
                rest = &specifier[length..];
            }
            Some((strftime::Read::Seconds(digits), length)) => {
                flush(&mut literal, parts);
                parts.push(Part::Specifier(Specifier::SECOND));
                if digits > 0 {
                    parts.push(Part::Subsecond {
                        digits: Some(digits),
                        dot: true,
                    });
                }
                rest = &specifier[length..];
            }
            Some((strftime::Read::Subsecond(digits), length)) => {
                flush(&mut literal, parts);
                parts.push(Part::Subsecond {
                    digits: Some(digits),
                    dot: false,
                });
                rest = &specifier[length..];
            }
            None => {
                literal.push('%');
                rest = &specifier[1..];
            }
        }
    }
    literal.push_str(rest);
    flush(&mut literal, parts);
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into()));
    }
}

/// Envoy refuses `%[-_0^#]*[1-9]*(E|O)?n`, which prints a newline.
fn holds_newline(format: &str) -> bool {
    format.match_indices('%').any(|(at, _)| {
        let rest = format[at + 1..].trim_start_matches(['-', '_', '0', '^', '#']);
        let rest = rest.trim_start_matches(|byte| ('1'..='9').contains(&byte));
        rest.starts_with('n') || rest.starts_with("En") || rest.starts_with("On")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-22T22:00:02.340548Z, a Sunday.
    fn text(format: &str) -> String {
        let time = UNIX_EPOCH + Duration::new(1_795_384_802, 340_548_000);
        let mut out = Vec::new();
        TimeFormat::parse(format, Zone::Utc)
            .expect("a good format")
            .append(time, &mut out);
        String::from_utf8(out).expect("times are UTF-8")
    }

    #[test]
    fn formats_print_as_on_the_oracle() {
        for (format, expected) in [
            ("", "2026-11-22T22:00:02.340Z"),
            ("%Y-%m-%d %H:%M:%S", "2026-11-22 22:00:02"),
            ("%s", "1795384802"),
            ("%f", "340548000"),
            ("%3f", "340"),
            ("%1f", "3"),
            ("%*f", "340548"),
            ("%E3S", "02.340"),
            ("%E*S", "02.340548"),
            ("%E3f", "340"),
            ("%E*f", "340548"),
            ("%E4Y", "2026"),
            ("%Ez", "+00:00"),
            ("%E*z", "+00:00:00"),
            ("%z", "+0000"),
            ("%:z", "+00:00"),
            ("%::z", "+00:00:00"),
            ("%:::z", "+00"),
            ("%Z", "UTC"),
            ("%a %A %b %B %h", "Sun Sunday Nov November Nov"),
            ("%c", "Sun Nov 22 22:00:02 2026"),
            ("%C", "20"),
            ("%D", "11/22/26"),
            ("%e", "22"),
            ("%F", "2026-11-22"),
            ("%g %G", "26 2026"),
            ("%I %l", "10 10"),
            ("%j", "326"),
            ("%k", "22"),
            ("%p %P", "PM pm"),
            ("%r", "10:00:02 PM"),
            ("%R", "22:00"),
            ("%s.%3f", "1795384802.340"),
            ("%T", "22:00:02"),
            ("%u %w", "7 0"),
            ("%U %V %W", "47 47 46"),
            ("%x", "11/22/26"),
            ("%X", "22:00:02"),
            ("%y", "26"),
            ("%E", "%E"),
            ("%Ed", "%Ed"),
            ("%Od", "22"),
            ("%q", "%q"),
            ("%1", "%1"),
            ("%-d", "22"),
            ("%_d", "22"),
            ("%^a", "SUN"),
            ("%#Z", "utc"),
            ("%10Y", "0000002026"),
            ("%ES", "%ES"),
            ("%E0S", "02"),
            ("%E15S", "02.340548000000000"),
            ("%E10f", "3405480000"),
            ("%0f", "%0f"),
            ("%i", "%i"),
            ("%L", "%L"),
            ("%t", "\t"),
            ("%+", "%+"),
            ("%v", "%v"),
            ("%EY", "2026"),
            ("%Ey", "26"),
            ("%OS", "02"),
            ("%ET", "T"),
            ("%E3", "%E3"),
            ("%E*", "%E*"),
            ("%é", "%é"),
            ("abc", "abc"),
            ("%e%e", "2222"),
            ("%E4", "%E4"),
            ("%Ec", "Sun Nov 22 22:00:02 2026"),
            ("%OH", "22"),
        ] {
            assert_eq!(text(format), expected, "{format}");
        }
    }

    #[test]
    fn whole_seconds_need_no_digits() {
        let mut out = Vec::new();
        TimeFormat::parse("%E*S|%E*f|%*f|%3f", Zone::Utc)
            .expect("a good format")
            .append(UNIX_EPOCH, &mut out);
        assert_eq!(out, b"00|0|0|000");
    }

    #[test]
    fn a_format_that_prints_a_newline_is_refused_with_envoys_text() {
        for format in ["%Y%n", "%-5n", "%En"] {
            assert_eq!(
                TimeFormat::parse(format, Zone::Utc)
                    .expect_err("refused")
                    .to_string(),
                "Invalid header configuration. Format string contains newline."
            );
        }
        assert!(TimeFormat::parse("%E9n", Zone::Utc).is_ok());
    }

    #[test]
    fn times_before_1970_count_backwards() {
        let mut out = Vec::new();
        let time = UNIX_EPOCH - Duration::from_millis(1);
        TimeFormat::parse("", Zone::Utc)
            .expect("a good format")
            .append(time, &mut out);
        assert_eq!(out, b"1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn local_times_are_shown_at_their_offset_as_on_the_oracle() {
        // As Europe/Berlin.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let text = |format: &str, seconds: u64| {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let format = TimeFormat::parse(format, Zone::Local).expect("a good format");
            let mut out = Vec::new();
            format.append_in(time, Some(&zone), &mut out);
            String::from_utf8(out).expect("times are UTF-8")
        };
        assert_eq!(text("", 1_795_384_802), "2026-11-22T23:00:02.000+0100");
        assert_eq!(
            text("%Y-%m-%d %H:%M:%S %z %Z %:z %Ez %E*z %s %j", 1_795_388_402),
            "2026-11-23 00:00:02 +0100 CET +01:00 +01:00 +01:00:00 1795388402 327"
        );
        assert_eq!(text("%H %Z", 1_782_000_000), "02 CEST");
    }
}
