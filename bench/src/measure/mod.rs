//! The measurements, each in a file of its own; all add to [`Samples`].
//!
//! A proxy that fails is left out of the round with a note; the others go on.

pub(crate) mod clusters;
pub(crate) mod instructions;
pub(crate) mod memory;
pub(crate) mod observed;
pub(crate) mod protocols;
pub(crate) mod ready;
pub(crate) mod routes;
pub(crate) mod scrape;
pub(crate) mod throughput;

use crate::proxies::{Kind, Proxy};
use crate::running::Site;
use crate::samples::Samples;

/// What every measurement works with.
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) samples: Samples,
}

impl Bench {
    /// Notes a failure of one proxy.
    fn note(samples: &mut Samples, kind: Kind, what: &str, error: impl std::fmt::Display) {
        samples.note(format!("{}: {what}: {error}", kind.name()));
    }
}

/// Bytes as MiB.
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
