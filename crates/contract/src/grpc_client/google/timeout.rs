//! How channels of gRPC write `grpc-timeout`: three digits at most, rounded up, in the smallest unit that does.

use std::time::Duration;

/// The value of the header.
pub(super) fn timeout_value(timeout: Duration) -> String {
    let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    match ms {
        0 => "1n".into(),
        1..1000 => format!("{ms}m"),
        1000..10_000 if !ms.div_ceil(10).is_multiple_of(100) => {
            format!("{}0m", ms.div_ceil(10))
        }
        10_000..100_000 if !ms.div_ceil(100).is_multiple_of(10) => {
            format!("{}00m", ms.div_ceil(100))
        }
        _ => seconds(ms.div_ceil(1000)),
    }
}

fn seconds(s: u64) -> String {
    match s {
        ..1000 if !s.is_multiple_of(60) => format!("{s}S"),
        1000..10_000 if !(s.div_ceil(10) * 10).is_multiple_of(60) => {
            format!("{}0S", s.div_ceil(10))
        }
        10_000..100_000 if !(s.div_ceil(100) * 100).is_multiple_of(60) => {
            format!("{}00S", s.div_ceil(100))
        }
        _ => minutes(s.div_ceil(60)),
    }
}

fn minutes(minutes: u64) -> String {
    match minutes {
        ..1000 if !minutes.is_multiple_of(60) => format!("{minutes}M"),
        1000..10_000 if !(minutes.div_ceil(10) * 10).is_multiple_of(60) => {
            format!("{}0M", minutes.div_ceil(10))
        }
        10_000..100_000 if !(minutes.div_ceil(100) * 100).is_multiple_of(60) => {
            format!("{}00M", minutes.div_ceil(100))
        }
        _ => format!("{}H", minutes.div_ceil(60).min(27_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let told = |ms| timeout_value(Duration::from_millis(ms));
        assert_eq!(told(250), "250m");
        assert_eq!(told(1000), "1S");
        assert_eq!(told(1234), "1240m");
        assert_eq!(told(12_345), "12400m");
        assert_eq!(told(60_000), "1M");
        assert_eq!(told(3_600_000), "1H");
        assert_eq!(told(123_456_000), "2060M");
    }
}
