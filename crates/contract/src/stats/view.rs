//! A stat as its readers see it: its full name in parts, and its value summed over the workers.

use super::histogram::Unit;
use super::merged::MergedHistogram;

/// One stat, borrowed while its scope is walked.
#[derive(Clone, Copy, Debug)]
pub struct StatView<'a> {
    /// The parts of the name, to be joined without anything between.
    pub name: StatName<'a>,
    /// The value.
    pub value: StatValue<'a>,
}

/// A name in parts, so that no string is made for stats that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatName<'a> {
    /// The scope's prefix, with its trailing dot.
    pub scope: &'a str,
    /// What the group adds, with trailing dots.
    pub group: [&'a str; 2],
    /// The rest.
    pub leaf: &'a str,
}

impl StatName<'_> {
    /// Appends the full name to `text`.
    pub fn push_to(&self, text: &mut String) {
        text.push_str(self.scope);
        self.group.iter().for_each(|part| text.push_str(part));
        text.push_str(self.leaf);
    }
}

impl std::fmt::Display for StatName<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [outer, inner] = self.group;
        write!(formatter, "{}{outer}{inner}{}", self.scope, self.leaf)
    }
}

/// The value of a stat.
#[derive(Clone, Copy, Debug)]
pub enum StatValue<'a> {
    /// A counter's sum since the start or the last `/reset_counters`.
    Counter {
        /// The sum.
        value: u64,
        /// Whether it was ever written.
        used: bool,
    },
    /// A gauge's sum; 0 where the workers' shares add up to less for a moment.
    Gauge {
        /// The sum.
        value: u64,
        /// Whether it was ever written.
        used: bool,
    },
    /// A text.
    TextReadout {
        /// The text; `None` if it was never set.
        text: Option<&'a str>,
    },
    /// A histogram.
    Histogram {
        /// The merged histogram; `None` before the first flush after its first value.
        merged: Option<&'a MergedHistogram>,
        /// What it measures.
        unit: Unit,
    },
}
