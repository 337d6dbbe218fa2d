//! The process's own log, in Envoy's line format, to standard error or `--log-path`.
//! One level for everything so far; `/logging` changes it.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::LogLevel;

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
static FILE: OnceLock<Mutex<File>> = OnceLock::new();

/// Sets the level, and the file if there is to be one.
pub(crate) fn configure(level: LogLevel, file: Option<File>) {
    set_level(level);
    if let Some(file) = file {
        let _set_once_at_start = FILE.set(Mutex::new(file));
    }
}

/// Logs from now on what is at least this important.
pub(crate) fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// The level of now.
pub(crate) fn level() -> LogLevel {
    let now = LEVEL.load(Ordering::Relaxed);
    LogLevel::ALL
        .into_iter()
        .find(|level| *level as u8 == now)
        .unwrap_or(LogLevel::Info)
}

/// Writes one line: `[time][thread][level][logger] message`.
pub(crate) fn write(level: LogLevel, logger: &str, message: &str) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let time = utc_text(since);
    let line = format!(
        "[{time}][{}][{}][{logger}] {message}\n",
        std::process::id(),
        level.as_str()
    );
    match FILE.get() {
        Some(file) => {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _nowhere_to_complain = file.write_all(line.as_bytes());
        }
        None => eprint!("{line}"),
    }
}

/// Logs at level info.
pub(crate) fn info(logger: &str, message: &str) {
    write(LogLevel::Info, logger, message);
}

/// Logs at level warning.
pub(crate) fn warning(logger: &str, message: &str) {
    write(LogLevel::Warning, logger, message);
}

/// Logs at level critical.
pub(crate) fn critical(logger: &str, message: &str) {
    write(LogLevel::Critical, logger, message);
}

/// `2026-11-22 13:44:13.224`, in UTC.
fn utc_text(since_1970: std::time::Duration) -> String {
    const SECONDS_A_DAY: u64 = 86_400;
    let seconds = since_1970.as_secs();
    let (year, month, day) = civil_date(seconds / SECONDS_A_DAY);
    let of_day = seconds % SECONDS_A_DAY;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let milliseconds = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milliseconds:03}")
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

#[cfg(test)]
mod tests {
    use super::utc_text;
    use std::time::Duration;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        assert_eq!(
            utc_text(Duration::from_millis(0)),
            "1970-01-01 00:00:00.000"
        );
        assert_eq!(
            utc_text(Duration::from_millis(951_782_400_123)),
            "2000-02-29 00:00:00.123"
        );
        assert_eq!(
            utc_text(Duration::from_millis(1_795_357_453_224)),
            "2026-11-22 14:24:13.224"
        );
    }
}
