//! Certificate files that change while a cluster uses them.

use std::fs;

use nuncio_testkit::client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::script::Script;
use nuncio_testkit::tls::Authority;
use nuncio_testkit::upstream::Upstream;

use crate::server::{Config, Listener, Server, goes_to};

#[test]
fn a_trusted_authority_is_read_again_when_its_file_changes_and_kept_when_it_breaks() {
    let (old, new) = (authority(), authority());
    let name = "host.example".to_owned();
    let tls = new.server(&[name], &[]).expect("a certificate can be made");
    let upstream = Upstream::start("u", Script::new(), Some(tls)).expect("an upstream starts");
    let port = free_port();
    let directory = nuncio_testkit::proxy::Scratch::new().expect("a directory can be made");
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, &old.certificate_pem).expect("it can be written");
    let server = Server::start(&config(port, upstream.port(), &ca.to_string_lossy()), &[]);
    assert_eq!(status(port), 503);

    let swap = directory.path().join("new.pem");
    fs::write(&swap, &new.certificate_pem).expect("it can be written");
    fs::rename(&swap, &ca).expect("it can be moved");
    server.until("the new authority is trusted", || status(port) == 200);
    assert_eq!(server.stat("server.reload.certificates_renewed"), Some(1));
    assert_eq!(server.stat("cluster_manager.cluster_modified"), Some(0));

    fs::write(&ca, "no certificate").expect("it can be written");
    server.until("the broken file was seen", || {
        server.stat("server.reload.certificates_failed") == Some(1)
    });
    assert_eq!(status(port), 200);
    let log = server.proxy.log().expect("it has a log");
    assert!(
        log.contains("cluster 'c' keeps its old certificates"),
        "{log}"
    );

    fs::write(&ca, &old.certificate_pem).expect("it can be written");
    server.until("the old authority alone is trusted", || status(port) == 503);
}

#[test]
fn a_reload_takes_changed_certificates_without_touching_the_cluster() {
    let (old, new) = (authority(), authority());
    let name = "host.example".to_owned();
    let tls = new.server(&[name], &[]).expect("a certificate can be made");
    let upstream = Upstream::start("u", Script::new(), Some(tls)).expect("an upstream starts");
    let port = free_port();
    let directory = nuncio_testkit::proxy::Scratch::new().expect("a directory can be made");
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, &old.certificate_pem).expect("it can be written");
    let config = config(port, upstream.port(), &ca.to_string_lossy());
    let server = Server::start(&config, &[]);
    assert_eq!(status(port), 503);
    fs::write(&ca, &new.certificate_pem).expect("it can be written");
    server.reload(&config);
    assert_eq!(status(port), 200);
    assert_eq!(server.stat("cluster.c.membership_change"), Some(1));
}

#[test]
fn a_changed_static_secret_reaches_the_clusters_that_refer_to_it() {
    let (old, new) = (authority(), authority());
    let name = "host.example".to_owned();
    let tls = new.server(&[name], &[]).expect("a certificate can be made");
    let upstream = Upstream::start("u", Script::new(), Some(tls)).expect("an upstream starts");
    let port = free_port();
    let trusting = |authority: &Authority| {
        let context = "validation_context_sds_secret_config: {name: ca}";
        let mut config = with_context(port, upstream.port(), context);
        config.secrets = format!(
            "  - {{name: ca, validation_context: {{trusted_ca: {{inline_string: {:?}}}}}}}\n",
            authority.certificate_pem
        );
        config
    };
    let server = Server::start(&trusting(&old), &[]);
    assert_eq!(status(port), 503);
    let did = server.reload(&trusting(&new));
    assert!(did.contains(r#""updated":["c"]"#), "{did}");
    assert_eq!(status(port), 200);
    assert_eq!(server.stat("cluster.c.membership_change"), Some(1));
}

fn authority() -> Authority {
    Authority::new().expect("an authority can be made")
}

fn status(port: u16) -> u16 {
    client::get(port, "/")
        .expect("the listener answers")
        .status()
}

/// A cluster that trusts what is in `ca`, with a handshake for each request.
fn config(port: u16, upstream: u16, ca: &str) -> Config {
    let context = format!("validation_context: {{trusted_ca: {{filename: '{ca}'}}}}");
    with_context(port, upstream, &context)
}

fn with_context(port: u16, upstream: u16, context: &str) -> Config {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    Config {
        clusters: vec![("c".to_owned(), upstream)],
        of_clusters: format!(
            "transport_socket: {{name: tls, typed_config: {{'@type': \
             {TYPES}.transport_sockets.tls.v3.UpstreamTlsContext, sni: host.example, \
             common_tls_context: {{{context}}}}}}}, \
             typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
             {{'@type': {TYPES}.upstreams.http.v3.HttpProtocolOptions, \
             common_http_protocol_options: {{max_requests_per_connection: 1}}, \
             explicit_http_config: {{http_protocol_options: {{}}}}}}}},"
        ),
        listeners: vec![Listener::routing("l", port, &[("/", &goes_to("c"))])],
        ..Config::default()
    }
}
