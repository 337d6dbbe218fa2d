//! Two hundred reloads, bad ones among them, under the load of clients of all kinds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nuncio_testkit::client::Client;
use nuncio_testkit::message::Message;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::script::Script;
use nuncio_testkit::upstream::Upstream;

use crate::server::{Config, Listener, Server, get_on, goes_to, says, text_of};

const RELOADS: usize = 200;

/// What all clients share.
struct Load {
    port: u16,
    is_over: AtomicBool,
    served: AtomicUsize,
    /// What went wrong first.
    failures: std::sync::Mutex<Vec<String>>,
}

impl Load {
    /// Counts an answer; anything but the expected one is a failure.
    fn check(&self, path: &str, answer: Option<&Message>) {
        let good = answer.is_some_and(|message| {
            message.status() == 200 && message.cut_short.is_none() && !message.body.is_empty()
        });
        if good {
            self.served.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let text = answer.map_or("the connection ended".to_owned(), |message| {
            format!("{} {}", message.status(), text_of(message))
        });
        let mut failures = self.failures.lock().expect("no client panics");
        failures.push(format!("{path}: {text}"));
    }

    /// Requests on one connection, for as long as the proxy keeps it.
    fn keep_alive(&self, paths: &[&str]) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut connection = Client::connect(self.port).expect("the listener accepts");
            for path in paths.iter().cycle() {
                let answer = get_on(&mut connection, path);
                self.check(path, answer.as_ref());
                let closes = answer.is_none_or(|answer| answer.header("connection").is_some());
                if closes || self.is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
    }

    /// A connection for each request.
    fn new_connections(&self, path: &str) {
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok(mut connection) = Client::connect(self.port) else {
                self.check(path, None);
                continue;
            };
            self.check(path, get_on(&mut connection, path).as_ref());
        }
    }
}

/// The `number`-th file: something else changes with each.
fn config(number: usize, port: u16, other_port: u16, upstreams: [u16; 2]) -> Config {
    // A cluster that comes with one file and goes with the next, routed to while it is there.
    let moving = format!("moving_{number}");
    let mut main = Listener::routing(
        "main",
        port,
        &[
            ("/stable", &goes_to("stable")),
            ("/moving", &goes_to(&moving)),
            ("/changing", &goes_to("changing")),
            ("/resolved", &goes_to("dns")),
            ("/direct", &says(&format!("file {number}"))),
        ],
    );
    // The connection manager changes with every fourth file, so that connections drain.
    main.of_manager = format!("server_name: s{}", number / 4);
    let mut listeners = vec![main];
    if number.is_multiple_of(3) {
        listeners.push(Listener::saying(
            &format!("other_{}", number % 2),
            other_port,
            "other",
        ));
    }
    Config {
        clusters: vec![
            ("stable".to_owned(), upstreams[0]),
            (moving, upstreams[number % 2]),
            ("changing".to_owned(), upstreams[number % 2]),
            ("dns".to_owned(), upstreams[number % 2]),
        ],
        listeners,
        ..Config::default()
    }
}

#[test]
fn no_request_fails_over_two_hundred_reloads_under_load() {
    let upstreams = ["one", "two"]
        .map(|name| Upstream::start(name, Script::new(), None).expect("an upstream starts"));
    let ports = [upstreams[0].port(), upstreams[1].port()];
    let (port, other_port) = (free_port(), free_port());
    let file = |number| config(number, port, other_port, ports);
    let server = Server::start(&file(0), &["--drain-time-s", "3"]);
    let load = Load {
        port,
        is_over: AtomicBool::new(false),
        served: AtomicUsize::new(0),
        failures: std::sync::Mutex::default(),
    };
    let mut refused = 0;
    std::thread::scope(|scope| {
        let load = &load;
        scope.spawn(move || load.keep_alive(&["/stable", "/direct"]));
        scope.spawn(move || load.keep_alive(&["/moving", "/changing"]));
        scope.spawn(move || load.keep_alive(&["/changing", "/resolved"]));
        scope.spawn(move || load.keep_alive(&["/moving"]));
        scope.spawn(move || load.new_connections("/moving"));
        scope.spawn(move || load.new_connections("/direct"));
        for number in 1..=RELOADS {
            let served = load.served.load(Ordering::Relaxed);
            server.write(&file(number));
            if number.is_multiple_of(7) {
                let mut broken = file(number);
                broken.listeners[0].routes[1].1 = goes_to("nowhere");
                server.write(&broken);
                refused += 1;
            }
            let status = server.ask_to_reload().status();
            let expected = if number.is_multiple_of(7) { 400 } else { 200 };
            if status != expected {
                load.failures
                    .lock()
                    .expect("no client panics")
                    .push(format!("reload {number}: {status}"));
            }
            // The load goes on between reloads, however fast they are.
            while load.served.load(Ordering::Relaxed) < served + 20
                && load.failures.lock().expect("no client panics").is_empty()
            {
                std::thread::yield_now();
            }
        }
        load.is_over.store(true, Ordering::Relaxed);
    });
    let failures = load.failures.into_inner().expect("no client panics");
    assert!(
        failures.is_empty(),
        "{} of {} requests failed, first {:?}\n{}",
        failures.len(),
        load.served.load(Ordering::Relaxed),
        &failures[..failures.len().min(5)],
        server.proxy.log().unwrap_or_default()
    );
    assert!(load.served.load(Ordering::Relaxed) >= 20 * RELOADS);
    assert_eq!(server.stat("server.reload.failure"), Some(refused));
    assert_eq!(
        server.stat("server.reload.success"),
        Some(RELOADS as u64 - refused)
    );
    server.until("what was replaced is gone", || {
        server.stat("listener_manager.total_filter_chains_draining") == Some(0)
            && server.stat("listener_manager.total_listeners_draining") == Some(0)
            && server.stat("cluster_manager.active_clusters") == Some(4)
    });
}
