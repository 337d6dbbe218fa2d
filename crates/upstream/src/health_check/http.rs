//! What a response says of its host's health, and the request that asks.

use std::ops::Range;

use nuncio_contract::headers::{HeaderMap, Known};

use super::session::{Failure, Outcome};
use super::settings::HttpProbe;

/// What checks call themselves.
pub(crate) const USER_AGENT: &[u8] = b"Envoy/HC";

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Whether the host asks to be left out at once.
    pub(crate) leaves_at_once: bool,
    /// Whether the name of its service was looked at.
    pub(crate) was_verified: bool,
}

impl HttpProbe {
    /// The request's headers before the configuration changes them.
    pub(crate) fn request(&self, host: &str, scheme: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::request();
        headers.set(Known::Method, self.method.as_bytes());
        headers.set(Known::Authority, host.as_bytes());
        headers.set(Known::Path, self.path.as_bytes());
        headers.set(Known::Scheme, scheme);
        headers.set(Known::UserAgent, USER_AGENT);
        headers
    }

    /// What a response with this body, as far as it was kept, says. `chance`: any number.
    pub(crate) fn judge(&self, headers: &HeaderMap, body: &[u8], chance: u64) -> Verdict {
        let status = headers
            .get_str(Known::Status)
            .and_then(|it| it.parse().ok());
        let status = status.unwrap_or_default();
        let immediate = headers.contains(Known::XEnvoyImmediateHealthCheckFail);
        let failed = |is_retriable, leaves_at_once, was_verified| Verdict {
            outcome: Outcome::Failed(Failure::Active {
                status,
                is_retriable,
            }),
            leaves_at_once,
            was_verified,
        };
        if !self.receive.are_in(body) {
            return failed(false, immediate, false);
        }
        if !is_in(status, &self.expected) {
            return failed(is_in(status, &self.retriable), immediate, false);
        }
        let mut was_verified = false;
        if let Some(wanted) = &self.service_name
            && chance % 100 < self.verify_cluster.integer(100)
        {
            was_verified = true;
            let name = headers.get(Known::XEnvoyUpstreamHealthcheckedCluster);
            if !wanted.matches(name.unwrap_or_default()) {
                return failed(false, false, true);
            }
        }
        Verdict {
            outcome: Outcome::Passed {
                is_degraded: headers.contains(Known::XEnvoyDegraded),
            },
            leaves_at_once: false,
            was_verified,
        }
    }
}

fn is_in(status: u16, ranges: &[Range<u16>]) -> bool {
    ranges.iter().any(|range| range.contains(&status))
}
