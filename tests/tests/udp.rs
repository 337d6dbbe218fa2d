//! UDP listeners of the real binary over real sockets: what becomes of sessions and sockets when a configuration
//! changes, when members leave, and when another process takes over.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use nuncio_testkit::DEADLINE;
use nuncio_testkit::client;
use nuncio_testkit::datagrams::DatagramClient;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

/// A configuration with one UDP listener.
#[derive(Clone)]
struct Config {
    admin: u16,
    /// None: no listener.
    port: Option<u16>,
    upstream: u16,
    stat_prefix: &'static str,
    /// Fields of the listener.
    of_listener: &'static str,
    /// Fields of the proxy.
    of_proxy: &'static str,
}

impl Config {
    fn new(upstream: &UdpSocket) -> Self {
        Config {
            admin: free_port(),
            port: Some(free_port()),
            upstream: port_of(upstream),
            stat_prefix: "first",
            of_listener: "",
            of_proxy: "",
        }
    }

    fn yaml(&self) -> String {
        const PROXY: &str =
            "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig";
        let (admin, upstream) = (self.admin, self.upstream);
        let mut text = format!(
            "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: c
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: \
             {{protocol: UDP, address: 127.0.0.1, port_value: {upstream}}}}}}}}}]}}]}}
"
        );
        if let Some(port) = self.port {
            text.push_str(&format!(
                "  listeners:
  - name: l
    address: {{socket_address: {{protocol: UDP, address: 127.0.0.1, port_value: {port}}}}}
    {}
    listener_filters:
    - name: proxy
      typed_config: {{'@type': {PROXY}, stat_prefix: {}, {} cluster: c}}
",
                self.of_listener, self.stat_prefix, self.of_proxy
            ));
        }
        text
    }

    fn start(&self, arguments: &[&str]) -> (Proxy, Scratch) {
        let directory = Scratch::new().expect("a directory can be made");
        let arguments: Vec<_> = arguments.iter().map(|&it| it.to_owned()).collect();
        let path = directory.path();
        let proxy = Proxy::start(&nuncio(), &arguments, &self.yaml(), self.admin, path);
        (proxy.expect("the proxy starts"), directory)
    }

    fn reload(&self, directory: &Scratch) {
        let file = directory.path().join("config.yaml");
        std::fs::write(file, self.yaml()).expect("the file can be written");
        let answer = client::post(self.admin, "/reload").expect("the admin answers");
        assert_eq!(answer.status(), 200);
    }

    fn client(&self) -> DatagramClient {
        let port = self.port.expect("there is a listener");
        DatagramClient::to(port, DEADLINE).expect("a socket")
    }

    fn stat(&self, name: &str) -> Option<u64> {
        let page = client::get(self.admin, "/stats").ok()?;
        stat_on(&String::from_utf8_lossy(&page.body), name)
    }
}

fn upstream() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let patience = Some(DEADLINE);
    socket.set_read_timeout(patience).expect("it is not zero");
    socket
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("it is bound").port()
}

/// The next datagram that an upstream gets, and from where.
fn taken(upstream: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 65_535];
    let (length, from) = upstream.recv_from(&mut bytes).expect("a datagram comes");
    bytes.truncate(length);
    (bytes, from)
}

#[test]
fn a_changed_listener_keeps_its_socket_and_late_answers_to_sessions_before_still_arrive() {
    let host = upstream();
    let mut config = Config::new(&host);
    let (proxy, directory) = config.start(&["--concurrency", "2"]);
    let client = config.client();
    client.send(b"before").expect("it listens");
    let (bytes, before) = taken(&host);
    assert_eq!(bytes, b"before");
    config.stat_prefix = "second";
    config.reload(&directory);
    client.send(b"after").expect("it still listens");
    let (bytes, after) = taken(&host);
    assert_eq!(bytes, b"after");
    assert_ne!(before, after, "it is a session of its own");
    host.send_to(b"late", before).expect("the session lives");
    assert_eq!(client.receive().as_deref(), Some(&b"late"[..]));
    host.send_to(b"soon", after).expect("the session lives");
    assert_eq!(client.receive().as_deref(), Some(&b"soon"[..]));
    assert_eq!(config.stat("udp.second.downstream_sess_total"), Some(1));
    assert_eq!(
        config.stat("listener_manager.listener_in_place_updated"),
        Some(0)
    );
    assert_eq!(config.stat("listener_manager.listener_modified"), Some(1));
    drop(proxy);
}

#[test]
fn sessions_end_when_their_host_is_no_member_any_more_though_nobody_sends() {
    let (one, other) = (upstream(), upstream());
    let mut config = Config::new(&one);
    let (proxy, directory) = config.start(&["--concurrency", "2"]);
    let client = config.client();
    client.send(b"hello").expect("it listens");
    taken(&one);
    let active = || config.stat("udp.first.downstream_sess_active");
    assert_eq!(active(), Some(1));
    config.upstream = port_of(&other);
    config.reload(&directory);
    proxy.until("the session has ended", || {
        config.stat("udp.first.downstream_sess_active") == Some(0)
    });
    client.send(b"again").expect("it still listens");
    assert_eq!(taken(&other).0, b"again");
    assert_eq!(config.stat("udp.first.downstream_sess_total"), Some(2));
    let breaker = "cluster.c.circuit_breakers.default.cx_open";
    assert_eq!(config.stat(breaker), Some(0));
}

