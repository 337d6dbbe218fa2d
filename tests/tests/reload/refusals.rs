//! Files that are refused whole.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use nuncio_testkit::client::{self, Client};
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::Scratch;

use crate::server::{Config, Listener, Server, body, body_on, goes_to, text_of};

fn saying(port: u16, text: &str) -> Config {
    Config {
        listeners: vec![Listener::saying("l", port, text)],
        ..Config::default()
    }
}

/// What a reload of `config` answers; it must be a refusal that leaves everything as it is.
fn refusal(server: &Server, port: u16, config: &Config) -> String {
    let clusters = server.proxy.admin("/clusters").expect("the admin answers");
    let dump = server
        .proxy
        .admin("/config_dump")
        .expect("the admin answers");
    let mut open = Client::connect(port).expect("the listener accepts");
    let before = body_on(&mut open, "/");
    server.write(config);
    let answer = server.ask_to_reload();
    assert_eq!(answer.status(), 400);
    assert_eq!(body_on(&mut open, "/"), before);
    assert_eq!(body(port, "/"), before);
    assert_eq!(
        server.proxy.admin("/clusters").expect("it answers"),
        clusters
    );
    assert_eq!(
        server.proxy.admin("/config_dump").expect("it answers"),
        dump
    );
    text_of(&answer)
}

#[test]
fn a_mistake_is_answered_with_its_place_and_nothing_changes() {
    let port = free_port();
    let server = Server::start(&saying(port, "old"), &[]);
    let mut broken = saying(port, "new");
    broken.clusters = vec![("added".to_owned(), port)];
    broken.listeners[0].of_manager = "server_nam: x".to_owned();
    let why = refusal(&server, port, &broken);
    assert!(why.contains("there is no field `server_nam`"), "{why}");
    assert!(why.contains("config.yaml:"), "{why}");
    assert!(why.contains("did you mean `server_name`?"), "{why}");
    assert_eq!(server.stat("server.reload.failure"), Some(1));
    let log = server.proxy.log().expect("it has a log");
    assert!(log.contains("there is no field `server_nam`"), "{log}");
    server.reload(&saying(port, "new"));
    assert_eq!(body(port, "/"), "new");
}

#[test]
fn a_route_to_a_cluster_that_goes_is_a_mistake() {
    let port = free_port();
    let mut config = Config {
        clusters: vec![("c".to_owned(), port)],
        listeners: vec![Listener::routing(
            "l",
            port,
            &[
                ("/to-c", &goes_to("c")),
                ("/", &crate::server::says("here")),
            ],
        )],
        ..Config::default()
    };
    let server = Server::start(&config, &[]);
    config.clusters.clear();
    let why = refusal(&server, port, &config);
    assert!(why.contains("unknown cluster 'c'"), "{why}");
}

#[test]
fn an_address_that_cannot_be_bound_refuses_the_rest_too() {
    let port = free_port();
    let server = Server::start(&saying(port, "old"), &[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port can be bound");
    let taken_port = taken.local_addr().expect("it is bound").port();
    let mut config = saying(port, "new");
    config
        .listeners
        .push(Listener::saying("more", taken_port, "more"));
    let why = refusal(&server, port, &config);
    assert!(
        why.contains("error adding listener 'more': cannot bind"),
        "{why}"
    );
}

#[test]
fn parts_that_cannot_change_in_place_are_named() {
    let port = free_port();
    let server = Server::start(&saying(port, "old"), &[]);
    let mut config = saying(port, "new");
    config.more = "node: {id: other}\nstats_flush_interval: 9s".to_owned();
    let why = refusal(&server, port, &config);
    for part in ["`node`", "`stats_flush_interval`"] {
        assert!(why.contains(&format!("{part} is another than")), "{why}");
    }
}

#[test]
fn a_file_that_is_gone_is_refused() {
    let port = free_port();
    let server = Server::start(&saying(port, "old"), &[]);
    std::fs::remove_file(server.config_path()).expect("it can be removed");
    let answer = server.ask_to_reload();
    assert_eq!(answer.status(), 400);
    let why = text_of(&answer);
    assert!(why.contains("cannot read"), "{why}");
    assert_eq!(body(port, "/"), "old");
}

#[test]
fn a_reload_is_a_post() {
    let port = free_port();
    let server = Server::start(&saying(port, "old"), &[]);
    let answer = client::get(server.admin, "/reload").expect("the admin answers");
    assert_eq!(answer.status(), 405);
}

/// What is answered at a path; what goes wrong if nobody is there.
fn body_at(path: &std::path::Path) -> std::io::Result<String> {
    let mut client = UnixStream::connect(path)?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}

#[test]
fn a_path_is_served_by_who_was_there_after_a_refusal_and_by_the_new_one_after_a_change() {
    let port = free_port();
    let directory = Scratch::new().expect("a directory can be made");
    let path = directory.path().join("s.sock");
    let at = |text: &str, more: &str| {
        let mut config = saying(port, text);
        config.listeners[0].of_listener = format!(
            "additional_addresses: [{{address: {{pipe: {{path: '{}'}}}}}}{more}]",
            path.display()
        );
        config
    };
    let server = Server::start(&at("old", ""), &[]);
    assert_eq!(body_at(&path).expect("it listens"), "old");
    // Nobody has this address, and that is found out when the path is bound already.
    let elsewhere = ", {address: {socket_address: {address: 203.0.113.9, port_value: 80}}}";
    let why = refusal(&server, port, &at("refused", elsewhere));
    assert!(why.contains("cannot bind '203.0.113.9:80'"), "{why}");
    assert_eq!(body_at(&path).expect("it still listens"), "old");
    let another = format!(
        ", {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}",
        free_port()
    );
    server.reload(&at("new", &another));
    assert_eq!(body_at(&path).expect("it listens"), "new");
    let files = std::fs::read_dir(directory.path()).expect("it is there");
    assert_eq!(files.count(), 1, "nothing is left beside it");
}
