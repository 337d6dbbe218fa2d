//! What a cluster's outlier detection was told, each number with the runtime key that may override it.

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};

use super::ErrorMatcher;

/// A number, unless runtime has another.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    key: RuntimeKey,
    configured: u64,
}

impl Setting {
    fn new(keys: &RuntimeKeys, name: &str, configured: u64) -> Self {
        Self {
            key: keys.key(name),
            configured,
        }
    }

    /// The number in force.
    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.key.integer(self.configured)
    }

    /// Whether an event whose random number is `random` is among so many per cent.
    pub(super) fn chooses(&self, random: u64) -> bool {
        random % 100 < self.get().min(100)
    }
}

macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident = $default:expr, $key:literal;)*) => {
        /// All numbers, and what is no number.
        #[derive(Clone, Debug, Default)]
        pub struct OutlierSettings {
            $($(#[$meta])* pub $name: Setting,)*
            /// Whether failures of our own making are counted apart from the hosts' answers.
            pub splits_origins: bool,
            /// Whether one host may be ejected, whatever `max_ejection_percent` says.
            pub always_eject_one: bool,
            /// Whether an active health check that passes ends an ejection (true).
            pub health_check_unejects: bool,
            /// Whether hosts that say that they are degraded are.
            pub detects_degraded: bool,
            /// Which responses are errors, if not those of 5xx.
            pub error_matcher: Option<ErrorMatcher>,
        }

        /// The numbers of a configuration; what it leaves out has Envoy's default.
        #[derive(Clone, Debug, Default)]
        pub struct Configured {
            $($(#[$meta])* pub $name: Option<u64>,)*
        }

        impl OutlierSettings {
            /// The numbers as configured, with their keys in `keys`.
            pub fn new(written: &Configured, keys: &RuntimeKeys) -> Self {
                Self {
                    $($name: Setting::new(keys, concat!("outlier_detection.", $key), written.$name.unwrap_or($default)),)*
                    health_check_unejects: true,
                    ..Self::default()
                }
            }
        }
    };
}

settings! {
    /// Time between two looks at the hosts.
    interval_ms = 10_000, "interval_ms";
    /// Time of a first ejection; the next take twice that, three times that and so on.
    base_ejection_time_ms = 30_000, "base_ejection_time_ms";
    /// The longest time of an ejection.
    max_ejection_time_ms = 300_000, "max_ejection_time_ms";
    /// A random time up to this comes on top.
    max_ejection_time_jitter_ms = 0, "max_ejection_time_jitter_ms";
    /// Most hosts that may be ejected at once, in per cent.
    max_ejection_percent = 10, "max_ejection_percent";
    /// Errors in a row that eject.
    consecutive_5xx = 5, "consecutive_5xx";
    /// Errors of gateways (502 to 504) in a row that eject.
    consecutive_gateway_failure = 5, "consecutive_gateway_failure";
    /// Failures of our own making in a row that eject.
    consecutive_local_origin_failure = 5, "consecutive_local_origin_failure";
    /// How often the first does eject, in per cent.
    enforcing_consecutive_5xx = 100, "enforcing_consecutive_5xx";
    /// The same for gateways.
    enforcing_consecutive_gateway_failure = 0, "enforcing_consecutive_gateway_failure";
    /// The same for failures of our own making.
    enforcing_consecutive_local_origin_failure = 100, "enforcing_consecutive_local_origin_failure";
    /// How often a rate of successes that stands out does eject, in per cent.
    enforcing_success_rate = 100, "enforcing_success_rate";
    /// The same for the rate of our own making.
    enforcing_local_origin_success_rate = 100, "enforcing_local_origin_success_rate";
    /// How often a percentage of failures does eject, in per cent.
    enforcing_failure_percentage = 0, "enforcing_failure_percentage";
    /// The same for failures of our own making.
    enforcing_failure_percentage_local_origin = 0, "enforcing_failure_percentage_local_origin";
    /// As many hosts must have had enough requests for rates to be compared.
    success_rate_minimum_hosts = 5, "success_rate_minimum_hosts";
    /// As many requests in an interval are enough.
    success_rate_request_volume = 100, "success_rate_request_volume";
    /// Thousandths of the standard deviation below the average that eject.
    success_rate_stdev_factor = 1_900, "success_rate_stdev_factor";
    /// Percentage of failures that ejects.
    failure_percentage_threshold = 85, "failure_percentage_threshold";
    /// As many hosts must have had enough requests for it.
    failure_percentage_minimum_hosts = 5, "failure_percentage_minimum_hosts";
    /// As many requests in an interval are enough for it.
    failure_percentage_request_volume = 50, "failure_percentage_request_volume";
}
