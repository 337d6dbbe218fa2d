//! Timeouts of a worker that is busy with other clients.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;

/// Clients without a rest, on connections of their own.
const BUSY_CLIENTS: usize = 12;
/// Requests to a host that says nothing.
const HANGING_REQUESTS: usize = 40;

fn config(port: u16, admin: u16, silent: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: silent
    load_assignment: {{cluster_name: silent, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {silent}}}}}}}}}]}}]}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /silent}}, route: {{cluster: silent, timeout: 0.1s}}}},
            {{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
"
    )
}

fn status_of(connection: &mut Client, path: &str) -> u16 {
    connection
        .send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes())
        .expect("the connection is open");
    let response = connection.read_response().expect("it answers in time");
    response.message.status()
}

#[test]
fn a_host_that_says_nothing_is_given_up_however_busy_the_worker_is() {
    // Connections are queued for it, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = (silent.local_addr().expect("it is bound").port(), silent);
    let (port, admin) = (free_port(), free_port());
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(port, admin, silent.0);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let _proxy = proxy.expect("the proxy starts");
    let connect = || Client::connect(port).expect("the listener accepts");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..BUSY_CLIENTS {
            scope.spawn(|| {
                let mut connection = connect();
                while !is_over.load(Relaxed) {
                    assert_eq!(status_of(&mut connection, "/"), 200);
                }
            });
        }
        let hanging = [(); HANGING_REQUESTS].map(|()| {
            scope.spawn(|| {
                let mut connection = connect();
                status_of(&mut connection, "/silent")
            })
        });
        let statuses = hanging.map(|client| client.join().ok());
        is_over.store(true, Relaxed);
        assert_eq!(statuses, [Some(504); HANGING_REQUESTS]);
    });
}
