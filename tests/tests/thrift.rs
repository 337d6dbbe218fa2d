//! Clients of the Thrift proxy that have many calls under way on one connection.

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::Duration;

const CALLS: usize = 40;
const ANSWER_BYTES: usize = 200_000;
/// More than may be under way on a connection.
const UNANSWERED_CALLS: usize = 300;

fn config(port: u16, admin: u16, host: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters.network";
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: thrift
        typed_config:
          '@type': {TYPES}.thrift_proxy.v3.ThriftProxy
          stat_prefix: t
          route_config: {{name: r, routes: [{{match: {{method_name: ''}}, route: {{cluster: host}}}}]}}
  clusters:
  - name: host
    load_assignment:
      cluster_name: host
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]
"
    )
}

fn start(host: &TcpListener, directory: &Scratch) -> (Proxy, TcpStream) {
    let (port, admin) = (free_port(), free_port());
    let host = host.local_addr().expect("it is bound").port();
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(port, admin, host);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let proxy = proxy.expect("the proxy starts");
    let client = TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
    (proxy, client)
}

/// A framed message of the binary protocol.
fn message(kind: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0x80, 1, 0, kind];
    message.extend_from_slice(&[0, 0, 0, 1, b'm']);
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(payload);
    let size = u32::try_from(message.len()).expect("it is small");
    [&size.to_be_bytes()[..], &message].concat()
}

fn calls(count: usize) -> Vec<u8> {
    let numbers = 0..u32::try_from(count).expect("they are few");
    numbers.flat_map(|it| message(1, it, &[0])).collect()
}

fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut message = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut message)?;
    Ok(message)
}

#[test]
fn answers_that_come_at_once_reach_a_client_whatever_their_size() {
    let directory = Scratch::new().expect("a directory can be made");
    let host = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let (_proxy, mut client) = start(&host, &directory);
    let all_have_come = Arc::new(Barrier::new(CALLS));
    std::thread::spawn(move || {
        for stream in host.incoming().take(CALLS) {
            let all_have_come = Arc::clone(&all_have_come);
            std::thread::spawn(move || {
                let mut stream = stream.expect("the proxy connects");
                read_message(&mut stream).expect("a call comes");
                all_have_come.wait();
                let length = u32::try_from(ANSWER_BYTES).expect("it is small");
                let text = vec![b'a'; ANSWER_BYTES];
                let payload = [&[11, 0, 0], &length.to_be_bytes()[..], &text, &[0]].concat();
                let answer = message(2, 0, &payload);
                stream.write_all(&answer).expect("the proxy reads");
                let _ = stream.read(&mut [0]);
            });
        }
    });
    client.write_all(&calls(CALLS)).expect("the proxy reads");
    let patience = Some(Duration::from_secs(30));
    client.set_read_timeout(patience).expect("it is not zero");
    for _ in 0..CALLS {
        let answer = read_message(&mut client).expect("each call is answered");
        assert!(answer.len() > ANSWER_BYTES);
    }
}

#[test]
fn a_client_that_goes_with_more_calls_under_way_than_it_may_have_is_noticed() {
    let directory = Scratch::new().expect("a directory can be made");
    let host = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let (proxy, mut client) = start(&host, &directory);
    let stat = |name: &str| {
        let page = proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, name).unwrap_or(0)
    };
    client
        .write_all(&calls(UNANSWERED_CALLS))
        .expect("the proxy reads");
    proxy.until("the calls are under way", || {
        stat("thrift.t.request_active") == 256
    });
    drop(client);
    proxy.until("they are given up", || stat("thrift.t.request_active") == 0);
}
