//! A host that dies under load, among three: with retries no request fails.
//!
//! `NUNCIO_DEAD_HOST_REQUESTS` says how many requests each of the six clients sends (100), for a longer proof by hand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;

/// Clients, each on a connection of its own.
const CLIENTS: usize = 6;
/// Requests of each.
const REQUESTS: usize = 100;

fn requests_of_each() -> usize {
    let wanted = std::env::var("NUNCIO_DEAD_HOST_REQUESTS").ok();
    wanted.map_or(REQUESTS, |wanted| wanted.parse().expect("a number"))
}

/// So many answers of the host that dies, and then it does.
const ANSWERS_BEFORE_DEATH: usize = 60;

/// A host that answers every request, until it dies with all its connections.
struct MortalHost {
    port: u16,
    answers: Arc<AtomicUsize>,
}

impl MortalHost {
    /// Lives for so many answers.
    fn start(lives_for: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let answers = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&answers);
        thread::spawn(move || {
            let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
            let is_dead = Arc::new(AtomicBool::new(false));
            for connection in listener.incoming() {
                let Ok(connection) = connection else { return };
                if is_dead.load(Relaxed) {
                    return;
                }
                if let Ok(handle) = connection.try_clone() {
                    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                    open.push(handle);
                }
                let (answers, open) = (Arc::clone(&counted), Arc::clone(&open));
                let is_dead = Arc::clone(&is_dead);
                thread::spawn(move || {
                    serve(&connection, &answers, lives_for);
                    if answers.load(Relaxed) < lives_for {
                        return;
                    }
                    is_dead.store(true, Relaxed);
                    for one in open.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                        let _it_may_be_closed = one.shutdown(Shutdown::Both);
                    }
                    // The one who accepts looks at it once more, and ends.
                    let _woken = TcpStream::connect(("127.0.0.1", port));
                });
            }
        });
        Self { port, answers }
    }
}

fn serve(connection: &TcpStream, answers: &AtomicUsize, lives_for: usize) {
    let mut lines = BufReader::new(connection).lines();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            continue;
        }
        if answers.fetch_add(1, Relaxed) >= lives_for {
            return;
        }
        let mut writer = connection;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}

fn config(port: u16, admin: u16, hosts: [u16; 3]) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    let endpoint = |port| {
        format!(
            "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
        )
    };
    let endpoints = hosts.map(endpoint).join(", ");
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: three
    circuit_breakers: {{thresholds: [{{max_retries: 1000}}]}}
    load_assignment: {{cluster_name: three, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, route: {{cluster: three, timeout: 60s, retry_policy: {{
              retry_on: 'connect-failure,reset', num_retries: 3, host_selection_retry_max_attempts: 5,
              retry_back_off: {{base_interval: 0.001s}},
              retry_host_predicate: [{{name: envoy.retry_host_predicates.previous_hosts, typed_config: {{
                '@type': {TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate}}}}]}}}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}}}
"
    )
}

#[test]
fn one_of_three_hosts_dies_under_load_and_no_request_fails() {
    let mortal = MortalHost::start(ANSWERS_BEFORE_DEATH);
    let others = [MortalHost::start(usize::MAX), MortalHost::start(usize::MAX)];
    let (port, admin) = (free_port(), free_port());
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "2"].map(str::to_owned);
    let hosts = [mortal.port, others[0].port, others[1].port];
    let config = config(port, admin, hosts);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let _proxy = proxy.expect("the proxy starts");

    let each = requests_of_each();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            thread::spawn(move || {
                let mut connection = Client::connect(port).expect("the proxy listens");
                (0..each)
                    .filter(|_| status_of(&mut connection) != 200)
                    .count()
            })
        })
        .collect();
    let failed: usize = clients
        .into_iter()
        .map(|client| client.join().expect("it comes to its end"))
        .sum();
    assert_eq!(failed, 0, "of {} requests", CLIENTS * each);
    let answers = |host: &MortalHost| host.answers.load(Relaxed);
    assert!(
        answers(&mortal) >= ANSWERS_BEFORE_DEATH,
        "the host has died"
    );
    let rest = CLIENTS * each - ANSWERS_BEFORE_DEATH;
    assert_eq!(
        others.iter().map(answers).sum::<usize>(),
        rest,
        "each was answered once"
    );
}

fn status_of(connection: &mut Client) -> u16 {
    connection
        .send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .expect("the connection is open");
    let response = connection.read_response().expect("it answers in time");
    response.message.status()
}
