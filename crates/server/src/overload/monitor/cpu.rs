//! `cpu_utilization`: how busy processors are, of the machine or of the control group, smoothed: each refresh counts a
//! twentieth, as in Envoy.

use std::path::Path;

use super::cpu_container::Container;
use super::{Monitor, proc_file};
use crate::overload::config::{CpuMode, CpuUtilization};

/// How much the last look counts.
const NEWEST_SHARE: f64 = 0.05;

/// Tells how busy processors were since the last look.
pub(super) trait Utilization {
    /// None at the first look.
    fn since_last(&mut self) -> Result<Option<f64>, String>;
}

struct Smoothed<U> {
    of: U,
    value: f64,
}

pub(super) fn begin(message: &CpuUtilization) -> Box<dyn Monitor> {
    match message.mode {
        CpuMode::Host => smoothed(Host::default()),
        CpuMode::Container => smoothed(Container::found()),
    }
}

fn smoothed<U: Utilization + 'static>(mut of: U) -> Box<dyn Monitor> {
    let _the_first_look_is_the_base = of.since_last();
    Box::new(Smoothed { of, value: 0.0 })
}

impl<U: Utilization> Monitor for Smoothed<U> {
    fn pressure(&mut self) -> Result<f64, String> {
        let newest = self.of.since_last()?.unwrap_or(0.0);
        self.value = newest * NEWEST_SHARE + self.value * (1.0 - NEWEST_SHARE);
        Ok(self.value)
    }
}

/// All processors of the machine.
#[derive(Default)]
struct Host {
    last: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    work: u64,
    all: u64,
}

impl Utilization for Host {
    fn since_last(&mut self) -> Result<Option<f64>, String> {
        let text = proc_file::text(Path::new("/proc/stat"))?;
        let now = times(&text).ok_or("unexpected format in linux cpu stats file /proc/stat")?;
        match self.last.replace(now) {
            None => Ok(None),
            Some(last) => busy(last, now).map(Some),
        }
    }
}

/// User, nice and system, and those with idle, of all processors together.
fn times(text: &str) -> Option<Times> {
    let line = text.lines().next()?.strip_prefix("cpu  ")?;
    let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let work = next()? + next()? + next()?;
    let idle = next()?;
    Some(Times {
        work,
        all: work + idle,
    })
}

fn busy(last: Times, now: Times) -> Result<f64, String> {
    match (
        now.work.checked_sub(last.work),
        now.all.checked_sub(last.all),
    ) {
        (Some(work), Some(all)) if all > 0 => Ok(super::share(work, all)),
        _ => Err("processors have not gone on since the last look".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(f64);

    impl Utilization for Always {
        fn since_last(&mut self) -> Result<Option<f64>, String> {
            Ok(Some(self.0))
        }
    }

    #[test]
    fn user_nice_and_system_are_work() {
        let text = "cpu  10 20 30 40 50 60 0 0 0 0\ncpu0 1 2 3 4\n";
        assert_eq!(times(text), Some(Times { work: 60, all: 100 }));
        assert_eq!(times("cpu0 1 2 3 4"), None);
        assert_eq!(times("cpu  1 2 x 4"), None);
    }

    #[test]
    fn only_what_came_since_the_last_look_counts() {
        let times = |work, all| Times { work, all };
        assert_eq!(busy(times(10, 100), times(15, 120)), Ok(0.25));
        assert!(busy(times(10, 100), times(9, 120)).is_err());
        assert!(busy(times(10, 100), times(10, 100)).is_err());
    }

    #[test]
    fn each_look_counts_a_twentieth() {
        let mut monitor = smoothed(Always(1.0));
        let first = monitor.pressure().expect("it is told");
        assert!((first - 0.05).abs() < 1e-9);
        let second = monitor.pressure().expect("it is told");
        assert!((second - 0.0975).abs() < 1e-9);
    }

    #[test]
    fn the_machine_tells() {
        let mut host = Host::default();
        assert_eq!(host.since_last(), Ok(None));
    }
}