#[test]
fn a_listener_that_goes_ends_its_sessions_and_lets_its_port_go() {
    let host = upstream();
    let mut config = Config::new(&host);
    let (proxy, directory) = config.start(&["--concurrency", "2"]);
    config.client().send(b"hello").expect("it listens");
    taken(&host);
    let port = config.port.take().expect("it had one");
    config.reload(&directory);
    proxy.until("the port is free", || {
        UdpSocket::bind(("127.0.0.1", port)).is_ok()
    });
}

#[test]
fn a_burst_arrives_whole_in_order_and_in_the_same_datagrams_with_gro() {
    let host = upstream();
    let mut config = Config::new(&host);
    config.of_listener = "udp_listener_config: {downstream_socket_config: {prefer_gro: true}}";
    let (proxy, _directory) = config.start(&["--concurrency", "1"]);
    let client = config.client();
    let datagram = |number: u8| vec![number; if number == 39 { 700 } else { 1000 }];
    for number in 0..40 {
        client.send(&datagram(number)).expect("it listens");
    }
    let mut session = None;
    for number in 0..40 {
        let (bytes, from) = taken(&host);
        assert_eq!(bytes, datagram(number));
        session = Some(from);
    }
    let session = session.expect("something came");
    for number in 0..40 {
        host.send_to(&datagram(number), session).expect("it lives");
    }
    for number in 0..40 {
        assert_eq!(client.receive(), Some(datagram(number)));
    }
    // A datagram may arrive before it is counted.
    for counter in [
        "udp.first.downstream_sess_tx_datagrams",
        "cluster.c.udp.sess_tx_datagrams",
    ] {
        proxy.until("all are counted", || config.stat(counter) == Some(40));
    }
}

#[test]
fn hosts_see_the_clients_address_if_wanted_and_the_system_lets_us() {
    let any = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
    let may = any.expect("a socket").set_ip_transparent_v4(true);
    if may.is_err() {
        return;
    }
    let host = upstream();
    let mut config = Config::new(&host);
    config.of_proxy = "use_original_src_ip: true,";
    let (_proxy, _directory) = config.start(&["--concurrency", "1"]);
    let to = (Ipv4Addr::LOCALHOST, config.port.expect("there is one"));
    let from = Ipv4Addr::new(127, 0, 0, 77);
    let client = DatagramClient::between(from, to, DEADLINE).expect("a socket");
    client.send(b"hello").expect("it listens");
    let (bytes, seen) = taken(&host);
    assert_eq!((&bytes[..], seen.ip()), (&b"hello"[..], from.into()));
    host.send_to(b"yes", seen).expect("the session lives");
    assert_eq!(client.receive().as_deref(), Some(&b"yes"[..]));
}

#[test]
fn a_socket_that_workers_would_share_is_refused() {
    let host = upstream();
    let mut config = Config::new(&host);
    config.of_listener = "enable_reuse_port: false";
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--concurrency", "2"].map(str::to_owned);
    let (yaml, path) = (config.yaml(), directory.path());
    let error = Proxy::start(&nuncio(), &arguments, &yaml, config.admin, path)
        .err()
        .expect("it does not start");
    assert!(
        error
            .to_string()
            .contains("Listening on UDP when concurrency is > 1"),
        "{error}"
    );
}

#[test]
fn the_next_process_takes_the_socket_over_and_late_answers_of_the_one_before_still_arrive() {
    let host = upstream();
    let mut config = Config::new(&host);
    // The next process could not bind the address itself.
    config.of_listener = "enable_reuse_port: false";
    let base_id = free_port().to_string();
    let start = |epoch: &str| {
        let times = ["--drain-time-s", "600", "--parent-shutdown-time-s", "600"];
        let mut arguments = vec!["--concurrency", "1", "--base-id", &base_id];
        arguments.extend(["--restart-epoch", epoch]);
        arguments.extend(times);
        let started = config.start(&arguments);
        let own = format!("\"restart_epoch\": {epoch},");
        started.0.until("it has taken over", || {
            let info = started.0.admin("/server_info").unwrap_or_default();
            info.contains(&own) && info.contains("\"hot_restart_initializing\": false")
        });
        started
    };
    let first = start("0");
    let client = config.client();
    client.send(b"before").expect("it listens");
    let (_, before) = taken(&host);
    let second = start("1");
    second.0.until("the new process has a session", || {
        client.send(b"after").expect("somebody listens");
        let (bytes, from) = taken(&host);
        assert_eq!(bytes, b"after");
        from != before
    });
    host.send_to(b"late", before).expect("the session lives");
    assert_eq!(client.receive().as_deref(), Some(&b"late"[..]));
    drop((first, second));
}
