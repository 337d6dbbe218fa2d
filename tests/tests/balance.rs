//! `exact_balance`: connections are spread over the workers one by one, before and after a listener changes.
#![forbid(unsafe_code)]

use std::net::TcpStream;

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

const WORKERS: u64 = 2;
const CONNECTIONS: u64 = 8;

fn config(port: u16, admin: u16, prefix: &str) -> String {
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: l
    stat_prefix: {prefix}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    connection_balance_config: {{exact_balance: {{}}}}
    filter_chains:
    - filters:
      - {{name: echo, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}}}
"
    )
}

/// How many connections each worker has.
fn spread(proxy: &Proxy, prefix: &str) -> Vec<u64> {
    let page = proxy.admin("/stats").expect("the admin answers");
    let of_worker = |worker| {
        let name = format!("listener.{prefix}.worker_{worker}.downstream_cx_active");
        stat_on(&page, &name).unwrap_or(0)
    };
    (0..WORKERS).map(of_worker).collect()
}

fn connect(port: u16) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
    (0..CONNECTIONS).map(connect).collect()
}

#[test]
fn every_worker_has_as_many_connections_as_the_others() {
    let directory = Scratch::new().expect("a directory can be made");
    let (port, admin) = (free_port(), free_port());
    let arguments = ["--disable-hot-restart", "--concurrency", "2"].map(str::to_owned);
    let first = config(port, admin, "first");
    let proxy = Proxy::start(&nuncio(), &arguments, &first, admin, directory.path())
        .expect("the proxy starts");
    let fair = vec![CONNECTIONS / WORKERS; 2];
    let clients = connect(port);
    proxy.until("all are open", || spread(&proxy, "first") == fair);
    std::fs::write(
        directory.path().join("config.yaml"),
        config(port, admin, "second"),
    )
    .expect("the directory can be written to");
    proxy.hang_up().expect("it runs");
    proxy.until("the listener has changed", || {
        let page = proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, "listener_manager.listener_modified") == Some(1)
    });
    let more = connect(port);
    proxy.until("those to come are spread too", || {
        spread(&proxy, "second") == fair
    });
    drop(clients);
    drop(more);
    proxy.until("all are closed", || {
        spread(&proxy, "first") == [0, 0] && spread(&proxy, "second") == [0, 0]
    });
}
