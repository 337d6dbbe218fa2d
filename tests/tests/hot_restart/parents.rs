//! Parents whose child fails or dies, and what a child makes of a parent that is none.

use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use crate::chain::{Chain, body};

/// Where the process of epoch 0 listens.
fn nuncio_name(chain: &Chain) -> SocketAddr {
    let name = format!("envoy_domain_socket_nuncio_{}0_0", chain.base_id);
    SocketAddr::from_abstract_name(name).expect("it is short")
}

#[test]
fn a_parent_whose_child_does_not_come_up_goes_on_as_before() {
    let chain = Chain::new(1);
    let first = chain.start(0, &["--parent-shutdown-time-s", "0"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let config = chain.config_with(&[("l", chain.port), ("taken", port)]);
    let (code, err) = chain.fail(1, &config, &[]);
    let expected = format!("cannot bind '127.0.0.1:{port}': Address already in use");
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&expected), "{err}");
    first.until("it has noticed", || {
        let log = first.proxy.log().unwrap_or_default();
        log.contains("the child is gone before it served, this process goes on")
    });
    assert_eq!(body(chain.port, "/"), "direct");
    assert_eq!(first.stat("server.hot_restart_epoch"), Some(0));
    let answer = nuncio_testkit::client::post(chain.admin, "/reload").expect("it answers");
    assert_eq!(answer.status(), 200);
    let _second = chain.start(1, &["--parent-shutdown-time-s", "0"]);
    first.ends();
}

#[test]
fn a_parent_that_drains_and_whose_child_dies_ends_when_its_own_time_is_over() {
    let chain = Chain::new(1);
    let first = chain.start(0, &["--parent-shutdown-time-s", "1"]);
    let second = chain.start(1, &["--parent-shutdown-time-s", "600"]);
    first.until("it drains", || {
        let log = first.proxy.log().unwrap_or_default();
        log.contains("closing and draining listeners")
    });
    drop(second);
    first.ends();
}

#[test]
fn a_parent_that_never_answers_is_an_error_after_ten_seconds() {
    let chain = Chain::new(1);
    let _silent = UnixListener::bind_addr(&nuncio_name(&chain)).expect("the name is free");
    let (code, err) = chain.fail(1, &chain.config(), &[]);
    let expected =
        "hot restart: the parent cannot hand over: it did not answer within 10 seconds\n";
    assert_eq!((code, err.as_str()), (Some(1), expected));
}

#[test]
fn a_parent_that_speaks_otherwise_is_an_error() {
    let chain = Chain::new(1);
    let listener = UnixListener::bind_addr(&nuncio_name(&chain)).expect("the name is free");
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut greeting = [0; 16];
        stream.read_exact(&mut greeting).expect("it greets");
        // The same, from a later version.
        stream
            .write_all(b"NHRT\0\x02\0\x02\0\0\0\0")
            .expect("it listens");
    });
    let (code, err) = chain.fail(1, &chain.config(), &[]);
    other.join().expect("it does not panic");
    let expected = "hot restart: the parent cannot hand over: it speaks version 2 of the hot restart protocol, \
                    this one version 1\n";
    assert_eq!((code, err.as_str()), (Some(1), expected));
}

#[test]
fn an_envoy_as_the_parent_is_an_error() {
    let chain = Chain::new(1);
    let _envoy = UnixDatagram::bind_addr(&envoy_name(&chain)).expect("the name is free");
    let (code, err) = chain.fail(1, &chain.config(), &["--skip-hot-restart-on-no-parent"]);
    let expected = format!(
        "hot restart: the process of epoch 0 with base id {} is an Envoy, which does not speak Nuncio's hot \
         restart protocol: stop it, and start with --restart-epoch 0\n",
        chain.base_id
    );
    assert_eq!((code, err), (Some(1), expected));
}

/// Envoy pads its abstract names with zeros to the end of the address.
fn envoy_name(chain: &Chain) -> SocketAddr {
    const ROOM: usize = 107;
    let mut padded = format!("envoy_domain_socket_parent_{}0", chain.base_id).into_bytes();
    padded.resize(ROOM, 0);
    SocketAddr::from_abstract_name(padded).expect("it fits")
}
