//! Dates of HTTP in their three forms, as seconds since 1970.

use super::control::Seconds;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const SECONDS_PER_DAY: i64 = 86_400;

/// The moment that a header names; none if it is no date.
pub(crate) fn parse(value: &[u8]) -> Option<Seconds> {
    let text = str::from_utf8(value).ok()?.trim_ascii();
    let (weekday, rest) = text.split_once([',', ' '])?;
    if weekday.len() < 3 || !weekday.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let rest = rest.trim_start();
    match rest.bytes().next()?.is_ascii_digit() {
        true => with_zone(rest),
        false => of_asctime(rest),
    }
}

/// `06 Nov 1994 08:49:37 GMT` or `06-Nov-94 08:49:37 GMT`.
fn with_zone(text: &str) -> Option<Seconds> {
    let text = text.strip_suffix(" GMT")?;
    let (date, time) = text.rsplit_once(' ')?;
    let separator = if date.contains('-') { '-' } else { ' ' };
    let mut parts = date.split(separator);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = match year.len() {
        2 => match number(year)? {
            late @ 69.. => 1900 + late,
            early => 2000 + early,
        },
        _ => number(year)?,
    };
    moment(year, month, number(day)?, time)
}

/// `Nov  6 08:49:37 1994`.
fn of_asctime(text: &str) -> Option<Seconds> {
    let mut parts = text.split_ascii_whitespace();
    let (month, day) = (parts.next()?, parts.next()?);
    let (time, year) = (parts.next()?, parts.next()?);
    match parts.next() {
        Some(_) => None,
        None => moment(number(year)?, month, number(day)?, time),
    }
}

fn moment(year: i64, month: &str, day: i64, time: &str) -> Option<Seconds> {
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
    let month = i64::try_from(month).ok()? + 1;
    let mut parts = time.split(':');
    let (hour, minute, second) = (
        number(parts.next()?)?,
        number(parts.next()?)?,
        number(parts.next()?)?,
    );
    let is_good = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !is_good || parts.next().is_some() {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    Some(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// How many days after the beginning of 1970 a month begins: years are counted from March, behind the leap day.
fn days_before(year: i64, month: i64) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.len() <= 4;
    match is_number && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn all_three_forms_name_the_same_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse(b"Tue, 29 Feb 2028 00:00:00 GMT"), Some(1_835_395_200));
        assert_eq!(
            parse(b"Sunday, 06-Nov-68 08:49:37 GMT"),
            Some(3_119_417_377)
        );
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 6 Nov 99999 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            ", 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
