//! What is known against a host, and what that comes to.

/// Reasons why a host is not healthy, as bits; none set means healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthFlags(u32);

/// What the reasons come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not chosen outside a panic.
    Unhealthy,
    /// Chosen when there are not enough healthy ones.
    Degraded,
    /// Chosen first.
    Healthy,
}

/// What discovery says of a host's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of Envoy's HealthStatus")]
pub enum DiscoveredHealth {
    #[default]
    Unknown,
    Healthy,
    Unhealthy,
    Draining,
    Timeout,
    Degraded,
}

impl DiscoveredHealth {
    /// The reasons that this is against the host.
    pub const fn flags(self) -> HealthFlags {
        match self {
            Self::Unknown | Self::Healthy => HealthFlags::HEALTHY,
            Self::Unhealthy | Self::Timeout => HealthFlags::FAILED_EDS_HEALTH,
            Self::Draining => HealthFlags::EDS_STATUS_DRAINING,
            Self::Degraded => HealthFlags::DEGRADED_EDS_HEALTH,
        }
    }
}

impl HealthFlags {
    /// No reason: healthy.
    pub const HEALTHY: Self = Self(0);
    /// An active health check failed.
    pub const FAILED_ACTIVE_HC: Self = Self(1);
    /// Ejected by outlier detection.
    pub const FAILED_OUTLIER_CHECK: Self = Self(1 << 1);
    /// Discovery says unhealthy.
    pub const FAILED_EDS_HEALTH: Self = Self(1 << 2);
    /// A health check says degraded.
    pub const DEGRADED_ACTIVE_HC: Self = Self(1 << 3);
    /// Discovery says degraded.
    pub const DEGRADED_EDS_HEALTH: Self = Self(1 << 4);
    /// Outlier detection says degraded.
    pub const DEGRADED_OUTLIER_DETECTION: Self = Self(1 << 5);
    /// Discovery has removed it, and its health checks still pass.
    pub const PENDING_DYNAMIC_REMOVAL: Self = Self(1 << 6);
    /// It waits for its first health check.
    pub const PENDING_ACTIVE_HC: Self = Self(1 << 7);
    /// It said itself that it is to be left out at once.
    pub const EXCLUDED_VIA_IMMEDIATE_HC_FAIL: Self = Self(1 << 8);
    /// The health check that failed has timed out.
    pub const ACTIVE_HC_TIMEOUT: Self = Self(1 << 9);
    /// Discovery says draining.
    pub const EDS_STATUS_DRAINING: Self = Self(1 << 10);

    const UNUSABLE: u32 = Self::FAILED_ACTIVE_HC.0
        | Self::FAILED_OUTLIER_CHECK.0
        | Self::FAILED_EDS_HEALTH.0
        | Self::EDS_STATUS_DRAINING.0;

    const DEGRADED: u32 = Self::DEGRADED_ACTIVE_HC.0
        | Self::DEGRADED_EDS_HEALTH.0
        | Self::DEGRADED_OUTLIER_DETECTION.0;

    const EXCLUDED: u32 = Self::PENDING_ACTIVE_HC.0
        | Self::EXCLUDED_VIA_IMMEDIATE_HC_FAIL.0
        | Self::EDS_STATUS_DRAINING.0;

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Both sets of reasons.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The reasons that `other` has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `other`'s reasons are all set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What they come to.
    pub const fn health(self) -> Health {
        if self.0 & Self::UNUSABLE != 0 {
            Health::Unhealthy
        } else if self.0 & Self::DEGRADED != 0 {
            Health::Degraded
        } else {
            Health::Healthy
        }
    }

    /// Whether the host does not count when shares of healthy hosts are reckoned.
    pub const fn is_excluded(self) -> bool {
        self.0 & Self::EXCLUDED != 0
    }

    /// Whether the host may be chosen outside a panic.
    pub const fn is_usable(self) -> bool {
        self.0 & Self::UNUSABLE == 0
    }

    /// Whether we have found out ourselves that the host is bad.
    pub const fn is_found_out(self) -> bool {
        self.0 & (Self::FAILED_ACTIVE_HC.0 | Self::FAILED_OUTLIER_CHECK.0) != 0
    }

    /// Whether nothing is known against the host.
    pub const fn is_healthy(&self) -> bool {
        matches!(self.health(), Health::Healthy)
    }

    /// Whether the host works, but others are better.
    pub const fn is_degraded(&self) -> bool {
        matches!(self.health(), Health::Degraded)
    }

    /// As `/clusters` writes it: `healthy`, or `/failed_active_hc` and so on.
    pub fn describe(self) -> String {
        const NAMES: [(HealthFlags, &str); 11] = [
            (HealthFlags::FAILED_ACTIVE_HC, "/failed_active_hc"),
            (HealthFlags::FAILED_OUTLIER_CHECK, "/failed_outlier_check"),
            (HealthFlags::FAILED_EDS_HEALTH, "/failed_eds_health"),
            (HealthFlags::DEGRADED_ACTIVE_HC, "/degraded_active_hc"),
            (HealthFlags::DEGRADED_EDS_HEALTH, "/degraded_eds_health"),
            (
                HealthFlags::PENDING_DYNAMIC_REMOVAL,
                "/pending_dynamic_removal",
            ),
            (HealthFlags::PENDING_ACTIVE_HC, "/pending_active_hc"),
            (
                HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL,
                "/excluded_via_immediate_hc_fail",
            ),
            (HealthFlags::ACTIVE_HC_TIMEOUT, "/active_hc_timeout"),
            (HealthFlags::EDS_STATUS_DRAINING, "/eds_status_draining"),
            (
                HealthFlags::DEGRADED_OUTLIER_DETECTION,
                "/degraded_outlier_detection",
            ),
        ];
        if self == Self::HEALTHY {
            return "healthy".to_owned();
        }
        NAMES
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, name)| *name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_described_as_in_envoys_admin() {
        assert_eq!(HealthFlags::HEALTHY.describe(), "healthy");
        let both = HealthFlags::FAILED_ACTIVE_HC.with(HealthFlags::FAILED_EDS_HEALTH);
        assert_eq!(both.describe(), "/failed_active_hc/failed_eds_health");
        assert!(!both.is_usable());
        assert!(HealthFlags::DEGRADED_EDS_HEALTH.is_usable());
    }

    #[test]
    fn one_reason_against_a_host_outweighs_that_it_is_degraded() {
        let degraded = HealthFlags::DEGRADED_ACTIVE_HC;
        assert_eq!(degraded.health(), Health::Degraded);
        let draining = degraded.with(HealthFlags::EDS_STATUS_DRAINING);
        assert_eq!(draining.health(), Health::Unhealthy);
        assert!(draining.is_excluded());
        assert!(HealthFlags::PENDING_DYNAMIC_REMOVAL.is_healthy());
    }
}
