//! What hosts say comes into the cache of their cluster.

use std::rc::Rc;
use std::time::Instant;

use nuncio_contract::alternate_protocols::{
    AlternateProtocolsCache, Choice, HostAlternatives, Origin,
};
use nuncio_contract::stream_info::{Address, HostDescription};

use super::ROOM;
use crate::tests::harness::{Worker, response};

/// What is tried with a host after it has answered with this.
fn tried(headers: &[(&str, &str)]) -> Choice {
    let cache = Rc::new(AlternateProtocolsCache::new(9));
    let worker = Worker::new(&ROOM, "{}");
    let mut stream = worker.stream();
    let host = HostDescription {
        address: Address::Ip("127.0.0.1:443".parse().expect("an address")),
        hostname: "a".into(),
        metadata: Default::default(),
        locality: Default::default(),
        alternatives: Some(Box::new(HostAlternatives {
            cache: Rc::clone(&cache),
            port: 443,
        })),
    };
    stream.info.upstream.add_attempted_host(Rc::new(host));
    stream.decode_headers(true);
    stream.encode_headers(&mut response(headers), true);
    let origin = Origin::new("a", 443);
    cache.choose(&origin, Instant::now())
}

#[test]
fn a_host_that_says_so_is_asked_by_http3() {
    let status = (":status", "200");
    let http3 = ("alt-svc", "h3=\":443\"");
    assert_eq!(tried(&[status, http3]), Choice::Http3);
    assert_eq!(
        tried(&[status, ("alt-svc", "h2=\":443\""), http3]),
        Choice::Http3
    );
    assert_eq!(tried(&[status, http3, ("alt-svc", "no")]), Choice::Tcp);
    assert_eq!(tried(&[status]), Choice::Tcp);
}
