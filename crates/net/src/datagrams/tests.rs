//! Datagrams over real sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use super::*;
use crate::listener::ListenOptions;

fn wait_for<T>(mut look: impl FnMut() -> io::Result<T>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match look() {
            Ok(found) => return found,
            Err(error) if Instant::now() > until => panic!("nothing came: {error}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn listening(address: &str, joins: bool) -> UdpSocket {
    let address = address.parse().expect("an address");
    let socket = bind(address, &ListenOptions::default()).expect("a free port can be bound");
    prepare(&socket, joins).expect("it can be told");
    socket
}

#[test]
fn a_datagram_tells_who_sent_it_and_to_which_address() {
    let socket = listening("0.0.0.0:0", false);
    let port = socket.local_addr().expect("it is bound").port();
    let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    client
        .send_to(b"hello", ("127.0.0.3", port))
        .expect("it can be sent");
    let mut buffer = ReceiveBuffer::new(1500, false);
    let (peer, local) = wait_for(|| {
        let received = buffer.receive(&socket)?;
        assert_eq!(received.joined(), (&b"hello"[..], 5));
        assert_eq!(received.count(), 1);
        Ok((received.peer, received.local))
    });
    assert_eq!(peer, client.local_addr().ok());
    assert_eq!(local, Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))));
    let answered = send_from(&socket, (b"yes", 3), peer.expect("there is one"), local);
    assert_eq!(answered, (1, 0));
    let mut bytes = [0; 8];
    let (length, from) = client.recv_from(&mut bytes).expect("it was sent");
    assert_eq!(&bytes[..length], b"yes");
    assert_eq!(from.to_string(), format!("127.0.0.3:{port}"));
}

#[test]
fn one_that_is_too_long_is_told_as_cut_short_and_has_no_bytes() {
    let socket = listening("127.0.0.1:0", false);
    let to = socket.local_addr().expect("it is bound");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    client.send_to(&[7; 11], to).expect("it can be sent");
    let mut buffer = ReceiveBuffer::new(10, false);
    wait_for(|| {
        let received = buffer.receive(&socket)?;
        assert!(received.is_cut_short);
        assert!(received.joined().0.is_empty());
        Ok(())
    });
}

#[test]
fn several_of_one_size_arrive_one_by_one_or_joined_but_all_of_them() {
    for joins in [false, true] {
        let socket = listening("127.0.0.1:0", joins);
        let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        client
            .connect(socket.local_addr().expect("it is bound"))
            .expect("it is an address");
        let bytes: Vec<u8> = (0..=255).cycle().take(100 * 70 + 30).collect();
        assert_eq!(send(&client, &bytes, 100), (71, 0));
        let mut buffer = ReceiveBuffer::new(1500, joins);
        let (mut came, mut datagrams) = (Vec::new(), 0);
        while came.len() < bytes.len() {
            let (part, count) = wait_for(|| {
                let received = buffer.receive(&socket)?;
                Ok((received.joined().0.to_vec(), received.count()))
            });
            came.extend(part);
            datagrams += count;
        }
        assert_eq!((came, datagrams), (bytes, 71));
    }
}

#[test]
fn an_empty_datagram_is_one_too() {
    let socket = listening("127.0.0.1:0", true);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    client
        .connect(socket.local_addr().expect("it is bound"))
        .expect("it is an address");
    assert_eq!(send(&client, b"", 0), (1, 0));
    let mut buffer = ReceiveBuffer::new(1500, true);
    let count = wait_for(|| buffer.receive(&socket).map(|received| received.count()));
    assert_eq!(count, 1);
}

#[test]
fn what_the_other_side_refuses_is_counted_as_failed() {
    let gone = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let nobody = gone.local_addr().expect("it is bound");
    drop(gone);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    client.connect(nobody).expect("it is an address");
    let failed = wait_for(|| match send(&client, b"x", 1) {
        (_, 0) => Err(io::ErrorKind::WouldBlock.into()),
        (_, failed) => Ok(failed),
    });
    assert_eq!(failed, 1);
}
