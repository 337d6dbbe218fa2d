//! What a scope keeps for each group, set of code counters and single stat: the workers' cells, and how
//! they are summed, folded and reset. A group that nobody uses costs four words.

mod codes;
mod group;
mod single;

pub(super) use codes::CodesEntry;
pub(super) use group::GroupEntry;
pub(super) use single::{Single, SingleEntry};

use super::cells::Gauge;

/// The sum of the workers' shares, and whether any was ever written.
fn sum_gauges<'a>(gauges: impl Iterator<Item = &'a Gauge>) -> (u64, bool) {
    let (sum, used) = gauges.fold((0i64, false), |(sum, used), gauge| {
        (sum.wrapping_add(gauge.share()), used | gauge.used())
    });
    (u64::try_from(sum).unwrap_or(0), used)
}
