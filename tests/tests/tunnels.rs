//! Tunnels: upgrades and CONNECT with much to carry, and hosts and clients that do not read.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
/// More than the kernel and the proxy together hold for a side that does not read.
const TOO_MUCH_BYTES: usize = 256 << 20;
const A_LOT_BYTES: usize = 16 << 20;

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

struct Running {
    proxy: Proxy,
    port: u16,
    _directory: Scratch,
}

/// A proxy that upgrades, and ends CONNECT, to `host`.
fn proxy_to(host: &TcpListener) -> Running {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    let (port, admin) = (free_port(), free_port());
    let host = host.local_addr().expect("the host is bound").port();
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
          upgrade_configs: [{{upgrade_type: websocket}}]
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{connect_matcher: {{}}}}, route: {{cluster: c, upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {{}}}}]}}}},
            {{match: {{prefix: /}}, route: {{cluster: c}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
  clusters:
  - name: c
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]}}
"
    );
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path())
        .expect("the proxy starts");
    Running {
        proxy,
        port,
        _directory: directory,
    }
}

fn host() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port is free")
}

/// Reads up to the blank line that ends a head.
fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head comes");
        head.push(byte[0]);
    }
    head
}

/// A client and a host with a tunnel between them.
fn upgraded(running: &Running, host: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(("127.0.0.1", running.port)).expect("it listens");
    client.write_all(UPGRADE).expect("the proxy reads");
    let mut accepted = host.accept().expect("the proxy connects").0;
    read_head(&mut accepted);
    accepted.write_all(UPGRADED).expect("the proxy reads");
    let head = read_head(&mut client);
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
    (client, accepted)
}

/// Writes until the other side holds the stream back; how many bytes went.
fn write_until_held_back(stream: &mut TcpStream) -> usize {
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .expect("sockets have timeouts");
    let mut written = 0;
    while written < TOO_MUCH_BYTES {
        match stream.write(&PIECE) {
            Ok(count) => written += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return written;
            }
            Err(error) => panic!("the tunnel broke: {error}"),
        }
    }
    panic!("nobody held the stream back");
}

fn read_all_of(mut stream: TcpStream, count: usize) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut left = count;
        let mut piece = vec![0; PIECE.len()];
        while left > 0 {
            let read = stream.read(&mut piece).expect("the tunnel holds");
            assert!(read > 0, "{left} bytes are missing");
            left -= read.min(left);
        }
    })
}

#[test]
fn a_side_that_does_not_read_holds_the_other_back_and_gets_everything_later() {
    let host = host();
    let running = proxy_to(&host);
    let (mut client, mut accepted) = upgraded(&running, &host);
    let sent_up = write_until_held_back(&mut client);
    let sent_down = write_until_held_back(&mut accepted);
    let up = read_all_of(accepted.try_clone().expect("a second handle"), sent_up);
    let down = read_all_of(client.try_clone().expect("a second handle"), sent_down);
    up.join().expect("the host gets all");
    down.join().expect("the client gets all");
}

#[test]
fn what_a_client_sends_passes_while_it_does_not_read() {
    let host = host();
    let running = proxy_to(&host);
    let (mut client, mut accepted) = upgraded(&running, &host);
    let sent_down = write_until_held_back(&mut accepted);
    let up = read_all_of(accepted, A_LOT_BYTES);
    for _ in 0..A_LOT_BYTES / PIECE.len() {
        client.write_all(&PIECE).expect("the host reads");
    }
    up.join().expect("the host gets all");
    let down = read_all_of(client, sent_down);
    down.join().expect("the client gets all");
}

#[test]
fn a_host_that_speaks_first_is_heard_through_connect() {
    let host = host();
    let running = proxy_to(&host);
    let mut client = TcpStream::connect(("127.0.0.1", running.port)).expect("it listens");
    let served = std::thread::spawn(move || {
        let mut accepted = host.accept().expect("the proxy connects").0;
        accepted.write_all(b"hello\r\n\r\n").expect("it is read");
        let mut answer = [0; 3];
        accepted.read_exact(&mut answer).expect("an answer comes");
        answer
    });
    client
        .write_all(b"CONNECT a:22 HTTP/1.1\r\nhost: a:22\r\n\r\n")
        .expect("the proxy reads");
    assert!(read_head(&mut client).starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(read_head(&mut client), b"hello\r\n\r\n");
    client.write_all(b"bye").expect("the tunnel holds");
    assert_eq!(served.join().expect("the host is served"), *b"bye");
}

#[test]
fn a_tunnel_that_has_ended_leaves_nothing_behind() {
    let host = host();
    let running = proxy_to(&host);
    let (mut client, accepted) = upgraded(&running, &host);
    drop(accepted);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the end is orderly");
    assert!(rest.is_empty());
    drop(client);
    running.proxy.until("nothing is open any more", || {
        let page = running.proxy.admin("/stats").expect("the admin answers");
        let is_none = |name| stat_on(&page, name) == Some(0);
        is_none("http.http.downstream_cx_active")
            && is_none("http.http.downstream_cx_upgrades_active")
            && is_none("cluster.c.upstream_cx_active")
            && is_none("cluster.c.upstream_rq_active")
    });
}
