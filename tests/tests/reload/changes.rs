//! What a reload changes, and what it leaves alone.

use std::io::Read;
use std::net::TcpStream;

use nuncio_testkit::DEADLINE;
use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::script::Script;
use nuncio_testkit::upstream::Upstream;

use crate::server::{Config, Listener, Server, body, body_on, get_on, goes_to, says, text_of};

fn upstream(name: &str) -> Upstream {
    Upstream::start(name, Script::new(), None).expect("an upstream starts")
}

fn config(listeners: Vec<Listener>) -> Config {
    Config {
        listeners,
        ..Config::default()
    }
}

#[test]
fn changed_routes_reach_open_connections_which_stay_open() {
    let port = free_port();
    let server = Server::start(&config(vec![Listener::saying("l", port, "old")]), &[]);
    let mut open = Client::connect(port).expect("the listener accepts");
    assert_eq!(body_on(&mut open, "/"), "old");
    let did = server.reload(&config(vec![Listener::saying("l", port, "new")]));
    assert!(did.contains(r#""updated":["l"]"#), "{did}");
    assert_eq!(body_on(&mut open, "/"), "new");
    assert_eq!(body(port, "/"), "new");
    assert_eq!(server.stat("listener.127.0.0.1_LISTENER.x"), None);
    assert_eq!(server.stat("http.http.downstream_cx_drain_close"), Some(0));
    assert_eq!(
        server.stat("listener_manager.listener_in_place_updated"),
        Some(1)
    );
}

#[test]
fn what_the_file_only_says_in_other_words_is_not_touched() {
    let port = free_port();
    let mut same = config(vec![Listener::saying("l", port, "text")]);
    same.clusters = vec![("c".to_owned(), port)];
    let server = Server::start(&same, &[]);
    same.of_clusters = "alt_stat_name: '', ".to_owned();
    same.more = "# a line more, so that everything stands elsewhere\n".to_owned();
    let did = server.reload(&same);
    assert_eq!(did.matches(r#""unchanged":1"#).count(), 2, "{did}");
    assert_eq!(server.stat("cluster_manager.cluster_modified"), Some(0));
}

#[test]
fn a_changed_connection_manager_drains_its_connections_and_serves_new_ones() {
    let port = free_port();
    let mut listener = Listener::saying("l", port, "text");
    let server = Server::start(
        &config(vec![listener.clone()]),
        &["--drain-strategy", "immediate"],
    );
    let mut open = Client::connect(port).expect("the listener accepts");
    let first = get_on(&mut open, "/").expect("it answers");
    assert_eq!(first.header("server").as_deref(), Some("envoy"));
    listener.of_manager = "server_name: renamed".to_owned();
    server.reload(&config(vec![listener]));
    let draining = "listener_manager.total_filter_chains_draining";
    assert_eq!(server.stat(draining), Some(1));
    let last = get_on(&mut open, "/").expect("the old connection is still served");
    assert_eq!(last.header("server").as_deref(), Some("envoy"));
    assert_eq!(last.header("connection").as_deref(), Some("close"));
    let mut new = Client::connect(port).expect("the listener accepts");
    let first = get_on(&mut new, "/").expect("it answers");
    assert_eq!(first.header("server").as_deref(), Some("renamed"));
    assert_eq!(first.header("connection"), None);
    let (rest, _end) = open.read_rest();
    assert_eq!(rest, b"", "the old connection ends");
}

#[test]
fn connections_that_are_left_when_the_drain_time_is_over_are_closed() {
    let port = free_port();
    let mut listener = Listener::saying("l", port, "text");
    let server = Server::start(&config(vec![listener.clone()]), &["--drain-time-s", "0"]);
    let mut idle = Client::connect(port).expect("the listener accepts");
    assert_eq!(body_on(&mut idle, "/"), "text");
    listener.of_manager = "server_name: renamed".to_owned();
    server.reload(&config(vec![listener]));
    let (rest, _end) = idle.read_rest();
    assert_eq!(rest, b"");
    server.until("no connection is left", || {
        server.stat("http.http.downstream_cx_active") == Some(0)
    });
}

/// Connects to a listener with these fields and waits until the gauge tells it; then the listener changes.
fn is_closed_before_it_is_served(listener: &mut Listener, gauge: &str) {
    let server = Server::start(&config(vec![listener.clone()]), &["--drain-time-s", "0"]);
    let mut silent = TcpStream::connect(("127.0.0.1", listener.port)).expect("it listens");
    silent
        .set_read_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    server.until("the connection is seen", || server.stat(gauge) == Some(1));
    listener.of_manager = "server_name: renamed".to_owned();
    server.reload(&config(vec![listener.clone()]));
    assert_eq!(silent.read(&mut [0]).expect("no reset"), 0);
    server.until("no connection is left", || server.stat(gauge) == Some(0));
}

#[test]
fn connections_that_listener_filters_wait_for_do_not_outlive_their_listener() {
    let mut listener = Listener::saying("l", free_port(), "text");
    listener.of_listener = "stat_prefix: l\n    listener_filters_timeout: 0s\n    listener_filters: [{name: i, typed_config: \
         {'@type': type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}]"
        .to_owned();
    is_closed_before_it_is_served(&mut listener, "listener.l.downstream_pre_cx_active");
}

#[test]
fn handshakes_that_do_not_end_do_not_outlive_their_listener() {
    let kept = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/differential/certificates/server_rsa"
    );
    let mut listener = Listener::saying("l", free_port(), "text");
    listener.of_listener = "stat_prefix: l".to_owned();
    listener.of_chain = format!(
        "transport_socket: {{name: tls, typed_config: {{'@type': \
         type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: \
         {{tls_certificates: [{{certificate_chain: {{filename: {kept}.pem}}, private_key: {{filename: {kept}.key}}}}]}}}}}}"
    );
    is_closed_before_it_is_served(&mut listener, "listener.l.downstream_cx_active");
}

#[test]
fn a_changed_cluster_is_used_from_the_next_request_on() {
    let (port, old, new) = (free_port(), upstream("old"), upstream("new"));
    let mut config = config(vec![Listener::routing("l", port, &[("/", &goes_to("c"))])]);
    config.clusters = vec![("c".to_owned(), old.port())];
    let server = Server::start(&config, &[]);
    let mut open = Client::connect(port).expect("the listener accepts");
    assert_eq!(body_on(&mut open, "/"), "old: GET /\n");
    config.clusters = vec![("c".to_owned(), new.port())];
    let did = server.reload(&config);
    assert!(did.contains(r#""updated":["c"]"#), "{did}");
    assert_eq!(body_on(&mut open, "/"), "new: GET /\n");
    assert_eq!(server.stat("cluster.c.membership_total"), Some(1));
    assert_eq!(server.stat("cluster.c.upstream_rq_total"), Some(2));
    server.until("the old cluster's connection is closed", || {
        server.stat("cluster.c.upstream_cx_active") == Some(1)
    });
}

#[test]
fn an_unchanged_cluster_keeps_its_connections_and_counts() {
    let (port, upstream) = (free_port(), upstream("u"));
    let mut config = config(vec![Listener::routing("l", port, &[("/", &goes_to("c"))])]);
    config.clusters = vec![("c".to_owned(), upstream.port())];
    let server = Server::start(&config, &[]);
    let mut open = Client::connect(port).expect("the listener accepts");
    assert_eq!(body_on(&mut open, "/1"), "u: GET /1\n");
    config.clusters.push(("other".to_owned(), upstream.port()));
    let did = server.reload(&config);
    assert!(did.contains(r#""added":["other"]"#), "{did}");
    assert_eq!(body_on(&mut open, "/2"), "u: GET /2\n");
    let seen = upstream.take_seen();
    assert_eq!(seen[0].connection, seen[1].connection);
    assert_eq!(server.stat("cluster.c.upstream_rq_total"), Some(2));
}

#[test]
fn a_request_under_way_ends_on_the_cluster_that_the_file_no_longer_has() {
    let (port, gone) = (free_port(), upstream("gone"));
    let mut before = config(vec![Listener::routing("l", port, &[("/", &goes_to("c"))])]);
    before.clusters = vec![("c".to_owned(), gone.port())];
    let server = Server::start(&before, &[]);
    let mut begun = Client::connect(port).expect("the listener accepts");
    begun
        .send(b"POST /slow HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n")
        .expect("it can be sent");
    assert!(gone.await_heads(1));
    // A head that is not complete has no cluster yet; it is routed as of when it began.
    let mut beginning = Client::connect(port).expect("the listener accepts");
    beginning
        .send(b"GET /begun HTTP/1.1\r\n")
        .expect("it can be sent");
    server.until("both requests have begun", || {
        server.stat("http.http.downstream_rq_active") == Some(2)
    });
    server.reload(&config(vec![Listener::saying("l", port, "stayed")]));
    let clusters = server.proxy.admin("/clusters").expect("the admin answers");
    assert_eq!(clusters, "");
    begun.send(b"body").expect("it can be sent");
    let answer = begun.read_response().expect("it is answered").message;
    assert_eq!(text_of(&answer), "gone: POST /slow\n");
    beginning.send(b"host: h\r\n\r\n").expect("it can be sent");
    let answer = beginning.read_response().expect("it is answered").message;
    assert_eq!(text_of(&answer), "gone: GET /begun\n");
    assert_eq!(body_on(&mut begun, "/"), "stayed");
    server.until("the cluster is gone with its last stream", || {
        server.stat("cluster.c.upstream_rq_total").is_none()
    });
}

#[test]
fn a_listener_comes_and_goes_while_another_keeps_its_connections() {
    let (stays, comes) = (free_port(), free_port());
    let one = Listener::saying("stays", stays, "here");
    let two = Listener::saying("comes", comes, "there");
    let server = Server::start(
        &config(vec![one.clone()]),
        &["--drain-strategy", "immediate"],
    );
    let mut open = Client::connect(stays).expect("the listener accepts");
    assert_eq!(body_on(&mut open, "/"), "here");
    server.reload(&config(vec![one.clone(), two]));
    let mut other = Client::connect(comes).expect("the new listener accepts");
    assert_eq!(body_on(&mut other, "/"), "there");
    let did = server.reload(&config(vec![one]));
    assert!(did.contains(r#""removed":["comes"]"#), "{did}");
    server.until("nobody listens there any more", || {
        TcpStream::connect(("127.0.0.1", comes)).is_err()
    });
    let last = get_on(&mut other, "/").expect("the open connection is still served");
    assert_eq!(last.header("connection").as_deref(), Some("close"));
    assert_eq!(body_on(&mut open, "/"), "here");
    let listeners = server.proxy.admin("/listeners").expect("the admin answers");
    assert_eq!(listeners, format!("stays::127.0.0.1:{stays}\n"));
}

#[test]
fn a_listener_moves_to_another_address() {
    let (from, to) = (free_port(), free_port());
    let server = Server::start(&config(vec![Listener::saying("l", from, "text")]), &[]);
    let mut open = Client::connect(from).expect("the listener accepts");
    assert_eq!(body_on(&mut open, "/"), "text");
    server.reload(&config(vec![Listener::saying("l", to, "text")]));
    assert_eq!(body(to, "/"), "text");
    assert_eq!(body_on(&mut open, "/"), "text");
    server.until("nobody listens there any more", || {
        TcpStream::connect(("127.0.0.1", from)).is_err()
    });
}

#[test]
fn listeners_that_swap_names_or_addresses_take_each_others_sockets_over() {
    let (one, two) = (free_port(), free_port());
    let pair = |first, second| {
        config(vec![
            Listener::saying("a", first, "a"),
            Listener::saying("b", second, "b"),
        ])
    };
    let server = Server::start(&pair(one, two), &[]);
    for (first, second) in [(two, one), (one, two)] {
        server.reload(&pair(first, second));
        assert_eq!(body(first, "/"), "a");
        assert_eq!(body(second, "/"), "b");
    }
    server.reload(&config(vec![
        Listener::saying("renamed", one, "renamed"),
        Listener::saying("b", two, "b"),
    ]));
    assert_eq!(body(one, "/"), "renamed");
}

#[test]
fn sighup_reloads_and_says_so() {
    let port = free_port();
    let server = Server::start(&config(vec![Listener::saying("l", port, "old")]), &[]);
    server.write(&config(vec![Listener::saying("l", port, "new")]));
    server.proxy.hang_up().expect("it runs");
    server.until("the reload is counted", || {
        server.stat("server.reload.success") == Some(1)
    });
    assert_eq!(body(port, "/"), "new");
    let log = server.proxy.log().expect("it has a log");
    assert!(log.contains("caught SIGHUP: reloading"), "{log}");
}

#[test]
fn a_watched_file_is_reloaded_when_it_is_edited_and_when_its_link_is_swapped() {
    let port = free_port();
    let text = |text: &str| config(vec![Listener::saying("l", port, text)]);
    let server = Server::start(&text("one"), &["--watch"]);
    server.write(&text("edited"));
    server.until("the edit is served", || body(port, "/") == "edited");
    server.write(&text("linked"));
    let (path, aside) = (
        server.config_path(),
        server.directory.path().join("v2.yaml"),
    );
    std::fs::rename(&path, &aside).expect("it can be moved");
    let link = server.directory.path().join("link");
    std::os::unix::fs::symlink("v2.yaml", &link).expect("it can be linked");
    std::fs::rename(&link, &path).expect("it can be moved");
    server.until("the link's file is served", || body(port, "/") == "linked");
}

#[test]
fn without_watch_a_file_that_changes_waits_for_its_reload() {
    let port = free_port();
    let server = Server::start(&config(vec![Listener::saying("l", port, "old")]), &[]);
    server.write(&config(vec![Listener::saying("l", port, "new")]));
    assert_eq!(body(port, "/"), "old");
    assert_eq!(server.ask_to_reload().status(), 200);
    assert_eq!(body(port, "/"), "new");
}

#[test]
fn the_dump_shows_what_runs_and_since_when() {
    let (one, two) = (free_port(), free_port());
    let listeners = |text: &str| {
        config(vec![
            Listener::saying("same", one, "same"),
            Listener::routing("changes", two, &[("/", &says(text))]),
        ])
    };
    let server = Server::start(&listeners("old"), &[]);
    let times = || -> Vec<String> {
        let dump = server.proxy.admin("/config_dump?resource=static_listeners");
        let dump = dump.expect("the admin answers");
        let times = dump.lines().filter(|line| line.contains("last_updated"));
        times.map(str::to_owned).collect()
    };
    let before = times();
    server.reload(&listeners("new"));
    let after = times();
    assert_eq!(before.len(), 2);
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    let dump = server
        .proxy
        .admin("/config_dump")
        .expect("the admin answers");
    assert!(
        dump.contains("\"new\"") && !dump.contains("\"old\""),
        "{dump}"
    );
}
