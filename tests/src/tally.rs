//! The sums over many cases.

use std::fmt;

use crate::case::CaseFile;
use crate::compare::Difference;
use crate::known::Known;
use crate::not_yet::{self, NotYet};
use crate::outcome::Outcome;
use crate::run::STATS_SECTION;

/// Sums over all cases. Of a case that could not be run, nothing is equal.
#[derive(Debug, Default)]
pub struct Tally {
    /// Exchanges that are equal, and all.
    pub exchanges: (usize, usize),
    /// Counters that are equal, and all.
    pub counters: (usize, usize),
    /// Access logs that are equal, and all.
    pub logs: (usize, usize),
    /// Differences that the list of known differences names.
    pub known: usize,
    /// Cases that are refused as not supported yet, as their list says.
    pub not_yet: usize,
    /// Differences that it does not name, and cases that could not be run.
    pub unexpected: usize,
}

impl Tally {
    /// Adds up `outcomes`, which belong to `cases` one by one.
    #[must_use]
    pub fn new(
        cases: &[CaseFile],
        outcomes: &[Outcome],
        known: &[Known],
        not_yet: &[NotYet],
    ) -> Self {
        let mut tally = Self::default();
        for (case, outcome) in cases.iter().zip(outcomes) {
            let listed = not_yet.iter().any(|entry| entry.case == outcome.case);
            if listed && not_yet::is_refused(outcome) {
                tally.not_yet += 1;
                continue;
            }
            tally.unexpected += usize::from(listed && outcome.failure.is_none());
            if outcome.failure.is_some() {
                tally.exchanges.1 += case.case.exchanges.len();
                tally.logs.1 += case.case.logs.len();
                let listed = known.iter().any(|known| known.covers(&outcome.case, "*"));
                *if listed {
                    &mut tally.known
                } else {
                    &mut tally.unexpected
                } += 1;
                continue;
            }
            for (section, text) in &outcome.pinned.sections {
                let difference = outcome
                    .differences
                    .iter()
                    .find(|difference| difference.section == *section);
                tally.add(section, text, difference);
            }
            for difference in &outcome.differences {
                let listed = known
                    .iter()
                    .any(|known| known.covers(&outcome.case, &difference.section));
                *if listed {
                    &mut tally.known
                } else {
                    &mut tally.unexpected
                } += 1;
            }
        }
        tally
    }

    fn add(&mut self, section: &str, text: &str, difference: Option<&Difference>) {
        if section == STATS_SECTION || section.starts_with("(sink ") {
            let all = text.lines().count();
            let missed = difference.map_or(0, |difference| {
                difference
                    .lines
                    .lines()
                    .filter(|line| line.starts_with("  - "))
                    .count()
            });
            self.counters.0 += all - missed;
            self.counters.1 += all;
            return;
        }
        let sum = if section.starts_with("(access log") {
            &mut self.logs
        } else {
            &mut self.exchanges
        };
        sum.0 += usize::from(difference.is_none());
        sum.1 += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exchanges,
            counters,
            logs,
            known,
            not_yet,
            unexpected,
        } = self;
        write!(
            formatter,
            "equal: {} of {} exchanges, {} of {} counters, {} of {} logs; {known} differ as known, {not_yet} cases not supported yet, {unexpected} differ",
            exchanges.0, exchanges.1, counters.0, counters.1, logs.0, logs.1
        )
    }
}
