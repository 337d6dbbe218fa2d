//! A proxy in front of one host that the test plays itself.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use nuncio_testkit::DEADLINE;
use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

pub(crate) const GET: &[u8] = b"GET /canary HTTP/1.1\r\nhost: a\r\n\r\n";
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The proxy and its host. Everything goes to the host but `/direct`, answered by the route, and `/nested/`,
/// matched by an expression that other engines take for ever for.
pub(crate) struct Running {
    pub(crate) proxy: Proxy,
    pub(crate) port: u16,
    pub(crate) host: TcpListener,
    _directory: Scratch,
}

pub(crate) fn start() -> Running {
    start_with("")
}

/// With more at the end of the bootstrap.
pub(crate) fn start_with(more: &str) -> Running {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    let host = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let host_port = host.local_addr().expect("it is bound").port();
    let (port, admin) = (free_port(), free_port());
    let config = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          upgrade_configs: [{{upgrade_type: websocket}}, {{upgrade_type: foo}}]
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{path: /direct}}, direct_response: {{status: 200, body: {{inline_string: {body}}}}}}},
            {{match: {{safe_regex: {{regex: '/nested/(a+)+(a+)+b'}}}}, direct_response: {{status: 403}}}},
            {{match: {{prefix: /nested}}, direct_response: {{status: 200}}}},
            {{match: {{prefix: /}}, route: {{cluster: c}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
  clusters:
  - name: c
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host_port}}}}}}}}}]}}]}}
{more}
",
        body = "b".repeat(4096)
    );
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path())
        .expect("the proxy starts");
    Running {
        proxy,
        port,
        host,
        _directory: directory,
    }
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port).expect("it listens")
    }

    pub(crate) fn stream(&self) -> TcpStream {
        patient(TcpStream::connect(("127.0.0.1", self.port)).expect("it listens"))
    }

    /// All that comes back on a connection of its own.
    pub(crate) fn answer(&self, request: &[u8]) -> String {
        let mut client = self.stream();
        send(&mut client, request);
        let mut all = Vec::new();
        client.read_to_end(&mut all).expect("it answers and closes");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The next connection of the proxy to the host.
    pub(crate) fn accept(&self) -> TcpStream {
        patient(self.host.accept().expect("the proxy connects").0)
    }

    /// What the system says it holds of memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.proxy.id()));
        let status = status.expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<usize> = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        kib.expect("a number of KiB") * 1024
    }

    /// It lives, serves, and nothing is left of what was.
    pub(crate) fn assert_unharmed(&self) {
        let mut client = self.client();
        client
            .send(b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .expect("it reads");
        let answer = client.read_response().expect("it answers");
        assert_eq!(answer.message.status(), 200);
        drop(client);
        self.proxy.until("nothing is open any more", || {
            let page = self.proxy.admin("/stats").expect("the admin answers");
            [
                "http.http.downstream_cx_active",
                "cluster.c.upstream_rq_active",
            ]
            .iter()
            .all(|name| stat_on(&page, name).unwrap_or(0) == 0)
        });
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    stream
        .set_write_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    stream
}

/// Reads up to the blank line that ends a head.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head comes");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("the proxy writes text")
}

pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the other side reads");
}
