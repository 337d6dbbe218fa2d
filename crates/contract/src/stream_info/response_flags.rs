//! Response flags: what happened to a stream besides its status, as `%RESPONSE_FLAGS%` shows it.
//!
//! The names are Envoy's; as there, flags print in the order in which they were set, separated by commas. The order
//! of more than six is not kept.

use std::ops::{BitOr, BitOrAssign};

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFlags {
    bits: u32,
    /// The flags as they were set, the first one lowest: the number of each plus one, in [`ORDER_BITS`].
    order: u32,
}

/// How many bits a flag's number takes.
const ORDER_BITS: u32 = 5;
const ORDER_MASK: u32 = (1 << ORDER_BITS) - 1;
/// How many flags have a place in the order.
const MOST_IN_ORDER: u32 = u32::BITS / ORDER_BITS;

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
    pub const NONE: Self = Self { bits: 0, order: 0 };
    /// LH: the local health check failed.
    pub const FAILED_LOCAL_HEALTH_CHECK: Self = Self::one(0);
    /// UH: no healthy host in the upstream cluster.
    pub const NO_HEALTHY_UPSTREAM: Self = Self::one(1);
    /// UT: the upstream did not answer in time.
    pub const UPSTREAM_REQUEST_TIMEOUT: Self = Self::one(2);
    /// LR: the proxy reset the stream.
    pub const LOCAL_RESET: Self = Self::one(3);
    /// UR: the upstream reset the stream.
    pub const UPSTREAM_REMOTE_RESET: Self = Self::one(4);
    /// UF: the upstream connection could not be made.
    pub const UPSTREAM_CONNECTION_FAILURE: Self = Self::one(5);
    /// UC: the upstream connection ended in the middle.
    pub const UPSTREAM_CONNECTION_TERMINATION: Self = Self::one(6);
    /// UO: a circuit breaker was open.
    pub const UPSTREAM_OVERFLOW: Self = Self::one(7);
    /// NR: no route matched, or no filter chain.
    pub const NO_ROUTE_FOUND: Self = Self::one(8);
    /// DI: a fault filter delayed the request.
    pub const DELAY_INJECTED: Self = Self::one(9);
    /// FI: a fault filter aborted the request.
    pub const FAULT_INJECTED: Self = Self::one(10);
    /// RL: a rate limit refused the request.
    pub const RATE_LIMITED: Self = Self::one(11);
    /// UAEX: the external authorization service denied the request.
    pub const UNAUTHORIZED_EXTERNAL_SERVICE: Self = Self::one(12);
    /// RLSE: the rate limit service failed.
    pub const RATE_LIMIT_SERVICE_ERROR: Self = Self::one(13);
    /// DC: the client went away.
    pub const DOWNSTREAM_CONNECTION_TERMINATION: Self = Self::one(14);
    /// URX: the retry limit (or, for TCP, the connect attempts) ran out.
    pub const UPSTREAM_RETRY_LIMIT_EXCEEDED: Self = Self::one(15);
    /// SI: the stream was idle too long.
    pub const STREAM_IDLE_TIMEOUT: Self = Self::one(16);
    /// IH: an `x-envoy-*` header of the request had a bad value.
    pub const INVALID_ENVOY_REQUEST_HEADERS: Self = Self::one(17);
    /// DPE: the client broke the protocol.
    pub const DOWNSTREAM_PROTOCOL_ERROR: Self = Self::one(18);
    /// UMSDR: the stream lived too long.
    pub const UPSTREAM_MAX_STREAM_DURATION_REACHED: Self = Self::one(19);
    /// RFCF: the answer came from the cache filter.
    pub const RESPONSE_FROM_CACHE_FILTER: Self = Self::one(20);
    /// NFCF: a filter's configuration had not arrived in time.
    pub const NO_FILTER_CONFIG_FOUND: Self = Self::one(21);
    /// DT: the connection or the stream lived too long.
    pub const DURATION_TIMEOUT: Self = Self::one(22);
    /// UPE: the upstream broke the protocol.
    pub const UPSTREAM_PROTOCOL_ERROR: Self = Self::one(23);
    /// NC: the route's cluster does not exist.
    pub const NO_CLUSTER_FOUND: Self = Self::one(24);
    /// OM: the overload manager ended the stream.
    pub const OVERLOAD_MANAGER: Self = Self::one(25);
    /// DF: the host's name did not resolve.
    pub const DNS_RESOLUTION_FAILED: Self = Self::one(26);
    /// DO: dropped by the cluster's `drop_overload`.
    pub const DROP_OVERLOAD: Self = Self::one(27);
    /// DR: the client reset the stream.
    pub const DOWNSTREAM_REMOTE_RESET: Self = Self::one(28);
    /// UDO: dropped by a `drop_overload` of 100%.
    pub const UNCONDITIONAL_DROP_OVERLOAD: Self = Self::one(29);

    const fn one(number: u32) -> Self {
        Self {
            bits: 1 << number,
            order: number + 1,
        }
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.bits & other.bits != 0
    }

    /// Sets the flags of `other`.
    pub const fn insert(&mut self, other: Self) {
        let mut new = other.order;
        let mut count = self.bits.count_ones();
        while new != 0 {
            let number = new & ORDER_MASK;
            new >>= ORDER_BITS;
            if self.bits >> (number - 1) & 1 == 0 && count < MOST_IN_ORDER {
                self.order |= number << (count * ORDER_BITS);
                count += 1;
            }
        }
        self.bits |= other.bits;
    }

    /// The flag with this short name, such as `UH`.
    pub fn from_short_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .position(|(short, _)| *short == name)
            .and_then(|bit| u32::try_from(bit).ok())
            .map(Self::one)
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
        let mut order = self.order;
        let mut unordered = self.bits;
        std::iter::from_fn(move || {
            let number = match order & ORDER_MASK {
                0 if unordered == 0 => return None,
                0 => unordered.trailing_zeros(),
                number => number - 1,
            };
            order >>= ORDER_BITS;
            unordered &= !(1 << number);
            NAMES.get(usize::try_from(number).ok()?)
        })
    }

    /// The flags as a number, bit by bit in Envoy's order.
    pub const fn bits(self) -> u32 {
        self.bits
    }
}

impl PartialEq for ResponseFlags {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl Eq for ResponseFlags {}

impl BitOr for ResponseFlags {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self.insert(other);
        self
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
    fn names_come_in_the_order_of_setting() {
        let mut flags = ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        flags |= ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
        flags |= ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        assert_eq!(flags.short_names().collect::<Vec<_>>(), ["URX", "UF"]);
        assert_eq!(
            flags.long_names().collect::<Vec<_>>(),
            ["UpstreamRetryLimitExceeded", "UpstreamConnectionFailure"]
        );
        let other = ResponseFlags::UPSTREAM_CONNECTION_FAILURE
            | ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        assert_eq!(flags, other, "the order does not make other flags of them");
    }

    #[test]
    fn all_flags_have_their_names() {
        let all = (0..30).map(ResponseFlags::one);
        let all = all.fold(ResponseFlags::NONE, |all, one| all | one);
        let mut names: Vec<_> = all.short_names().collect();
        assert_eq!(names.len(), 30);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 30, "each comes once");
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
