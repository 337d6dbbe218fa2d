//! Response flags: what happened to a stream besides its status, as `%RESPONSE_FLAGS%` shows it.
//!
//! The order, the short and the long names are Envoy's; flags print in this order, separated by commas.

use std::ops::{BitOr, BitOrAssign};

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseFlags(u32);

/// Short and long name of each flag; the place in the table is the flag's bit.
const NAMES: [(&str, &str); 30] = [
    ("LH", "FailedLocalHealthCheck"),
    ("UH", "NoHealthyUpstream"),
    ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"),
    ("UR", "UpstreamRemoteReset"),
    ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"),
    ("UO", "UpstreamOverflow"),
    ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"),
    ("URX", "UpstreamRetryLimitExceeded"),
    ("SI", "StreamIdleTimeout"),
    ("IH", "InvalidEnvoyRequestHeaders"),
    ("DPE", "DownstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("RFCF", "ResponseFromCacheFilter"),
    ("NFCF", "NoFilterConfigFound"),
    ("DT", "DurationTimeout"),
    ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"),
    ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"),
    ("DR", "DownstreamRemoteReset"),
    ("UDO", "UnconditionalDropOverload"),
];

impl ResponseFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// LH: the local health check failed.
    pub const FAILED_LOCAL_HEALTH_CHECK: Self = Self(1);
    /// UH: no healthy host in the upstream cluster.
    pub const NO_HEALTHY_UPSTREAM: Self = Self(1 << 1);
    /// UT: the upstream did not answer in time.
    pub const UPSTREAM_REQUEST_TIMEOUT: Self = Self(1 << 2);
    /// LR: the proxy reset the stream.
    pub const LOCAL_RESET: Self = Self(1 << 3);
    /// UR: the upstream reset the stream.
    pub const UPSTREAM_REMOTE_RESET: Self = Self(1 << 4);
    /// UF: the upstream connection could not be made.
    pub const UPSTREAM_CONNECTION_FAILURE: Self = Self(1 << 5);
    /// UC: the upstream connection ended in the middle.
    pub const UPSTREAM_CONNECTION_TERMINATION: Self = Self(1 << 6);
    /// UO: a circuit breaker was open.
    pub const UPSTREAM_OVERFLOW: Self = Self(1 << 7);
    /// NR: no route matched, or no filter chain.
    pub const NO_ROUTE_FOUND: Self = Self(1 << 8);
    /// DI: a fault filter delayed the request.
    pub const DELAY_INJECTED: Self = Self(1 << 9);
    /// FI: a fault filter aborted the request.
    pub const FAULT_INJECTED: Self = Self(1 << 10);
    /// RL: a rate limit refused the request.
    pub const RATE_LIMITED: Self = Self(1 << 11);
    /// UAEX: the external authorization service denied the request.
    pub const UNAUTHORIZED_EXTERNAL_SERVICE: Self = Self(1 << 12);
    /// RLSE: the rate limit service failed.
    pub const RATE_LIMIT_SERVICE_ERROR: Self = Self(1 << 13);
    /// DC: the client went away.
    pub const DOWNSTREAM_CONNECTION_TERMINATION: Self = Self(1 << 14);
    /// URX: the retry limit (or, for TCP, the connect attempts) ran out.
    pub const UPSTREAM_RETRY_LIMIT_EXCEEDED: Self = Self(1 << 15);
    /// SI: the stream was idle too long.
    pub const STREAM_IDLE_TIMEOUT: Self = Self(1 << 16);
    /// IH: an `x-envoy-*` header of the request had a bad value.
    pub const INVALID_ENVOY_REQUEST_HEADERS: Self = Self(1 << 17);
    /// DPE: the client broke the protocol.
    pub const DOWNSTREAM_PROTOCOL_ERROR: Self = Self(1 << 18);
    /// UMSDR: the stream lived too long.
    pub const UPSTREAM_MAX_STREAM_DURATION_REACHED: Self = Self(1 << 19);
    /// RFCF: the answer came from the cache filter.
    pub const RESPONSE_FROM_CACHE_FILTER: Self = Self(1 << 20);
    /// NFCF: a filter's configuration had not arrived in time.
    pub const NO_FILTER_CONFIG_FOUND: Self = Self(1 << 21);
    /// DT: the connection or the stream lived too long.
    pub const DURATION_TIMEOUT: Self = Self(1 << 22);
    /// UPE: the upstream broke the protocol.
    pub const UPSTREAM_PROTOCOL_ERROR: Self = Self(1 << 23);
    /// NC: the route's cluster does not exist.
    pub const NO_CLUSTER_FOUND: Self = Self(1 << 24);
    /// OM: the overload manager ended the stream.
    pub const OVERLOAD_MANAGER: Self = Self(1 << 25);
    /// DF: the host's name did not resolve.
    pub const DNS_RESOLUTION_FAILED: Self = Self(1 << 26);
    /// DO: dropped by the cluster's `drop_overload`.
    pub const DROP_OVERLOAD: Self = Self(1 << 27);
    /// DR: the client reset the stream.
    pub const DOWNSTREAM_REMOTE_RESET: Self = Self(1 << 28);
    /// UDO: dropped by a `drop_overload` of 100%.
    pub const UNCONDITIONAL_DROP_OVERLOAD: Self = Self(1 << 29);

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the flags of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The flag with this short name, such as `UH`.
    pub fn from_short_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .position(|(short, _)| *short == name)
            .map(|bit| Self(1 << bit))
    }

    /// The short names, in order.
    pub fn short_names(self) -> impl Iterator<Item = &'static str> {
        self.names().map(|(short, _)| *short)
    }

    /// The long names, in order.
    pub fn long_names(self) -> impl Iterator<Item = &'static str> {
        self.names().map(|(_, long)| *long)
    }

    fn names(self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        NAMES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, names)| names)
    }

    /// The flags as a number, bit by bit in Envoy's order.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for ResponseFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ResponseFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.insert(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_envoys_order_whatever_the_order_of_setting() {
        let mut flags = ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        flags |= ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
        assert_eq!(flags.short_names().collect::<Vec<_>>(), ["UF", "URX"]);
        assert_eq!(
            flags.long_names().collect::<Vec<_>>(),
            ["UpstreamConnectionFailure", "UpstreamRetryLimitExceeded"]
        );
    }

    #[test]
    fn each_constant_has_the_bit_of_its_name() {
        for (name, flag) in [
            ("LH", ResponseFlags::FAILED_LOCAL_HEALTH_CHECK),
            ("NR", ResponseFlags::NO_ROUTE_FOUND),
            ("DC", ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION),
            ("URX", ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED),
            ("DPE", ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR),
            ("DT", ResponseFlags::DURATION_TIMEOUT),
            ("UPE", ResponseFlags::UPSTREAM_PROTOCOL_ERROR),
            ("NC", ResponseFlags::NO_CLUSTER_FOUND),
            ("UDO", ResponseFlags::UNCONDITIONAL_DROP_OVERLOAD),
        ] {
            assert_eq!(ResponseFlags::from_short_name(name), Some(flag));
        }
        assert_eq!(ResponseFlags::from_short_name("uh"), None);
    }
}
