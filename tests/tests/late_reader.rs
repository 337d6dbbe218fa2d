//! Clients that read late: of many responses, and of a connection that is to end.

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

const REQUESTS: usize = 8000;
const BODY_BYTES: usize = 4096;
/// What the proxy has sent when the client begins to read.
const SENT_BEFORE_BYTES: u64 = 1 << 20;

/// Requests on one connection at most, so that some connection has its last response between the two sockets.
const MOST_PIPELINED: usize = 60;

/// A listener in front of another one of the same proxy, which answers: a third answer of the proxy's own in a row
/// would end the connection.
fn config(port: u16, admin: u16, options: &str) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    let host = free_port();
    let body = "b".repeat(BODY_BYTES);
    format!(
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
          {options}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, route: {{cluster: host}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: host
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: {body}}}}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
  clusters:
  - name: host
    connect_timeout: 5s
    load_assignment: {{cluster_name: host, endpoints: [{{lb_endpoints: [
      {{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]}}
"
    )
}

fn stat(proxy: &Proxy, name: &str) -> u64 {
    let page = proxy.admin("/stats").expect("the admin answers");
    stat_on(&page, &format!("http.http.{name}")).unwrap_or(0)
}

fn start(options: &str, directory: &Scratch) -> (Proxy, u16) {
    let (port, admin) = (free_port(), free_port());
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(port, admin, options);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    (proxy.expect("the proxy starts"), port)
}

/// Reads one response whole; its body.
fn read_response(stream: &mut impl BufRead) -> Vec<u8> {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).expect("the head comes");
    }
    let mut body = vec![0; BODY_BYTES];
    stream.read_exact(&mut body).expect("the body comes");
    body
}

#[test]
fn a_client_that_reads_late_gets_every_response_whole() {
    let directory = Scratch::new().expect("a directory can be made");
    let (proxy, port) = start("", &directory);
    let late = TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
    let mut requests = late.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let all = "GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(REQUESTS);
            requests.write_all(all.as_bytes()).expect("all are read");
        });
        proxy.until("the proxy has sent much", || {
            stat(&proxy, "downstream_cx_tx_bytes_total") >= SENT_BEFORE_BYTES
        });
        let mut other = Client::connect(port).expect("the listener accepts");
        other
            .send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            .expect("the connection is open");
        let response = other
            .read_response()
            .expect("others are answered meanwhile");
        assert_eq!(response.message.status(), 200);
        let mut late = BufReader::new(late);
        for _ in 0..REQUESTS {
            assert!(read_response(&mut late).iter().all(|byte| *byte == b'b'));
        }
    });
}

#[test]
fn a_response_that_has_no_room_yet_outlives_the_idle_timeout_of_its_connection() {
    let directory = Scratch::new().expect("a directory can be made");
    let idle = "common_http_protocol_options: {idle_timeout: 0.2s}";
    let (proxy, port) = start(idle, &directory);
    let connections: Vec<_> = (1..=MOST_PIPELINED)
        .map(|count| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_recv_buffer_size(4096).expect("a small buffer");
            socket.set_tcp_mss(1000).expect("small segments");
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            socket
                .connect(&address.into())
                .expect("the listener accepts");
            let mut connection = TcpStream::from(socket);
            let requests = "GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(count);
            connection
                .write_all(requests.as_bytes())
                .expect("the requests fit");
            connection
        })
        .collect();
    // Two connections later that do nothing, all the others have been idle for too long.
    for _ in 0..2 {
        let mut idle = Client::connect(port).expect("the listener accepts");
        idle.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            .expect("the connection is open");
        idle.read_response().expect("it is answered");
        idle.read_rest();
    }
    assert!(stat(&proxy, "downstream_cx_idle_timeout") > 2);
    for (connection, count) in connections.into_iter().zip(1..) {
        let mut connection = BufReader::new(connection);
        for _ in 0..count {
            read_response(&mut connection);
        }
    }
}

#[test]
fn a_listener_that_drains_ends_connections_of_the_tcp_proxy_behind_what_is_half_written() {
    let directory = Scratch::new().expect("a directory can be made");
    let host = TcpListener::bind(("127.0.0.1", 0)).expect("a host");
    let host_port = host.local_addr().expect("its address").port();
    let (port, admin) = (free_port(), free_port());
    let config = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: c
          check_drain_close: true
  clusters:
  - name: c
    connect_timeout: 5s
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [
      {{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host_port}}}}}}}}}]}}]}}
"
    );
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let proxy = proxy.expect("the proxy starts");
    let of = |name: &str| {
        let page = proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, name).unwrap_or(0)
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket
        .connect(&address.into())
        .expect("the listener accepts");
    let mut client = TcpStream::from(socket);
    let (mut server, _) = host.accept().expect("the proxy connects");
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // More than all buffers hold; the proxy leaves before it is through.
            let _ = server.write_all(&vec![b'x'; 64 << 20]);
        });
        proxy.until("the client's side is full", || {
            of("cluster.c.upstream_flow_control_paused_reading_total") > 0
        });
        let mut admin = Client::connect(admin).expect("the admin listens");
        admin
            .send(b"POST /healthcheck/fail HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
            .expect("the connection is open");
        admin.read_response().expect("the admin answers");
        client.write_all(b"a").expect("the connection is open");
        proxy.until("the byte has come", || {
            of("tcp.t.downstream_cx_rx_bytes_total") == 1
        });
        client
            .read_to_end(&mut received)
            .expect("the end comes in order");
    });
    let sent = of("cluster.c.upstream_cx_rx_bytes_total");
    assert_eq!(u64::try_from(received.len()).expect("a length"), sent);
    assert_eq!(of("tcp.t.downstream_cx_drain_close"), 1);
}
