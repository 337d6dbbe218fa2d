//! A client that reads late what comes to it through the TCP proxy: nothing of it stays behind.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nuncio_testkit::DEADLINE;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::server::{Authority, NAME, trusting};

/// Connections, each with a bit more to read than the one before, so that of some the last bytes find no room in the
/// socket.
const CLIENTS: usize = 40;
const LEAST_BYTES: usize = 5 << 20;
const STEP_BYTES: usize = 40_000;
const READ_BYTES: usize = 1 << 15;
const BETWEEN_READS: Duration = Duration::from_millis(2);

fn start(directory: &Scratch, authority: &Authority, host: u16) -> (Proxy, u16) {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    let (certificate, key) = authority.signs(NAME);
    let (port, admin) = (free_port(), free_port());
    let config = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: host
    load_assignment: {{cluster_name: host, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    per_connection_buffer_limit_bytes: 32768
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          '@type': {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates: [{{certificate_chain: {{inline_string: {certificate:?}}}, private_key: {{inline_string: {key:?}}}}}]
      filters:
      - name: tcp
        typed_config: {{'@type': {TYPES}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: host}}
"
    );
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    (proxy.expect("the proxy starts"), port)
}

/// Sends each connection more than the one before, and keeps all of them open.
fn serve(listener: &TcpListener) {
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (mut stream, _) = listener.accept().expect("the proxy connects");
            scope.spawn(move || {
                let size = LEAST_BYTES + number * STEP_BYTES;
                let mut bytes = vec![b'x'; size];
                bytes.push(b'.');
                std::io::Write::write_all(&mut stream, &bytes).expect("the proxy reads");
                let _until_the_client_has_gone = stream.read(&mut [0]);
            });
        }
    });
}

/// Reads in small pieces until the last byte.
fn read_whole(port: u16, config: &Arc<ClientConfig>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small one");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&address.into()).expect("it listens");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    let name = NAME.try_into().expect("it is a name");
    let client =
        ClientConnection::new(Arc::clone(config), name).expect("the configuration is sound");
    let mut stream = StreamOwned::new(client, TcpStream::from(socket));
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut bytes).expect("all of it comes");
        if bytes.get(..count).is_some_and(|read| read.ends_with(b".")) {
            return;
        }
        std::thread::sleep(BETWEEN_READS);
    }
}

#[test]
fn the_last_bytes_come_though_the_host_sends_no_more() {
    let directory = Scratch::new().expect("a directory can be made");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let host = listener.local_addr().expect("it is bound").port();
    let authority = Authority::new();
    let (_proxy, port) = start(&directory, &authority, host);
    let trusted = trusting(&[&authority.pem()]);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener));
        for _ in 0..CLIENTS {
            scope.spawn(|| read_whole(port, &trusted));
        }
    });
}
