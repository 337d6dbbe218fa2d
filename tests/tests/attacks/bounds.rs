//! What an attack may cost: memory stays within the limits, and the proxy serves on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nuncio_testkit::proxy::Scratch;

use crate::running::{OK, Running, read_head, send, start, start_with};

/// What memory may grow by: buffers of both sides, the allocator's slack, a debug build's width.
const GROWTH_BYTES: usize = 16 << 20;
static PIECE: [u8; 64 * 1024] = [b'a'; 64 * 1024];
/// More than the kernel and the proxy together hold for a client that does not read.
const TOO_MUCH_BYTES: usize = 256 << 20;

fn assert_bounded(running: &Running, before: usize) {
    let grown = running.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES, "{grown} bytes more");
}

/// Writes pieces up to so many bytes, or until the proxy closes; how many went.
fn pour(stream: &mut TcpStream, bytes: usize) -> usize {
    let mut written = 0;
    while written < bytes && stream.write_all(&PIECE).is_ok() {
        written += PIECE.len();
    }
    written
}

/// Writes requests and reads no answers, until the proxy reads no more or, as it does behind answers that wait, closes.
fn pour_until_held_back(client: &mut TcpStream) {
    client
        .set_write_timeout(Some(Duration::from_millis(500)))
        .expect("sockets have timeouts");
    let requests = b"GET /direct HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let mut written = 0;
    let stopped = loop {
        match client.write(&requests) {
            Ok(count) => written += count,
            Err(error) => break error.kind(),
        }
        assert!(written < TOO_MUCH_BYTES, "nobody holds the client back");
        // What comes before the close is read and dropped, for a second.
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(matches!(
        stopped,
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
    ));
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ends_either_way = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn case_36_a_value_without_end_is_refused_and_not_kept() {
    let running = start();
    let before = running.resident_bytes();
    let mut client = running.stream();
    send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\nx: ");
    pour(&mut client, 64 << 20);
    assert_bounded(&running, before);
    let answer = read_all(&mut client);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    drop(client);
    running.assert_unharmed();
}

#[test]
fn case_21_an_extension_of_64_mib_is_passed_over_and_not_kept() {
    let running = start();
    let before = running.resident_bytes();
    let mut client = running.stream();
    send(
        &mut client,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;",
    );
    let mut host = running.accept();
    read_head(&mut host);
    assert_eq!(pour(&mut client, 64 << 20), 64 << 20);
    assert_bounded(&running, before);
    send(&mut client, b"\r\nhello\r\n0\r\n\r\n");
    assert_eq!(read_head(&mut host), "5\r\nhello\r\n0\r\n\r\n");
    send(&mut host, OK);
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200 "));
    drop(client);
    running.assert_unharmed();
}

#[test]
fn case_46_answers_that_nobody_reads_hold_the_reading_of_requests_back() {
    let running = start();
    let before = running.resident_bytes();
    let mut client = running.stream();
    pour_until_held_back(&mut client);
    assert_bounded(&running, before);
    drop(client);
    running.assert_unharmed();
}

#[test]
fn case_175_overload_replies_that_nobody_reads_hold_the_reading_of_requests_back() {
    let pressure = Scratch::new().expect("a directory can be made");
    let file = pressure.path().join("pressure");
    std::fs::write(&file, "1").expect("the directory can be written to");
    let running = start_with(&format!(
        "overload_manager:
  refresh_interval: 0.01s
  resource_monitors: [{{name: envoy.resource_monitors.injected_resource, typed_config: {{
    '@type': type.googleapis.com/envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig,
    filename: '{}'}}}}]
  actions: [{{name: envoy.overload_actions.stop_accepting_requests, triggers: [
    {{name: envoy.resource_monitors.injected_resource, threshold: {{value: 0.9}}}}]}}]",
        file.display()
    ));
    running.proxy.until("requests are refused", || {
        let answer =
            running.answer(b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("envoy overloaded")
    });
    let before = running.resident_bytes();
    let clients: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut client = running.stream();
            pour_until_held_back(&mut client);
            client
        })
        .collect();
    assert_bounded(&running, before);
    drop(clients);
    let relief = pressure.path().join("relief");
    std::fs::write(&relief, "0").expect("the directory can be written to");
    std::fs::rename(&relief, &file).expect("both are in one directory");
    running.proxy.until("requests are served again", || {
        let answer =
            running.answer(b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        answer.starts_with("HTTP/1.1 200 ")
    });
    running.assert_unharmed();
}

#[test]
fn case_46_malformed_requests_are_answered_once_and_cost_nothing() {
    let running = start();
    let before = running.resident_bytes();
    let bad = b"GET / HTTP/9x\r\n\r\n".repeat(10_000);
    let clients: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut client = running.stream();
            let _the_proxy_may_close = client.write_all(&bad);
            client
        })
        .collect();
    assert_bounded(&running, before);
    for mut client in clients {
        let answer = read_all(&mut client);
        assert!(answer.matches("HTTP/1.1 400 ").count() <= 1, "{answer}");
    }
    running.assert_unharmed();
}

#[test]
fn case_50_interim_answers_without_end_are_passed_over_and_not_kept() {
    let running = start();
    let before = running.resident_bytes();
    let mut client = running.client();
    client
        .send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("it reads");
    let mut host = running.accept();
    read_head(&mut host);
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1000);
    for _ in 0..200 {
        send(&mut host, &hints);
    }
    assert_bounded(&running, before);
    send(&mut host, OK);
    let answer = client.read_response().expect("the final answer comes");
    assert_eq!(answer.message.status(), 200);
    assert!(answer.interim.len() <= 1);
    drop(client);
    running.assert_unharmed();
}

#[test]
fn case_52_a_head_without_end_of_a_host_is_a_502_and_not_kept() {
    let running = start();
    let before = running.resident_bytes();
    let mut client = running.client();
    client
        .send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("it reads");
    let mut host = running.accept();
    read_head(&mut host);
    send(&mut host, b"HTTP/1.1 200 OK\r\nx: ");
    assert!(pour(&mut host, 64 << 20) < 64 << 20, "the proxy closes");
    assert_bounded(&running, before);
    let answer = client.read_response().expect("an answer comes");
    assert_eq!(answer.message.status(), 502);
    drop(client);
    running.assert_unharmed();
}

#[test]
fn case_119_nested_repetitions_and_long_paths_take_linear_time() {
    let running = start();
    let path = "a".repeat(50 * 1024);
    for _ in 0..5 {
        let mut client = running.client();
        client
            .send(format!("GET /nested/{path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
            .expect("it reads");
        let answer = client.read_response().expect("it answers in time");
        assert_eq!(answer.message.status(), 200);
    }
    running.assert_unharmed();
}
