//! The kept certificates, in `differential/certificates`.

use std::fs;
use std::io;

use nuncio_testkit::tls::Identity;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::case::data_directory;

/// A kept certificate with its key.
///
/// # Errors
/// If there is none of this name.
pub fn identity(name: &str) -> io::Result<Identity> {
    Identity::read(&data_directory().join("certificates"), name)
        .map_err(|error| io::Error::other(format!("certificate {name}: {error}")))
}

/// Name of the kept certificate that this is.
#[must_use]
pub fn certificate_name(der: &[u8]) -> String {
    if der.is_empty() {
        return "none".to_owned();
    }
    let files = fs::read_dir(data_directory().join("certificates"));
    let known = files.into_iter().flatten().flatten().find(|file| {
        let is_pem = file.path().extension().is_some_and(|kind| kind == "pem");
        is_pem && CertificateDer::from_pem_file(file.path()).is_ok_and(|known| *known == *der)
    });
    known.map_or_else(
        || "of the case".to_owned(),
        |file| {
            let path = file.path();
            let stem = path.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        },
    )
}
