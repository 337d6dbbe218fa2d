//! A worker that does not come to its turns (attack case 180): the watchdog tells, and the others serve.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use nuncio_testkit::DEADLINE;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";

/// Every answer is given by the route, that to `/stall` not before the file is there: the script keeps its worker.
fn config(port: u16, admin: u16, file: &Path) -> String {
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
watchdogs: {{worker_watchdog: {{miss_timeout: 0.05s, megamiss_timeout: 0.2s}}}}
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
          - name: lua
            typed_config:
              '@type': {TYPES}.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    if handle:headers():get(':path') == '/stall' then
                      while not io.open('{file}') do end
                    end
                  end
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
",
        file = file.display()
    )
}

fn ask(port: u16, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    client
        .set_read_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).expect("it reads");
    client
}

fn answer(mut client: TcpStream) -> String {
    let mut all = String::new();
    client.read_to_string(&mut all).expect("it answers");
    all
}

#[test]
fn case_180_a_stalled_worker_is_told_of_and_the_other_serves() {
    let directory = Scratch::new().expect("a directory can be made");
    let file = directory.path().join("go on");
    let (port, admin) = (free_port(), free_port());
    let arguments = ["--disable-hot-restart", "--concurrency", "2"].map(str::to_owned);
    let config = config(port, admin, &file);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path())
        .expect("the proxy starts");
    let stat = |name: &str| {
        let page = proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, name).unwrap_or(0)
    };
    let stalled = ask(port, "/stall");
    proxy.until("the watchdog tells", || {
        stat("workers.watchdog_mega_miss") > 0
    });
    assert!(stat("workers.watchdog_miss") > 0);

    // The kernel deals connections out: enough of them that both workers have some.
    let before = stat("http.http.downstream_rq_completed");
    let others: Vec<TcpStream> = (0..64).map(|_| ask(port, "/")).collect();
    proxy.until("the other worker serves", || {
        stat("http.http.downstream_rq_completed") > before
    });

    std::fs::write(&file, "").expect("the directory can be written to");
    assert!(answer(stalled).starts_with("HTTP/1.1 200 "));
    for other in others {
        assert!(answer(other).starts_with("HTTP/1.1 200 "));
    }
}
