//! Clients that misbehave in their handshake: numbers 135 and 136 of the list of attack cases. Nothing crashes, nobody
//! else notices, and no connection stays.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use nuncio_testkit::DEADLINE;
use nuncio_testkit::programs::is_installed;
use rustls::ClientConnection;

use crate::server::{NAME, Server, get_over, over, trusting};

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("sockets have timeouts");
    socket.set_nodelay(true).expect("sockets have options");
    socket
}

/// What a client says first.
fn hello(server: &Server) -> Vec<u8> {
    let trusted = trusting(&[&server.authority.pem()]);
    let name = NAME.try_into().expect("it is a name");
    let mut client = ClientConnection::new(trusted, name).expect("the configuration is sound");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory takes it");
    bytes
}

/// Sends bytes one by one.
struct OneByOne(TcpStream);

impl Read for OneByOne {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for OneByOne {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match bytes.first() {
            Some(byte) => self.0.write(&[*byte]),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_hello_in_single_bytes_is_understood() {
    let server = Server::start("", "");
    let trusted = trusting(&[&server.authority.pem()]);
    assert!(get_over(over(&trusted, OneByOne(connect(&server)))).is_some());
    server.assert_unharmed();
}

#[test]
fn a_hello_in_many_records_is_understood() {
    let server = Server::start("", "");
    let whole = hello(&server);
    let message = whole
        .get(5..)
        .expect("there is more than the head of the record");
    let mut socket = connect(&server);
    for part in message.chunks(7) {
        let length = u8::try_from(part.len()).expect("it is short");
        socket.write_all(&[22, 3, 1, 0, length]).expect("it reads");
        socket.write_all(part).expect("it reads");
    }
    let mut kind = [0];
    socket.read_exact(&mut kind).expect("it answers");
    assert_eq!(kind, [22], "a handshake message");
    drop(socket);
    server.assert_unharmed();
}

#[test]
fn bytes_that_are_no_handshake_end_the_connection() {
    let server = Server::start("", "");
    let good = hello(&server);
    let mut flood = Vec::new();
    for _ in 0..10_000 {
        flood.extend([21, 3, 1, 0, 2, 1, 90]);
    }
    // A hello that says that it has 16 MB less one byte.
    let mut oversized = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    oversized.resize(5 + 0x4000, 0);
    let oversized = oversized.repeat(8);
    let mut unknown_alert = good.clone();
    unknown_alert.extend([21, 3, 3, 0, 2, 2, 254]);
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"\x00\xff\x00\xff".repeat(64),
        flood,
        oversized,
        unknown_alert,
        // A record that is longer than any may be.
        [22, 3, 1, 0xff, 0xff].repeat(20_000),
        // Data before the handshake.
        vec![23, 3, 3, 0, 1, 0],
        // A hello of SSL 2.
        vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10],
        // No extensions at all, and a version that nobody speaks.
        [
            [22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 0].as_slice(),
            &[7; 32],
            &[0, 0, 2, 0, 5, 1, 0],
        ]
        .concat(),
    ] {
        let mut socket = connect(&server);
        // It may have closed before all was sent.
        let _rest = socket.write_all(&bytes);
        let mut rest = Vec::new();
        let _reset = socket.read_to_end(&mut rest);
        assert!(
            rest.len() < 8192,
            "an alert at most, but for a hello that was good"
        );
    }
    server.assert_unharmed();
    assert!(server.stat("listener.tls.ssl.connection_error") >= 8);
}

#[test]
fn a_hello_that_is_cut_short_leaves_nothing_behind() {
    let server = Server::start("", "");
    let whole = hello(&server);
    for length in [0, 1, 4, 5, 6, 9, 100, whole.len() - 1, whole.len()] {
        let mut socket = connect(&server);
        socket.write_all(&whole[..length]).expect("it reads");
    }
    server.assert_unharmed();
    assert_eq!(server.stat("listener.tls.ssl.connection_error"), 0);
}

#[test]
fn silence_is_ended_by_the_connect_timeout() {
    let server = Server::start("", "");
    let whole = hello(&server);
    let mut sockets = Vec::new();
    for length in [0, 10, whole.len()] {
        let mut socket = connect(&server);
        socket.write_all(&whole[..length]).expect("it reads");
        sockets.push(socket);
    }
    for mut socket in sockets {
        let mut rest = Vec::new();
        let _reset = socket.read_to_end(&mut rest);
    }
    server.assert_unharmed();
    let name = "listener.tls.downstream_cx_transport_socket_connect_timeout";
    assert_eq!(server.stat(name), 3);
    assert_eq!(server.stat("http.http.downstream_cx_destroy_local"), 4);
}

#[test]
fn names_that_are_none_do_not_reach_the_log_as_they_are() {
    let server = Server::start("", "");
    let whole = hello(&server);
    let at = whole
        .windows(NAME.len())
        .position(|bytes| bytes == NAME.as_bytes());
    let at = at.expect("the name is in the hello");
    for byte in [b'\0', b'\r', b'\n', 0xff] {
        let mut changed = whole.clone();
        changed[at + 3] = byte;
        let mut socket = connect(&server);
        socket.write_all(&changed).expect("it reads");
        let mut rest = Vec::new();
        socket
            .shutdown(std::net::Shutdown::Write)
            .expect("it is open");
        let _reset = socket.read_to_end(&mut rest);
    }
    server.assert_unharmed();
}

#[test]
fn renegotiation_is_refused_and_harms_nobody() {
    if !is_installed("openssl") {
        return;
    }
    let server = Server::start("", "");
    let address = format!("127.0.0.1:{}", server.port);
    let mut client = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl can be run");
    let mut input = client.stdin.take().expect("it reads");
    server.proxy.until("the handshake is done", || {
        server.stat("listener.tls.ssl.handshake") == 1
    });
    input.write_all(b"R\n").expect("it reads");
    drop(input);
    // It waits for an answer that does not come.
    client.kill().expect("it is ours");
    client.wait().expect("it ends");
    server.assert_unharmed();
    assert_eq!(server.stat("listener.tls.ssl.handshake"), 2);
}
