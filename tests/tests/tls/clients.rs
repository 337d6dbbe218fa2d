//! Clients that people use: openssl, curl, Python; each is passed over, with a word, where it is not installed.

use std::process::{Command, Stdio};

use nuncio_testkit::programs::is_installed;

use crate::server::{NAME, Server};

const VALIDATING: &str = "validation_context: {trusted_ca: {filename: '@CA@'}}";

/// What a program prints, its errors included; it has nothing to read.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn s_client(server: &Server, arguments: &[&str]) -> String {
    let (address, ca) = (format!("127.0.0.1:{}", server.port), server.path("ca.pem"));
    let mut all = vec!["s_client", "-connect", &address, "-CAfile", &ca];
    all.extend(arguments);
    run("openssl", &all)
}

fn curl(server: &Server, arguments: &[&str]) -> String {
    let (url, ca) = (
        format!("https://{NAME}:{}/", server.port),
        server.path("ca.pem"),
    );
    let resolve = format!("{NAME}:{}:127.0.0.1", server.port);
    let mut all = vec![
        "-sSi",
        "--max-time",
        "30",
        "--cacert",
        &ca,
        "--resolve",
        &resolve,
        &url,
    ];
    all.extend(arguments);
    run("curl", &all)
}

#[test]
fn openssl_agrees_on_either_version_and_on_nothing_older() {
    if !is_installed("openssl") {
        return;
    }
    let server = Server::start("", "");
    for (version, words) in [
        ("-tls1_3", "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"),
        (
            "-tls1_2",
            "New, TLSv1.2, Cipher is ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
    ] {
        let told = s_client(&server, &[version, "-servername", NAME]);
        assert!(
            told.contains(words) && told.contains("Verification: OK"),
            "{told}"
        );
    }
    let told = s_client(&server, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(told.contains("tlsv1 alert protocol version"), "{told}");
    assert_eq!(server.stat("listener.tls.ssl.handshake"), 2);
    assert_eq!(server.stat("listener.tls.ssl.versions.TLSv1.3"), 1);
    assert_eq!(server.stat("listener.tls.ssl.connection_error"), 1);
    assert_eq!(server.stat("http.http.downstream_cx_ssl_total"), 3);
    server.assert_unharmed();
}

#[test]
fn openssl_has_its_way_where_it_may() {
    if !is_installed("openssl") {
        return;
    }
    let (strict, lenient) = (
        Server::start("", ""),
        Server::start("prefer_client_ciphers: true", ""),
    );
    // The listener's first group even if that costs a round trip, and its order of suites of TLS 1.2.
    for (arguments, of_strict, of_lenient) in [
        (
            ["-tls1_3", "-groups", "P-256:X25519"],
            "X25519",
            "prime256v1",
        ),
        (
            [
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
            ],
            "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
            "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            [
                "-tls1_3",
                "-ciphersuites",
                "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
            ],
            "Cipher is TLS_CHACHA20_POLY1305_SHA256",
            "Cipher is TLS_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        for (server, words) in [(&strict, of_strict), (&lenient, of_lenient)] {
            let told = s_client(server, &arguments);
            assert!(told.contains(words), "{words}: {told}");
        }
    }
    for arguments in [
        ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        ["-tls1_3", "-groups", "X448"],
    ] {
        let told = s_client(&strict, &arguments);
        assert!(told.contains("alert handshake failure"), "{told}");
    }
}

#[test]
fn openssl_resumes_a_session_of_tls_1_2() {
    if !is_installed("openssl") {
        return;
    }
    let server = Server::start("", "");
    let session = server.path("session");
    let first = s_client(&server, &["-tls1_2", "-sess_out", &session]);
    assert!(
        first.contains("TLS session ticket lifetime hint: 7200"),
        "{first}"
    );
    let second = s_client(&server, &["-tls1_2", "-sess_in", &session]);
    assert!(second.contains("Reused, TLSv1.2"), "{second}");
    assert_eq!(server.stat("listener.tls.ssl.session_reused"), 1);
    let other = Server::start("", "");
    let elsewhere = s_client(&other, &["-tls1_2", "-sess_in", &session]);
    assert!(elsewhere.contains("New, TLSv1.2"), "{elsewhere}");
}

#[test]
fn curl_shows_its_certificate_where_one_is_asked_for() {
    if !is_installed("curl") {
        return;
    }
    let server = Server::start("require_client_certificate: true", VALIDATING);
    let (certificate, key) = (server.path("client.pem"), server.path("client.key"));
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let with = [
            version,
            "--tls-max",
            version.trim_start_matches("--tlsv"),
            "--cert",
            &certificate,
            "--key",
            &key,
        ];
        let told = curl(&server, &with);
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
        assert!(told.contains("subject: CN=client.example"), "{told}");
    }
    let told = curl(&server, &[]);
    assert!(told.contains("alert certificate required"), "{told}");
    assert_eq!(server.stat("listener.tls.ssl.fail_verify_no_cert"), 1);
    assert_eq!(
        server.stat("listener.tls.ssl.sigalgs.ecdsa_secp256r1_sha256"),
        2
    );
}

#[test]
fn python_agrees_on_a_protocol_and_checks_the_name() {
    if !is_installed("python3") {
        return;
    }
    const PROGRAM: &str = "
import socket, ssl, sys
port, ca, certificate, key = int(sys.argv[1]), *sys.argv[2:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(['h2', 'http/1.1'])
with socket.create_connection(('127.0.0.1', port)) as plain:
    with context.wrap_socket(plain, server_hostname='proxy.example') as tls:
        print(tls.version(), tls.selected_alpn_protocol())
        tls.sendall(b'GET /validated HTTP/1.1\\r\\nhost: h\\r\\nconnection: close\\r\\n\\r\\n')
        answer = b''
        while chunk := tls.recv(4096):
            answer += chunk
        print(answer.split(b'\\r\\n')[0].decode())
";
    let common = format!("{VALIDATING}\n            alpn_protocols: [http/1.1]");
    let server = Server::start("", &common);
    let port = server.port.to_string();
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| server.path(name));
    let [ca, certificate, key] = &files;
    let told = run("python3", &["-c", PROGRAM, &port, ca, certificate, key]);
    assert_eq!(told, "TLSv1.3 http/1.1\nHTTP/1.1 201 Created\n");
}
