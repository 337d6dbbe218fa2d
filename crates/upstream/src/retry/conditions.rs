//! The conditions of `retry_on`, of which words that mean nothing are ignored, as in Envoy.

use std::ops::{BitOr, BitOrAssign};

/// A set of conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOn(u32);

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $word:literal;)+) => {
        impl RetryOn {
            $($(#[$doc])* pub const $name: RetryOn = RetryOn(1 << $bit);)+
            const WORDS: &'static [(&'static str, RetryOn)] = &[$(($word, RetryOn::$name)),+];
        }
    };
}

conditions! {
    /// A status of 5xx, or no response at all.
    FIVE_XX = 0, "5xx";
    /// 502, 503, 504, or no response at all.
    GATEWAY_ERROR = 1, "gateway-error";
    /// No connection.
    CONNECT_FAILURE = 2, "connect-failure";
    /// 409.
    RETRIABLE_4XX = 3, "retriable-4xx";
    /// The host refused the stream.
    REFUSED_STREAM = 4, "refused-stream";
    /// One of the policy's statuses.
    RETRIABLE_STATUS_CODES = 5, "retriable-status-codes";
    /// One of the policy's headers.
    RETRIABLE_HEADERS = 6, "retriable-headers";
    /// `x-envoy-ratelimited`.
    ENVOY_RATE_LIMITED = 7, "envoy-ratelimited";
    /// No response.
    RESET = 8, "reset";
    /// No response, and nothing of the request was sent.
    RESET_BEFORE_REQUEST = 9, "reset-before-request";
    /// A failure over HTTP/3, which is not spoken.
    HTTP3_POST_CONNECT_FAILURE = 10, "http3-post-connect-failure";
    /// gRPC's status 1.
    GRPC_CANCELLED = 16, "cancelled";
    /// gRPC's status 4.
    GRPC_DEADLINE_EXCEEDED = 17, "deadline-exceeded";
    /// gRPC's status 8.
    GRPC_RESOURCE_EXHAUSTED = 18, "resource-exhausted";
    /// gRPC's status 14.
    GRPC_UNAVAILABLE = 19, "unavailable";
    /// gRPC's status 13.
    GRPC_INTERNAL = 20, "internal";
}

const GRPC_BITS: u32 = 0x1f_0000;

impl RetryOn {
    /// Nothing is tried again.
    pub const NOTHING: RetryOn = RetryOn(0);

    /// Whether nothing is tried again.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of `other` is in it.
    pub const fn has(self, other: RetryOn) -> bool {
        self.0 & other.0 != 0
    }

    /// The conditions of a policy, where those of gRPC stand among the others.
    pub fn of_policy(text: &[u8]) -> Self {
        tokens(text).fold(Self::NOTHING, |all, word| all | Self::of_word(word))
    }

    /// Those of `x-envoy-retry-on`.
    pub fn of_header(text: &[u8]) -> Self {
        RetryOn(Self::of_policy(text).0 & !GRPC_BITS)
    }

    /// Those of `x-envoy-retry-grpc-on`.
    pub fn of_grpc_header(text: &[u8]) -> Self {
        RetryOn(Self::of_policy(text).0 & GRPC_BITS)
    }

    /// Whether a word of a policy means anything.
    pub fn knows(word: &[u8]) -> bool {
        !Self::of_word(word).is_empty()
    }

    /// Whether the response has a status of gRPC that is tried again.
    pub fn has_grpc(self, status: u64) -> bool {
        self.has(match status {
            1 => Self::GRPC_CANCELLED,
            4 => Self::GRPC_DEADLINE_EXCEEDED,
            8 => Self::GRPC_RESOURCE_EXHAUSTED,
            13 => Self::GRPC_INTERNAL,
            14 => Self::GRPC_UNAVAILABLE,
            _ => Self::NOTHING,
        })
    }

    fn of_word(word: &[u8]) -> Self {
        let found = Self::WORDS.iter().find(|(name, _)| name.as_bytes() == word);
        found.map_or(Self::NOTHING, |(_, condition)| *condition)
    }
}

impl BitOr for RetryOn {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        RetryOn(self.0 | other.0)
    }
}

impl BitOrAssign for RetryOn {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The words of a list with commas.
pub fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.is_empty())
}

/// The numbers of a list with commas; what is none is left out.
pub fn numbers_of(text: &[u8]) -> impl Iterator<Item = u32> {
    tokens(text).filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}
