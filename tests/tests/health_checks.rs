//! Health checks over real sockets: hosts that change their mind, hang, or close in the middle.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::thread;

use nuncio_testkit::client::get;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

/// A host that answers with a status of the moment. With 0 it says nothing, with 1 it closes in the middle.
struct Host {
    port: u16,
    status: Arc<AtomicU16>,
    connections: Arc<AtomicUsize>,
}

const SILENT: u16 = 0;
const CLOSES: u16 = 1;

impl Host {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = Self {
            port: listener.local_addr().expect("it is bound").port(),
            status: Arc::new(AtomicU16::new(status)),
            connections: Arc::default(),
        };
        let (status, connections) = (Arc::clone(&host.status), Arc::clone(&host.connections));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                connections.fetch_add(1, Relaxed);
                let status = Arc::clone(&status);
                thread::spawn(move || serve(&connection, &status));
            }
        });
        host
    }
}

fn serve(mut connection: &TcpStream, status: &AtomicU16) {
    for line in BufReader::new(connection).lines().map_while(Result::ok) {
        if !line.is_empty() {
            continue;
        }
        let answer = match status.load(Relaxed) {
            SILENT => continue,
            CLOSES => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned(),
            status => format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n"),
        };
        if connection.write_all(answer.as_bytes()).is_err() || answer.ends_with("half") {
            return;
        }
    }
}

fn config(port: u16, admin: u16, host: u16, check: &str) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: checked
    common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}
    health_checks:
    - {{interval: 0.05s, no_traffic_interval: 0.05s, unhealthy_threshold: 2, healthy_threshold: 2, {check}}}
    load_assignment: {{cluster_name: checked, endpoints: [{{lb_endpoints: [
      {{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, route: {{cluster: checked}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}}}
"
    )
}

/// With a timeout that a slow machine does not reach.
const BY_HTTP: &str = "timeout: 60s, http_health_check: {path: /health}";

/// The proxy before one host.
struct Checked {
    proxy: Proxy,
    port: u16,
    _directory: Scratch,
}

impl Checked {
    fn start(host: &Host, check: &str) -> Self {
        let (port, admin) = (free_port(), free_port());
        let directory = Scratch::new().expect("a directory can be made");
        let arguments = ["--disable-hot-restart", "--concurrency", "2"].map(str::to_owned);
        let config = config(port, admin, host.port, check);
        let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
        Self {
            proxy: proxy.expect("the proxy starts"),
            port,
            _directory: directory,
        }
    }

    fn stat(&self, name: &str) -> u64 {
        let stats = self.proxy.admin("/stats").expect("the admin answers");
        stat_on(&stats, name).unwrap_or_default()
    }

    fn await_healthy(&self, count: u64) {
        self.proxy.until("the host's health changes", || {
            self.stat("cluster.checked.membership_healthy") == count
        });
    }

    fn flags(&self) -> String {
        let clusters = self.proxy.admin("/clusters").expect("the admin answers");
        let flags = clusters
            .lines()
            .find_map(|line| line.split("health_flags::").nth(1));
        flags.expect("there is a host").to_owned()
    }

    fn status(&self) -> u16 {
        get(self.port, "/").expect("the proxy answers").status()
    }
}

#[test]
fn a_host_goes_out_and_returns_as_often_as_it_changes_its_mind() {
    let host = Host::start(200);
    let checked = Checked::start(&host, BY_HTTP);
    checked.await_healthy(1);
    for _ in 0..3 {
        host.status.store(503, Relaxed);
        checked.await_healthy(0);
        assert_eq!(checked.status(), 503, "no host is left");
        assert_eq!(checked.flags(), "/failed_active_hc");
        host.status.store(200, Relaxed);
        checked.await_healthy(1);
        assert_eq!(checked.flags(), "healthy");
    }
}

#[test]
fn a_host_that_hangs_is_told_from_one_that_closes_in_the_middle() {
    let host = Host::start(200);
    let check = "timeout: 0.2s, http_health_check: {path: /health}";
    let checked = Checked::start(&host, check);
    checked.await_healthy(1);
    host.status.store(SILENT, Relaxed);
    checked.await_healthy(0);
    assert_eq!(checked.flags(), "/failed_active_hc/active_hc_timeout");
    host.status.store(CLOSES, Relaxed);
    checked.proxy.until("the host is seen to close", || {
        checked.flags() == "/failed_active_hc"
    });
    host.status.store(200, Relaxed);
    checked.await_healthy(1);
}

#[test]
fn checks_share_a_connection_unless_they_must_not() {
    for (reuse, is_shared) in [("true", true), ("false", false)] {
        let host = Host::start(200);
        let check = format!("reuse_connection: {reuse}, {BY_HTTP}");
        let checked = Checked::start(&host, &check);
        checked.proxy.until("some checks have passed", || {
            checked.stat("cluster.checked.health_check.success") >= 5
        });
        let connections = host.connections.load(Relaxed);
        assert_eq!(connections == 1, is_shared, "{connections} connections");
    }
}

#[test]
fn a_port_that_is_open_is_enough_for_tcp() {
    let host = Host::start(200);
    let checked = Checked::start(&host, "timeout: 60s, tcp_health_check: {}");
    checked.await_healthy(1);
    assert_eq!(checked.stat("cluster.checked.health_check.failure"), 0);
}
