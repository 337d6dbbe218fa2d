//! `google.protobuf.Duration` and `Timestamp` in their text forms.

/// The reason, as protobuf words it.
type Wording = &'static str;

/// Ten thousand years.
const MAX_SECONDS: i64 = 3_652_500 * 86_400;

/// `"1.5s"`: seconds and nanoseconds, of one sign.
pub(super) fn duration(text: &str) -> Result<(i64, i32), Wording> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'-')
        .count();
    let (whole, rest) = text.split_at(digits);
    if whole.is_empty() {
        return Err("duration must start with an integer");
    }
    let seconds: i64 = whole.parse().map_err(|_| "duration had bad seconds")?;
    if !(-MAX_SECONDS..=MAX_SECONDS).contains(&seconds) {
        return Err("duration out of range");
    }
    let (nanos, rest) = fraction(rest).ok_or("duration had bad nanoseconds")?;
    if rest != "s" {
        return Err("duration must end with a single 's'");
    }
    Ok((
        seconds,
        if whole.starts_with('-') {
            -nanos
        } else {
            nanos
        },
    ))
}

/// RFC 3339: seconds since 1970 and nanoseconds.
pub(super) fn timestamp(text: &str) -> Result<(i64, i32), Wording> {
    if text.len() < 20 {
        return Err("timestamp string too short");
    }
    let (year, rest) = part(text, 4, "-")
        .filter(|(year, _)| *year > 0)
        .ok_or("bad year in timestamp")?;
    let (month, rest) = part(rest, 2, "-")
        .filter(|(month, _)| *month > 0)
        .ok_or("bad month in timestamp")?;
    let (day, rest) = part(rest, 2, "T")
        .filter(|(day, _)| *day > 0)
        .ok_or("bad day in timestamp")?;
    let (hour, rest) = part(rest, 2, ":").ok_or("bad hours in timestamp")?;
    let (minute, rest) = part(rest, 2, ":").ok_or("bad minutes in timestamp")?;
    let (second, rest) = part(rest, 2, "").ok_or("bad seconds in timestamp")?;
    let (nanos, rest) = fraction(rest).ok_or("timestamp had bad nanoseconds")?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Ok((seconds - offset(rest)?, nanos))
}

fn offset(text: &str) -> Result<i64, Wording> {
    let sign = match text.as_bytes().first() {
        None => return Err("timestamp missing timezone offset"),
        Some(b'Z') if text.len() == 1 => return Ok(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return Err("bad timezone offset"),
    };
    if text.len() != 6 {
        return Err("timestamp offset of wrong size.");
    }
    let wrong = "timestamp offset has bad hours and minutes";
    let (hours, rest) = part(&text[1..], 2, ":").ok_or(wrong)?;
    let (minutes, _) = part(rest, 2, "").ok_or(wrong)?;
    Ok(sign * (hours * 60 + minutes) * 60)
}

/// Up to `width` digits, then `end`.
fn part<'t>(text: &'t str, width: usize, end: &str) -> Option<(i64, &'t str)> {
    let digits = text
        .bytes()
        .take(width)
        .take_while(u8::is_ascii_digit)
        .count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest.strip_prefix(end)?))
}

/// `.5` as nanoseconds; nothing is 0.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let (number, rest) = rest.split_at(digits);
    let scale = 10_i32.pow(9 - u32::try_from(digits).ok()?);
    Some((number.parse::<i32>().ok()? * scale, rest))
}

/// Days from 1970-01-01, by the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_with_an_s() {
        assert_eq!(duration("0.25s"), Ok((0, 250_000_000)));
        assert_eq!(duration("-1.5s"), Ok((-1, -500_000_000)));
        assert_eq!(duration("5s"), Ok((5, 0)));
        assert_eq!(duration("5m"), Err("duration must end with a single 's'"));
        assert_eq!(duration("5"), Err("duration must end with a single 's'"));
        assert_eq!(duration(".5s"), Err("duration must start with an integer"));
        assert_eq!(
            duration("0.0000000001s"),
            Err("duration had bad nanoseconds")
        );
        assert_eq!(duration("1-2s"), Err("duration had bad seconds"));
        assert_eq!(duration("999999999999s"), Err("duration out of range"));
    }

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Ok((0, 0)));
        assert_eq!(
            timestamp("2026-11-22T22:00:00.5Z"),
            Ok((1_795_384_800, 500_000_000))
        );
        assert_eq!(
            timestamp("2026-11-22T23:00:00+01:00"),
            Ok((1_795_384_800, 0))
        );
        assert_eq!(timestamp("2000-02-29T00:00:00Z"), Ok((951_782_400, 0)));
        assert!(timestamp("2026-11-22 22:00:00Z").is_err());
        assert!(timestamp("2026-11-22T22:00:00z").is_err());
        assert!(timestamp("tomorrow").is_err());
    }
}
