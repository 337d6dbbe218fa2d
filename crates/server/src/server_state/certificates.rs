//! The certificates of all TLS contexts, as `/certs` shows them: messages `envoy.admin.v3.Certificate`.
//!
//! Of a file with several certificates the first is shown, as in Envoy; contexts stand in the order of the listeners,
//! then of the clusters, where Envoy has that of a hash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_config::sorting;
use nuncio_net::tls::{CertificateDetails, ContextCertificates, SubjectKind};
use nuncio_upstream::ClusterManager;

use crate::admin::json::Json;
use crate::admin::rfc3339;
use crate::running::Running;

const DAY_S: u64 = 86_400;

/// One entry a context.
pub(super) fn all(manager: &ClusterManager, running: &Running) -> Vec<Json> {
    let now = SystemTime::now();
    let list = |certificates: &mut dyn Iterator<Item = &CertificateDetails>| -> Vec<Json> {
        certificates
            .map(|certificate| shown(certificate, now))
            .collect()
    };
    let contexts = contexts(manager, running);
    let entries = contexts.iter().map(|context| {
        Json::object()
            .with("ca_cert", list(&mut context.trusted.iter()))
            .with("cert_chain", list(&mut context.own.iter()))
    });
    entries.collect()
}

/// Days until the first certificate ends, that of an authority or of our own; none without any.
pub(super) fn days_until_first_ends(manager: &ClusterManager, running: &Running) -> Option<u64> {
    let now = SystemTime::now();
    let contexts = contexts(manager, running);
    let certificates = contexts
        .iter()
        .flat_map(|it| it.trusted.iter().chain(&it.own));
    certificates
        .map(|certificate| days_left(certificate, now))
        .min()
}

fn contexts(manager: &ClusterManager, running: &Running) -> Vec<ContextCertificates> {
    let mut clusters = manager.clusters();
    sorting::sort_by(&mut clusters, |a, b| a.settings.name.cmp(&b.settings.name));
    let of_clusters = clusters
        .iter()
        .flat_map(|cluster| cluster.sockets())
        .filter_map(|socket| Some(socket.context()?.certificates()));
    let mut contexts: Vec<_> = of_clusters.collect();
    contexts.extend(running.listeners.borrow().certificates());
    contexts
}

fn days_left(certificate: &CertificateDetails, now: SystemTime) -> u64 {
    let end = at(certificate.not_after_s);
    end.duration_since(now).unwrap_or_default().as_secs() / DAY_S
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
    Json::object()
        .with("path", certificate.path.as_str())
        .with("serial_number", certificate.serial_number.as_str())
        .with("subject_alt_names", names.collect::<Vec<Json>>())
        .with("days_until_expiration", days_left(certificate, now))
        .with("valid_from", rfc3339(at(certificate.not_before_s)))
        .with("expiration_time", rfc3339(end))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
