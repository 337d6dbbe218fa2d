//! Files that the configuration names and Envoy reads while it loads.

use std::path::Path;

use nuncio_config::span::Span;
use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

/// Fields that hold the path of a file, and what Envoy says before the path when it is not there.
const PATHS: [(&str, &str, &str); 8] = [
    (
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor",
        "Invalid path: ",
    ),
    (
        "envoy.extensions.filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder",
        "descriptor_path",
        "Invalid path: ",
    ),
    (GEOIP, "city_db_path", MAXMIND),
    (GEOIP, "isp_db_path", MAXMIND),
    (GEOIP, "anon_db_path", MAXMIND),
    (GEOIP, "asn_db_path", MAXMIND),
    (GEOIP, "country_db_path", MAXMIND),
    (GEOIP, "enterprise_db_path", MAXMIND),
];
const GEOIP: &str = "envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig";
const MAXMIND: &str = "Unable to open Maxmind database file ";

/// Any message: a path that it holds by itself.
pub(super) fn paths(message: &Message, checker: &mut Checker<'_>) {
    for (_, field, complaint) in PATHS.iter().filter(|(name, ..)| *name == message.name()) {
        if let Some((path, span)) = message.text(field) {
            exists(path, span, complaint, checker);
        }
    }
}

/// Bytes from a file.
pub(super) fn data(source: &Message, checker: &mut Checker<'_>) {
    if let Some((path, span)) = source.text("filename") {
        exists(path, span, "Invalid path: ", checker);
    }
}

/// A response from a file.
pub(super) fn body(response: &Message, checker: &mut Checker<'_>) {
    let body = response
        .child("body")
        .and_then(|body| body.text("filename"));
    if let Some((path, span)) = body
        && !Path::new(path).exists()
        && checker.reported.insert((span.source, span.start))
    {
        checker.error(span, format!("file {path} does not exist"));
    }
}

/// A certificate with its key.
pub(super) fn certificate(certificate: &Message, checker: &mut Checker<'_>) {
    let parts = [
        (
            "private_key",
            "Failed to load incomplete private key from path: ",
            "",
        ),
        (
            "certificate_chain",
            "Failed to load incomplete certificate from ",
            ": certificate chain not set",
        ),
    ];
    for (field, complaint, rest) in parts {
        let file = certificate
            .child(field)
            .and_then(|source| source.text("filename"));
        if let Some((path, span)) = file {
            exists_or(path, span, &format!("{complaint}{path}{rest}"), checker);
        }
    }
}

/// A layer of runtime on disk: the directory is watched.
pub(super) fn disk_layer(layer: &Message, checker: &mut Checker<'_>) {
    let Some((root, span)) = layer.text("symlink_root") else {
        return;
    };
    let directory = Path::new(root)
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.exists()) {
        let text =
            format!("unable to add filesystem watch for file {root}: No such file or directory");
        checker.error(span, text);
    }
}

fn exists(path: &str, span: Span, complaint: &str, checker: &mut Checker<'_>) {
    exists_or(path, span, &format!("{complaint}{path}"), checker);
}

fn exists_or(path: &str, span: Span, complaint: &str, checker: &mut Checker<'_>) {
    // Whatever was said about this place is enough.
    if checker.reads_files
        && !Path::new(path).exists()
        && checker.reported.insert((span.source, span.start))
    {
        checker.error(span, complaint).note("there is no such file");
    }
}
