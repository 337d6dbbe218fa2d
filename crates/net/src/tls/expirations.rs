//! `ssl.certificate.<name>.expiration_unix_time_seconds`: when each certificate of a context ends.
//!
//! As in Envoy, a certificate has the name of its secret, or one that stands for all without a name; of several of one
//! name, in one context or in several of the same scope, the last one is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_contract::stats::{Scope, WideGauge};

use super::details::{CertificateDetails, ContextCertificates};

/// The gauges of one context.
#[derive(Debug, Default)]
pub struct Expirations(Mutex<BTreeMap<String, Arc<WideGauge>>>);

impl Expirations {
    /// Shows when these certificates end, under `scope`.
    pub fn show(&self, scope: &Scope, certificates: &ContextCertificates) {
        let gauges = self.0.lock();
        let mut gauges = gauges.unwrap_or_else(PoisonError::into_inner);
        for (name, end) in ends(certificates) {
            let gauge = gauges
                .entry(name)
                .or_insert_with_key(|name| scope.wide_gauge(name));
            gauge.set(end);
        }
    }
}

fn ends(certificates: &ContextCertificates) -> BTreeMap<String, u64> {
    // Where there is no name, Envoy's ends in the hash of nothing.
    let own = certificates
        .own
        .iter()
        .map(|one| named(one, "unnamed_cert_e3b0c442"));
    let trusted = certificates
        .trusted
        .iter()
        .map(|one| named(one, "unnamed_ca_cert_e3b0c442"));
    // What trusts nobody in particular never ends.
    let trusts_none = certificates.validates && certificates.trusted.is_none();
    let never = trusts_none.then_some(("unnamed_ca_cert", i64::MAX.unsigned_abs()));
    let path = |(name, end)| {
        let path = format!("ssl.certificate.{name}.expiration_unix_time_seconds");
        (path, end)
    };
    own.chain(trusted).chain(never).map(path).collect()
}

fn named<'a>(certificate: &'a CertificateDetails, unnamed: &'a str) -> (&'a str, u64) {
    let name = match certificate.secret.as_str() {
        "" => unnamed,
        name => name,
    };
    (name, certificate.not_after_s)
}
