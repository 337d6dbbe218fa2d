//! Certificate files that change while clients use the listener.

use std::collections::HashSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::server::{NAME, Server, get, secret, trusting};

const RENEWALS: u64 = 6;

/// Ends clients when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has three clients ask for ever over new connections, and calls `renew` again and again, each time once the certificate
/// of before has been shown; no request may fail.
fn serves_all_meanwhile(server: &Server, renew: impl Fn(u64, String, String)) {
    let client = trusting(&[&server.authority.pem()]);
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (seen, failed) = (Mutex::new(HashSet::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match get(server.port, &client) {
                        Some(shown) => {
                            served.fetch_add(1, Ordering::Relaxed);
                            seen.lock().expect("nobody panics").insert(shown);
                        }
                        None => {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        // Clients end even if what follows fails.
        let _ends_with_this = Ends(&is_over);
        for number in 1..=RENEWALS {
            let (certificate, key) = server.authority.signs(NAME);
            renew(number, certificate, key);
            server.proxy.until("another certificate is shown", || {
                let seen = seen.lock().expect("nobody panics").len();
                u64::try_from(seen).is_ok_and(|seen| seen > number)
            });
        }
    });
    let log = server.proxy.log();
    assert_eq!(failed.load(Ordering::Relaxed), 0, "{log:?}");
    assert!(served.load(Ordering::Relaxed) > 0);
    assert_eq!(server.stat("listener.tls.ssl.connection_error"), 0);
    assert_eq!(server.stat("listener_manager.listener_modified"), 0);
}

fn replace(server: &Server, name: &str, text: String) {
    fs::write(server.file("new"), text).expect("it can be written");
    fs::rename(server.file("new"), server.file(name)).expect("it can be moved");
}

#[test]
fn no_request_fails_while_certificates_are_renewed_again_and_again() {
    let server = Server::start("", "");
    serves_all_meanwhile(&server, |_, certificate, key| {
        // The one before the other, so that they do not belong together for a while.
        replace(&server, "server.key", key);
        replace(&server, "server.pem", certificate);
    });
    assert!(server.stat("server.reload.certificates_renewed") >= RENEWALS);
}

#[test]
fn no_request_fails_while_a_secret_is_rotated_again_and_again() {
    let server = Server::with_secret();
    serves_all_meanwhile(&server, |number, certificate, key| {
        replace(&server, "secret.yaml", secret(number, &certificate, &key));
    });
    assert_eq!(server.stat("sds.server.update_success"), RENEWALS + 1);
    let rotated = server.stat("listener.tls.server_ssl_socket_factory.ssl_context_update_by_sds");
    assert_eq!(rotated, RENEWALS + 1);
}

#[test]
fn a_secret_that_is_edited_in_place_reaches_connections_to_come() {
    let server = Server::with_secret();
    let client = trusting(&[&server.authority.pem()]);
    let before = get(server.port, &client).expect("it answers");
    let (certificate, key) = server.authority.signs(NAME);
    fs::write(server.file("secret.yaml"), secret(1, &certificate, &key))
        .expect("it can be written");
    server.proxy.until("another certificate is shown", || {
        get(server.port, &client).is_some_and(|shown| shown != before)
    });
}

#[test]
fn a_broken_file_is_told_and_the_certificate_of_before_stays() {
    let server = Server::start("", "");
    let client = trusting(&[&server.authority.pem()]);
    let before = get(server.port, &client).expect("it answers");
    fs::write(server.file("server.pem"), "no certificate").expect("it can be written");
    server.proxy.until("the broken file was seen", || {
        server.stat("server.reload.certificates_failed") == 1
    });
    assert_eq!(get(server.port, &client), Some(before));
    let log = server.proxy.log().expect("it has a log");
    assert!(
        log.contains("listener 'tls' keeps its old certificates"),
        "{log}"
    );
}

#[test]
fn a_certificate_is_shown_with_its_end() {
    let server = Server::start("", "validation_context: {trusted_ca: {filename: '@CA@'}}");
    let page = server.proxy.admin("/certs").expect("the admin answers");
    assert!(page.contains("\"dns\": \"proxy.example\""), "{page}");
    assert!(
        page.contains("ca.pem") && page.contains("server.pem"),
        "{page}"
    );
    let end = server
        .stat("listener.tls.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds");
    assert!(end > 4_000_000_000 / 2);
    assert!(server.stat("server.days_until_first_cert_expiring") > 0);
}
