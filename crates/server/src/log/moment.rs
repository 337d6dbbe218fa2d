//! A moment in the local time zone (`TZ`, `/etc/localtime`), part by part.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The parts of a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    pub nanos: u32,
    /// 0 is Sunday.
    pub weekday: u64,
    /// Seconds since 1970, in UTC.
    pub epoch: u64,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl Moment {
    /// Takes a time apart as it is here.
    pub(super) fn of(time: SystemTime) -> Moment {
        Moment::with_offset(time, local_offset(time))
    }

    /// Takes a time apart, so many seconds east of UTC; one before 1970 counts as 1970.
    pub(super) fn with_offset(time: SystemTime, offset: i32) -> Moment {
        const SECONDS_A_DAY: u64 = 86_400;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = since.as_secs();
        let here = epoch.saturating_add_signed(i64::from(offset));
        let days = here / SECONDS_A_DAY;
        let (year, month, day) = civil_date(days);
        let of_day = here % SECONDS_A_DAY;
        Moment {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanos: since.subsec_nanos(),
            weekday: (days + 4) % 7,
            epoch,
            offset,
        }
    }

    /// The hour on a clock of twelve.
    pub(super) fn hour_of_12(&self) -> u64 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }
}

fn local_offset(time: SystemTime) -> i32 {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let zone = ZONE.get_or_init(TimeZone::system);
    Timestamp::try_from(time).map_or(0, |time| zone.to_offset(time).seconds())
}

/// Year, month and day of a day counted from 1970-01-01, counted in eras of 400 years that begin in March.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
