//! A cluster's hosts at one moment: what discovery publishes and workers pick from.

use std::sync::Arc;

use super::{HealthFlags, Host};

/// All hosts, by priority.
#[derive(Debug, Default)]
pub struct HostSet {
    /// Index is the priority; levels may be empty.
    pub priorities: Box<[PriorityHosts]>,
    /// How the health of a priority is reckoned.
    pub options: LevelOptions,
}

/// How the health of a priority is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelOptions {
    /// By how much the share of available hosts counts for more than it is (140), in per cent.
    pub overprovisioning_factor_percent: u32,
    /// Whether hosts count by their weights.
    pub weighted_priority_health: bool,
}

impl Default for LevelOptions {
    fn default() -> Self {
        Self {
            overprovisioning_factor_percent: 140,
            weighted_priority_health: false,
        }
    }
}

/// The hosts of one priority, in the order of the configuration.
#[derive(Debug, Default)]
pub struct PriorityHosts {
    /// The hosts.
    pub hosts: Box<[Arc<Host>]>,
}

impl HostSet {
    /// The hosts without those that are taken off as soon as they fail their checks, if any of them fails.
    pub(crate) fn without_failed(&self) -> Option<Self> {
        let is_over = |host: &Host| {
            let flags = host.health();
            flags.contains(HealthFlags::PENDING_DYNAMIC_REMOVAL)
                && flags.contains(HealthFlags::FAILED_ACTIVE_HC)
        };
        self.iter().find(|host| is_over(host))?;
        let left = self.iter().filter(|host| !is_over(host)).cloned();
        Some(Self::new(left.collect()).with_options(self.options))
    }

    /// Groups hosts by their priority.
    pub fn new(hosts: Vec<Arc<Host>>) -> Self {
        let levels = hosts
            .iter()
            .map(|host| host.priority + 1)
            .max()
            .unwrap_or(1);
        let of_level = |level| {
            hosts
                .iter()
                .filter(move |host| host.priority == level)
                .cloned()
        };
        let priorities = (0..levels).map(|level| PriorityHosts {
            hosts: of_level(level).collect(),
        });
        Self {
            priorities: priorities.collect(),
            options: LevelOptions::default(),
        }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(self, options: LevelOptions) -> Self {
        Self { options, ..self }
    }

    /// Hosts of all priorities.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.priorities.iter().flat_map(|level| level.hosts.iter())
    }
}
