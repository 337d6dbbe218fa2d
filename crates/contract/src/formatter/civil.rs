//! Calendar arithmetic: seconds since 1970 to a date of the proleptic Gregorian calendar.

use std::time::SystemTime;

/// A moment on a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    /// The year; may be negative.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 is Sunday.
    pub weekday: u8,
    /// 0 is the first of January.
    pub yearday: u16,
}

/// A moment as protobuf's JSON has it, whole milliseconds: `1970-01-01T00:00:00.250Z`, `1970-01-01T00:00:01Z`.
pub fn timestamp(at: SystemTime) -> String {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let civil = Civil::from_unix_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
        ..
    } = civil;
    let fraction = match since.subsec_millis() {
        0 => String::new(),
        milliseconds => format!(".{milliseconds:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Civil {
    /// The date of `seconds` since 1970, local to the offset that was added before.
    pub(super) fn from_unix_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(SECONDS_PER_DAY);
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        let (year, month, day) = date_of_day(days);
        let first = day_of_date(year, 1, 1);
        Civil {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            weekday: (days + 4).rem_euclid(7) as u8,
            yearday: (days - first) as u16,
        }
    }

    /// The year and week of ISO 8601.
    pub(super) fn iso_week(&self) -> (i64, u8) {
        let monday_based = i64::from((self.weekday + 6) % 7);
        // The week belongs to the year of its Thursday.
        let thursday = i64::from(self.yearday) - monday_based + 3;
        let length = year_length(self.year);
        if thursday < 0 {
            (
                self.year - 1,
                ((thursday + year_length(self.year - 1)) / 7 + 1) as u8,
            )
        } else if thursday >= length {
            (self.year + 1, 1)
        } else {
            (self.year, (thursday / 7 + 1) as u8)
        }
    }

    /// The week of the year, when weeks begin on Sunday.
    pub(super) fn sunday_week(&self) -> u8 {
        ((self.yearday + 7 - u16::from(self.weekday)) / 7) as u8
    }

    /// The week of the year, when weeks begin on Monday.
    pub(super) fn monday_week(&self) -> u8 {
        ((self.yearday + 7 - u16::from((self.weekday + 6) % 7)) / 7) as u8
    }
}

fn year_length(year: i64) -> i64 {
    day_of_date(year + 1, 1, 1) - day_of_date(year, 1, 1)
}

/// Days since 1970-01-01; years are counted from March so that the leap day comes last.
fn day_of_date(year: i64, month: u8, day: u8) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let march_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of_day(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u8;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    } as u8;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_moment_has_its_known_date() {
        let civil = Civil::from_unix_seconds(1_795_384_802);
        assert_eq!((civil.year, civil.month, civil.day), (2026, 11, 22));
        assert_eq!((civil.hour, civil.minute, civil.second), (22, 0, 2));
        assert_eq!((civil.weekday, civil.yearday), (0, 325));
        assert_eq!(
            (civil.sunday_week(), civil.monday_week(), civil.iso_week()),
            (47, 46, (2026, 47))
        );
    }

    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let mut before = Civil::from_unix_seconds(-100_000 * SECONDS_PER_DAY);
        for day in -99_999..100_000 {
            let civil = Civil::from_unix_seconds(day * SECONDS_PER_DAY);
            let same_month = civil.month == before.month && civil.day == before.day + 1;
            let next_month =
                civil.day == 1 && (civil.month == before.month + 1 || civil.month == 1);
            assert!(same_month || next_month, "{civil:?}");
            assert_eq!(day_of_date(civil.year, civil.month, civil.day), day);
            before = civil;
        }
    }

    #[test]
    fn iso_weeks_at_the_edges_of_years_are_right() {
        let week = |year, month, day| {
            Civil::from_unix_seconds(day_of_date(year, month, day) * SECONDS_PER_DAY).iso_week()
        };
        assert_eq!(week(2027, 1, 1), (2026, 53));
        assert_eq!(week(2024, 12, 30), (2025, 1));
        assert_eq!(week(2016, 1, 3), (2015, 53));
        assert_eq!(week(2020, 12, 31), (2020, 53));
    }
}
