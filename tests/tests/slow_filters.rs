//! Filters that take their time: for work, and for a limit of bytes a second.

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

const TYPES: &str = "type.googleapis.com/envoy.extensions";
/// More than the sockets between two ends hold, and than the limit lets go in the first second.
const LARGE_BODY_BYTES: usize = 16 << 20;
const LIMIT_KIB: usize = 8 << 10;
/// What may be compressed for others before one is answered. What a task may read in one turn is twice as much.
const MOST_BETWEEN_BYTES: u64 = 4 << 20;

/// A route to a host at `/host`, and one that answers everything else from a file.
fn config(ports: [u16; 3], filter: &str, options: &str, file: &Path) -> String {
    let [port, admin, host] = ports;
    let file = file.display();
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: host
    load_assignment: {{cluster_name: host, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          {options}
          route_config: {{name: r, max_direct_response_body_size_bytes: {LARGE_BODY_BYTES}, virtual_hosts: [
            {{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /host}}, route: {{cluster: host}}}},
            {{match: {{prefix: /}}, direct_response: {{status: 200, body: {{filename: '{file}'}}}}}}]}}]}}
          http_filters:
          - {filter}
          - {{name: router, typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}}}
"
    )
}

fn start(directory: &Scratch, ports: [u16; 3], filter: &str, options: &str, body: &[u8]) -> Proxy {
    let file = directory.path().join("body");
    std::fs::write(&file, body).expect("the directory can be written to");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(ports, filter, options, &file);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, ports[1], directory.path());
    proxy.expect("the proxy starts")
}

fn stat(proxy: &Proxy, name: &str) -> u64 {
    let page = proxy.admin("/stats").expect("the admin answers");
    stat_on(&page, name).unwrap_or(0)
}

/// Answers one request without an end.
fn answer_for_ever(host: &TcpListener) {
    let (mut connection, _) = host.accept().expect("the proxy connects");
    let _the_head = connection.read(&mut [0; 4096]);
    let text: String = (0..8192_u32).map(|n| format!("{:08x}", n * 7919)).collect();
    let piece = format!("{:x}\r\n{text}\r\n", text.len());
    let mut goes_on =
        connection.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    while goes_on.is_ok() {
        goes_on = connection.write_all(piece.as_bytes());
    }
}

#[test]
fn others_are_answered_while_an_endless_body_is_compressed() {
    let host = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host_port = host.local_addr().expect("it is bound").port();
    let ports = [free_port(), free_port(), host_port];
    let directory = Scratch::new().expect("a directory can be made");
    let filter = format!(
        "{{name: c, typed_config: {{'@type': {TYPES}.filters.http.compressor.v3.Compressor, \
         compressor_library: {{name: l, typed_config: \
         {{'@type': {TYPES}.compression.gzip.compressor.v3.Gzip}}}}}}}}"
    );
    let proxy = start(&directory, ports, &filter, "", b"short");
    let read_from_host = || stat(&proxy, "cluster.host.upstream_cx_rx_bytes_total");
    let mut quick = TcpStream::connect(("127.0.0.1", ports[0])).expect("the listener accepts");
    std::thread::scope(|scope| {
        scope.spawn(|| answer_for_ever(&host));
        let end = quick.try_clone().expect("a second handle");
        scope.spawn(move || {
            let request = b"GET /host HTTP/1.1\r\nhost: h\r\naccept-encoding: gzip\r\n\r\n";
            quick.write_all(request).expect("the request is taken");
            let mut room = vec![0; 1 << 20];
            while quick.read(&mut room).is_ok_and(|count| count > 0) {}
        });
        proxy.until("much is being compressed", || {
            read_from_host() > MOST_BETWEEN_BYTES
        });
        let before = read_from_host();
        let mut other = Client::connect(ports[0]).expect("the listener accepts");
        other
            .send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            .expect("the connection is open");
        let answer = other.read_response().map(|answer| answer.message.status());
        let between = read_from_host() - before;
        let _both_ends_stop = end.shutdown(std::net::Shutdown::Both);
        assert_eq!(answer.ok(), Some(200));
        assert!(between < MOST_BETWEEN_BYTES, "{between} bytes came first");
    });
}

#[test]
fn a_client_that_does_not_read_what_a_filter_lets_go_is_given_up() {
    let ports = [free_port(), free_port(), free_port()];
    let directory = Scratch::new().expect("a directory can be made");
    let filter = format!(
        "{{name: b, typed_config: {{'@type': {TYPES}.filters.http.bandwidth_limit.v3.BandwidthLimit, \
         stat_prefix: b, enable_mode: RESPONSE, limit_kbps: {LIMIT_KIB}}}}}"
    );
    let options = "stream_idle_timeout: 0.5s";
    let body = vec![b'b'; LARGE_BODY_BYTES];
    let proxy = start(&directory, ports, &filter, options, &body);
    let mut idle = TcpStream::connect(("127.0.0.1", ports[0])).expect("the listener accepts");
    idle.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .expect("the request is taken");
    proxy.until("the client is given up", || {
        stat(&proxy, "http.http.downstream_rq_idle_timeout") == 1
    });
    proxy.until("nothing of it is left", || {
        let pending = stat(&proxy, "b.http_bandwidth_limit.response_pending");
        let active = stat(&proxy, "http.http.downstream_rq_active");
        pending + active + stat(&proxy, "http.http.downstream_cx_active") == 0
    });
}

#[test]
fn a_host_that_has_sent_all_serves_others_while_a_filter_still_lets_the_body_go() {
    let host = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let ports = [
        free_port(),
        free_port(),
        host.local_addr().expect("it is bound").port(),
    ];
    let directory = Scratch::new().expect("a directory can be made");
    let filter = format!(
        "{{name: b, typed_config: {{'@type': {TYPES}.filters.http.bandwidth_limit.v3.BandwidthLimit, \
         stat_prefix: b, enable_mode: RESPONSE, limit_kbps: 1}}}}"
    );
    let proxy = start(&directory, ports, &filter, "", b"short");
    let mut slow = TcpStream::connect(("127.0.0.1", ports[0])).expect("the listener accepts");
    slow.write_all(b"GET /host HTTP/1.1\r\nhost: h\r\n\r\n")
        .expect("the request is taken");
    let (mut connection, _) = host.accept().expect("the proxy connects");
    let _the_head = connection.read(&mut [0; 4096]);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n{:50000}",
        ""
    );
    connection
        .write_all(answer.as_bytes())
        .expect("the answer is taken");
    proxy.until("the host's part is over", || {
        stat(&proxy, "cluster.host.upstream_rq_200") == 1
            && stat(&proxy, "cluster.host.upstream_rq_active") == 0
    });
    assert_eq!(stat(&proxy, "cluster.host.upstream_cx_active"), 1);
    assert_eq!(stat(&proxy, "http.http.downstream_rq_active"), 1);
}
