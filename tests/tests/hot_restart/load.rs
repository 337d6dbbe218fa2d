//! Hot restarts under the load of clients of all kinds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nuncio_testkit::client::Client;
use nuncio_testkit::message::Message;
use nuncio_testkit::script::Script;
use nuncio_testkit::upstream::Upstream;

use crate::chain::{Chain, get_on, text_of};

/// The workers of each process: as many, more and fewer than the one before.
const WORKERS: [&str; 4] = ["2", "3", "1", "2"];
/// The requests that each process serves at least.
const REQUESTS: u64 = 300;

/// What all clients share.
#[derive(Default)]
struct Load {
    port: u16,
    is_over: AtomicBool,
    direct: AtomicU64,
    up: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Counts an answer; anything but a whole one is a failure.
    fn check(&self, path: &str, answer: Option<&Message>) {
        if answer.is_some_and(|answer| answer.status() == 200 && answer.cut_short.is_none()) {
            let counter = if path == "/up" {
                &self.up
            } else {
                &self.direct
            };
            counter.fetch_add(1, Relaxed);
            return;
        }
        let text = answer.map_or("the connection ended".to_owned(), |message| {
            format!("{} {}", message.status(), text_of(message))
        });
        let mut failures = self.failures.lock().expect("no client panics");
        failures.push(format!("{path}: {text}"));
    }

    /// Requests on one connection, for as long as the proxy keeps it.
    fn keep_alive(&self, path: &str) {
        while !self.is_over.load(Relaxed) {
            let Ok(mut connection) = Client::connect(self.port) else {
                self.check(path, None);
                continue;
            };
            loop {
                let answer = get_on(&mut connection, path);
                self.check(path, answer.as_ref());
                let closes = answer.is_none_or(|answer| answer.header("connection").is_some());
                if closes || self.is_over.load(Relaxed) {
                    break;
                }
            }
        }
    }

    /// A connection for each request.
    fn new_connections(&self, path: &str) {
        while !self.is_over.load(Relaxed) {
            let connection = Client::connect(self.port);
            let answer = connection
                .ok()
                .and_then(|mut connection| get_on(&mut connection, path));
            self.check(path, answer.as_ref());
        }
    }

    fn served(&self) -> u64 {
        self.direct.load(Relaxed) + self.up.load(Relaxed)
    }

    fn has_failed(&self) -> bool {
        !self.failures.lock().expect("no client panics").is_empty()
    }
}

#[test]
fn no_request_fails_and_none_is_forgotten_over_three_hot_restarts_under_load() {
    let upstream = Upstream::start("u", Script::new(), None).expect("an upstream starts");
    let chain = Chain::new(upstream.port());
    let times = ["--drain-time-s", "1", "--parent-shutdown-time-s", "2"];
    let start = |epoch: u32, workers| {
        let arguments = [&times[..], &["--concurrency", workers]].concat();
        chain.start(epoch, &arguments)
    };
    let mut now = start(0, WORKERS[0]);
    let load = Load {
        port: chain.port,
        ..Load::default()
    };
    std::thread::scope(|scope| {
        let load = &load;
        for path in ["/", "/up"] {
            scope.spawn(move || load.keep_alive(path));
            scope.spawn(move || load.keep_alive(path));
            scope.spawn(move || load.new_connections(path));
        }
        for (epoch, workers) in (1..).zip(&WORKERS[1..]) {
            let next = start(epoch, workers);
            std::mem::replace(&mut now, next).ends();
            let served = load.served();
            now.until("the load goes on", || {
                load.served() > served + REQUESTS || load.has_failed()
            });
        }
        load.is_over.store(true, Relaxed);
    });
    let failures = load.failures.lock().expect("no client panics");
    assert!(
        failures.is_empty(),
        "{} of {} requests failed, first {:?}",
        failures.len(),
        load.served(),
        &failures[..failures.len().min(5)]
    );
    now.until("no connection is left", || {
        now.stat("http.http.downstream_cx_active") == Some(0)
    });
    let total = load.served();
    let up = load.up.load(Relaxed);
    for (name, expected) in [
        ("http.http.downstream_rq_total", total),
        ("http.http.downstream_rq_2xx", total),
        ("http.http.downstream_rq_active", 0),
        ("cluster.c.upstream_rq_total", up),
        ("cluster.c.upstream_rq_200", up),
        ("cluster.c.external.upstream_rq_completed", up),
        ("cluster.c.upstream_rq_active", 0),
        ("cluster.c.membership_total", 1),
        ("listener_manager.total_listeners_active", 1),
        ("server.hot_restart_epoch", 3),
        ("server.hot_restart_generation", 4),
        ("server.live", 1),
    ] {
        assert_eq!(now.stat(name), Some(expected), "{name}");
    }
}
