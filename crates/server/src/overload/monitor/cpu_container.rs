//! The processor time of the control group, as a share of what it may have: of its quota and its processors with
//! version 2, of its shares (1024 for a processor) with version 1.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};

use super::cpu::Utilization;
use super::proc_file;
use crate::overload::config::{CpuMode, CpuUtilization};

const NONE_FOUND: &str = "No supported cgroup CPU implementation found";
/// What version 1 takes for a processor.
const SHARES_A_CORE: f64 = 1000.0;

/// The control group.
pub(super) struct Container {
    files: Option<Files>,
    last: Option<(f64, Instant)>,
}

enum Files {
    Second {
        stat: PathBuf,
        quota: PathBuf,
        processors: PathBuf,
    },
    First {
        shares: PathBuf,
        usage: PathBuf,
    },
}

pub(super) fn check(message: &CpuUtilization, span: Span, ctx: &mut Ctx) -> Result<(), Refused> {
    if message.mode == CpuMode::Host || Files::below(Path::new("/")).is_some() {
        return Ok(());
    }
    ctx.error(span, NONE_FOUND);
    Err(Refused)
}

impl Container {
    pub(super) fn found() -> Self {
        Container {
            files: Files::below(Path::new("/")),
            last: None,
        }
    }

    /// Seconds of processors so far, and how many processors there are.
    fn used(&self) -> Result<(f64, f64), String> {
        match self.files.as_ref().ok_or(NONE_FOUND)? {
            Files::Second {
                stat,
                quota,
                processors,
            } => {
                let used = usage_seconds(&proc_file::text(stat)?).ok_or("no `usage_usec`")?;
                let count = count(&proc_file::text(processors)?).ok_or("no list of processors")?;
                let cores = cores(&proc_file::text(quota)?, count).ok_or("no quota")?;
                Ok((used, cores))
            }
            Files::First { shares, usage } => {
                let nanos = std::time::Duration::from_nanos(proc_file::number(usage)?);
                match proc_file::number(shares)? {
                    0 => Err("the group has no share of processors".to_string()),
                    shares => {
                        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
                        Ok((nanos.as_secs_f64(), f64::from(shares) / SHARES_A_CORE))
                    }
                }
            }
        }
    }
}

impl Utilization for Container {
    fn since_last(&mut self) -> Result<Option<f64>, String> {
        let (used, cores) = self.used()?;
        let now = Instant::now();
        let Some((last, at)) = self.last.replace((used, now)) else {
            return Ok(None);
        };
        let passed = now.duration_since(at).as_secs_f64() * cores;
        if passed <= 0.0 || used < last {
            return Err("processors have not gone on since the last look".to_string());
        }
        Ok(Some(((used - last) / passed).clamp(0.0, 1.0)))
    }
}

impl Files {
    fn below(root: &Path) -> Option<Files> {
        let there = |path: &str| Some(root.join(path)).filter(|path| path.exists());
        let second = || {
            Some(Files::Second {
                stat: there("sys/fs/cgroup/cpu.stat")?,
                quota: there("sys/fs/cgroup/cpu.max")?,
                processors: there("sys/fs/cgroup/cpuset.cpus.effective")?,
            })
        };
        let first = || {
            Some(Files::First {
                shares: there("sys/fs/cgroup/cpu/cpu.shares")?,
                usage: there("sys/fs/cgroup/cpuacct/cpuacct.usage")?,
            })
        };
        second().or_else(first)
    }
}

fn usage_seconds(stat: &str) -> Option<f64> {
    let mut lines = stat.lines();
    let micros = lines.find_map(|line| line.strip_prefix("usage_usec "))?;
    let micros: u64 = micros.trim_ascii().parse().ok()?;
    Some(std::time::Duration::from_micros(micros).as_secs_f64())
}

/// How many processors a list such as `0-3,5` has.
fn count(list: &str) -> Option<u32> {
    let mut all = 0_u32;
    for part in list.trim_ascii().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        all = all.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(all).filter(|all| *all > 0)
}

/// How many processors' time there is: all, or what the quota leaves.
fn cores(quota: &str, count: u32) -> Option<f64> {
    let mut words = quota.split_ascii_whitespace();
    let (quota, period) = (words.next()?, words.next()?);
    let all = f64::from(count);
    if quota == "max" {
        return Some(all);
    }
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| all.min(f64::from(quota) / f64::from(period)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_one_by_one_and_in_ranges() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-2,4,6-7"), Some(6));
        assert_eq!(count(""), None);
        assert_eq!(count("3-1"), None);
        assert_eq!(count("0-4294967295"), None, "more than can be counted");
    }

    #[test]
    fn a_quota_is_what_there_is_if_it_is_less() {
        assert_eq!(cores("max 100000", 4), Some(4.0));
        assert_eq!(cores("50000 100000\n", 4), Some(0.5));
        assert_eq!(cores("900000 100000", 4), Some(4.0));
        assert_eq!(cores("50000 0", 4), None);
        assert_eq!(cores("max", 4), None);
    }

    #[test]
    fn the_usage_is_one_line_among_others() {
        let stat = "nr_periods 1\nusage_usec 1500000\nuser_usec 3\n";
        assert_eq!(usage_seconds(stat), Some(1.5));
        assert_eq!(usage_seconds("user_usec 3\n"), None);
    }
}
