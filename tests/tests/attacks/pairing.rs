//! Each client gets the answer to its own request, whatever hosts and other clients do.

use std::io::Read;
use std::net::TcpStream;

use crate::running::{GET, OK, Running, read_head, send, start};

const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";

fn upgrade(running: &Running, protocol: &str) -> (TcpStream, TcpStream) {
    let mut client = running.stream();
    let head = format!("connection: upgrade\r\nupgrade: {protocol}\r\n\r\n");
    send(
        &mut client,
        format!("GET / HTTP/1.1\r\nhost: a\r\n{head}").as_bytes(),
    );
    let mut host = running.accept();
    read_head(&mut host);
    send(
        &mut host,
        format!("HTTP/1.1 101 Switching Protocols\r\n{head}").as_bytes(),
    );
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    (client, host)
}

fn assert_next(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("the bytes come");
    assert_eq!(bytes, expected, "another one's bytes");
}

/// Another client's request, answered on the connection that it came on.
fn ask_again(running: &Running) {
    let mut client = running.client();
    client.send(GET).expect("it reads");
    let mut host = running.accept();
    let head = read_head(&mut host);
    assert!(head.starts_with("GET /canary "), "{head}");
    send(&mut host, OK);
    let answer = client.read_response().expect("an answer comes");
    assert_eq!(answer.message.body, b"ok");
}

#[test]
fn case_42_tunnels_of_two_clients_never_mix() {
    let running = start();
    let (mut one, mut host_of_one) = upgrade(&running, "foo");
    let (mut two, mut host_of_two) = upgrade(&running, "foo");
    for round in 0..100 {
        let (first, second) = (format!("one {round};"), format!("two {round};"));
        send(&mut one, first.as_bytes());
        send(&mut host_of_two, second.as_bytes());
        send(&mut two, second.as_bytes());
        send(&mut host_of_one, first.as_bytes());
        assert_next(&mut host_of_one, first.as_bytes());
        assert_next(&mut two, second.as_bytes());
        assert_next(&mut host_of_two, second.as_bytes());
        assert_next(&mut one, first.as_bytes());
    }
    drop((one, host_of_one));
    send(&mut two, b"still here");
    assert_next(&mut host_of_two, b"still here");
    // Neither connection serves a request afterwards.
    drop(two);
    ask_again(&running);
    drop(host_of_two);
    running.assert_unharmed();
}

#[test]
fn case_51_what_a_host_sends_behind_its_answer_is_nobody_s_answer() {
    let running = start();
    let mut client = running.client();
    client.send(GET).expect("it reads");
    let mut host = running.accept();
    read_head(&mut host);
    send(&mut host, &[OK, EVIL].concat());
    let answer = client.read_response().expect("an answer comes");
    assert_eq!(answer.message.body, b"ok");
    assert_eq!(
        host.read(&mut [0]).unwrap_or(0),
        0,
        "the connection is closed"
    );
    ask_again(&running);
}

#[test]
fn case_51_an_answer_that_nobody_asked_for_is_nobody_s_answer() {
    let running = start();
    let mut client = running.client();
    client.send(GET).expect("it reads");
    let mut host = running.accept();
    read_head(&mut host);
    send(&mut host, OK);
    client.read_response().expect("an answer comes");
    send(&mut host, EVIL);
    // Once its bytes are with the proxy, which then closes, the connection serves nobody.
    assert_eq!(
        host.read(&mut [0]).unwrap_or(0),
        0,
        "the connection is closed"
    );
    ask_again(&running);
}

#[test]
fn case_38_and_40_a_host_that_answers_before_the_body_gets_no_other_request_behind_it() {
    let running = start();
    let mut client = running.stream();
    send(
        &mut client,
        b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n",
    );
    let mut host = running.accept();
    read_head(&mut host);
    send(&mut host, OK);
    let head = read_head(&mut client);
    assert!(head.contains("connection: close\r\n"), "{head}");
    // The host keeps its side open; another client's request must not be the rest of that body.
    ask_again(&running);
    // What the client still sends is read by nobody as a request.
    send(&mut client, b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut rest = Vec::new();
    let _ends_either_way = client.read_to_end(&mut rest);
    assert_eq!(rest, b"ok", "one answer and no more");
    let mut seen = Vec::new();
    let _ends_either_way = host.read_to_end(&mut seen);
    assert!(!seen.windows(8).any(|word| word == b"smuggled"));
    running.assert_unharmed();
}

#[test]
fn case_39_no_100_follows_a_final_answer() {
    let running = start();
    let mut client = running.stream();
    let head =
        b"POST /direct HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    send(&mut client, head);
    let mut all = Vec::new();
    let _ends_either_way = client.read_to_end(&mut all);
    let all = String::from_utf8(all).expect("text");
    let finals = all.find("HTTP/1.1 200 ").expect("a final answer");
    let later = all.split_at(finals).1;
    assert!(!later.contains("100 Continue"), "{all}");
    running.assert_unharmed();
}
