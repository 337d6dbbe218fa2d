//! Readers of large answers that do not read: nobody else waits for them, and what they do not take is not made.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;

const CLUSTERS: usize = 1500;
const READERS: usize = 12;
/// All answers together have some 40 MiB.
const MOST_GROWTH_KIB: u64 = 16 * 1024;

fn config(port: u16, admin: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    let mut text = format!(
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
            {{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
  clusters:
"
    );
    for number in 0..CLUSTERS {
        let _a_string_takes_all = writeln!(
            text,
            "  - {{name: c{number}, load_assignment: {{cluster_name: c{number}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
             {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]}}}}"
        );
    }
    text
}

fn resident_kib(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id()));
    let status = status.expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|text| text.parse().ok()).expect("a number")
}

fn status_of(connection: &mut Client, path: &str) -> u16 {
    connection
        .send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes())
        .expect("the connection is open");
    let response = connection.read_response().expect("it answers in time");
    response.message.status()
}

#[test]
fn those_who_do_not_read_a_large_dump_hold_up_nobody_and_cost_little_memory() {
    let (port, admin) = (free_port(), free_port());
    let directory = Scratch::new().expect("a directory can be made");
    let config = config(port, admin);
    let arguments = ["--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let proxy = proxy.expect("the proxy starts");
    let mut client = Client::connect(admin).expect("the admin accepts");
    assert_eq!(status_of(&mut client, "/config_dump?include_eds"), 200);
    let before = resident_kib(&proxy);
    let paths = [
        "/config_dump?include_eds",
        "/clusters?format=json",
        "/clusters",
    ];
    let readers: Vec<TcpStream> = (0..READERS)
        .map(|number| {
            let mut reader = TcpStream::connect(("127.0.0.1", admin)).expect("the admin accepts");
            let path = paths[number % paths.len()];
            let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
            reader.write_all(request.as_bytes()).expect("it is open");
            reader
        })
        .collect();
    let mut traffic = Client::connect(port).expect("the listener accepts");
    for _ in 0..200 {
        assert_eq!(status_of(&mut client, "/ready"), 200);
        assert_eq!(status_of(&mut traffic, "/"), 200);
    }
    let growth = resident_kib(&proxy).saturating_sub(before);
    assert!(
        growth < MOST_GROWTH_KIB,
        "{growth} KiB more for {READERS} readers"
    );
    // One who reads gets all of it while the others do not.
    assert_eq!(status_of(&mut client, "/config_dump"), 200);
    drop(readers);
    proxy.stop().expect("it ends in an orderly way");
}
