//! A client that sends many requests and reads late.

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

const REQUESTS: usize = 8000;
const BODY_BYTES: usize = 4096;
/// What the proxy has sent when the client begins to read.
const SENT_BEFORE_BYTES: u64 = 1 << 20;

fn config(port: u16, admin: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
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
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: {body}}}}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
"
    )
}

fn sent_bytes(proxy: &Proxy) -> u64 {
    let page = proxy.admin("/stats").expect("the admin answers");
    stat_on(&page, "http.http.downstream_cx_tx_bytes_total").unwrap_or(0)
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
    let (port, admin) = (free_port(), free_port());
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(port, admin);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path())
        .expect("the proxy starts");
    let late = TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
    let mut requests = late.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let all = "GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(REQUESTS);
            requests.write_all(all.as_bytes()).expect("all are read");
        });
        proxy.until("the proxy has sent much", || {
            sent_bytes(&proxy) >= SENT_BEFORE_BYTES
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
