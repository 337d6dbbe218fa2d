//! The certificates of all TLS contexts, as `/certs` shows them: messages `envoy.admin.v3.Certificate`.
//!
//! Of a file with several certificates the first is shown, as in Envoy; contexts stand in the order of their
//! clusters, where Envoy has that of a hash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_net::tls::{CertificateDetails, SubjectKind};
use nuncio_upstream::{ClusterManager, TransportSocket};

use crate::admin::json::Json;
use crate::admin::rfc3339;

const DAY_S: u64 = 86_400;

/// One entry a context.
pub(super) fn all(manager: &ClusterManager) -> Vec<Json> {
    let mut clusters = manager.clusters();
    clusters.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
    let now = SystemTime::now();
    let contexts = clusters
        .iter()
        .filter_map(|cluster| match &cluster.transport_socket {
            TransportSocket::Tls(tls) => Some(tls.certificates()),
            TransportSocket::RawBuffer => None,
        });
    let list = |certificate: Option<CertificateDetails>| -> Vec<Json> {
        let shown = certificate
            .iter()
            .map(|certificate| shown(certificate, now));
        shown.collect()
    };
    let entries = contexts.map(|context| {
        Json::object()
            .with("ca_cert", list(context.trusted))
            .with("cert_chain", list(context.own))
    });
    entries.collect()
}

fn shown(certificate: &CertificateDetails, now: SystemTime) -> Json {
    let names = certificate.names.iter().map(|(kind, name)| {
        let kind = match kind {
            SubjectKind::Dns => "dns",
            SubjectKind::Uri => "uri",
            SubjectKind::IpAddress => "ip_address",
        };
        Json::object().with(kind, name.as_str())
    });
    let end = at(certificate.not_after_s);
    let left = end.duration_since(now).unwrap_or_default();
    Json::object()
        .with("path", certificate.path.as_str())
        .with("serial_number", certificate.serial_number.as_str())
        .with("subject_alt_names", names.collect::<Vec<Json>>())
        .with("days_until_expiration", left.as_secs() / DAY_S)
        .with("valid_from", rfc3339(at(certificate.not_before_s)))
        .with("expiration_time", rfc3339(end))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
