//! IP tagging on streams, step by step.

use std::net::{IpAddr, SocketAddr};

use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::stream_info::Address;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal};

const TAGS: &str = "ip_tags: [{ip_tag_name: net, ip_list: [{address_prefix: 10.1.0.0, prefix_len: 16}, \
    {address_prefix: '2001:db8::', prefix_len: 32}]}, {ip_tag_name: host, ip_list: \
    [{address_prefix: 10.1.2.3, prefix_len: 99}]}, {ip_tag_name: net, ip_list: [{address_prefix: 10.1.2.3, \
    prefix_len: 32}]}, {ip_tag_name: all6, ip_list: [{address_prefix: '::'}]}]";

fn run(stream: &mut Stream<'_>, address: &str) {
    let address: IpAddr = address.parse().expect("an address");
    stream.info.remote_address = Some(Address::Ip(SocketAddr::new(address, 1)));
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
}

#[test]
fn an_address_has_the_tags_of_all_its_ranges_each_once() {
    let worker = Worker::new(&ROOM, &format!("{{{TAGS}}}"));
    for (address, tags) in [
        ("10.1.2.3", "net,host"),
        ("10.1.2.4", "net"),
        ("10.2.2.4", ""),
        ("2001:db8::1", "net,all6"),
        ("::ffff:10.1.2.3", "all6"),
    ] {
        let mut stream = worker.stream();
        run(&mut stream, address);
        assert_eq!(stream.header("x-envoy-ip-tags"), tags, "{address}");
        assert_eq!(stream.is_route_stale.get(), !tags.is_empty());
    }
    assert_eq!(worker.stat("ip_tagging.total"), 5);
    assert_eq!(worker.stat("ip_tagging.no_hit"), 1);
    assert_eq!(worker.stat("ip_tagging.net.hit"), 3);
    assert_eq!(worker.stat("ip_tagging.host.hit"), 1);
}

#[test]
fn a_header_of_its_own_is_replaced_or_appended_to() {
    let yaml = format!("{{{TAGS}, ip_tag_header: {{header: X-Tags}}}}");
    let worker = Worker::new(&ROOM, &yaml);
    let mut stream = worker.stream().with("x-tags", "mine");
    run(&mut stream, "10.1.2.4");
    assert_eq!(stream.header("x-tags"), "net");
    let mut stream = worker.stream().with("x-tags", "mine");
    run(&mut stream, "1.1.1.1");
    assert_eq!(stream.header("x-tags"), "");
    assert!(stream.is_route_stale.get());

    let yaml =
        format!("{{{TAGS}, ip_tag_header: {{header: x-tags, action: APPEND_IF_EXISTS_OR_ADD}}}}");
    let worker = Worker::new(&ROOM, &yaml);
    let mut stream = worker.stream().with("x-tags", "mine");
    run(&mut stream, "10.1.2.4");
    assert_eq!(stream.header("x-tags"), "mine,net");
    let mut stream = worker.stream().with("x-tags", "mine");
    run(&mut stream, "1.1.1.1");
    assert_eq!(stream.header("x-tags"), "mine");
    assert!(!stream.is_route_stale.get());
}

#[test]
fn requests_are_left_out_by_where_they_come_from() {
    let worker = Worker::new(&ROOM, &format!("{{{TAGS}, request_type: INTERNAL}}"));
    let mut stream = worker.stream();
    run(&mut stream, "10.1.2.4");
    assert_eq!(stream.header("x-envoy-ip-tags"), "");
    let mut stream = worker.stream().with("x-envoy-internal", "true");
    run(&mut stream, "10.1.2.4");
    assert_eq!(stream.header("x-envoy-ip-tags"), "net");
    assert_eq!(worker.stat("ip_tagging.total"), 1);
}

#[test]
fn tags_are_needed_and_stand_in_one_place() {
    assert!(refusal(&ROOM, "{}").contains("requires either ip_tags or"));
    let both = format!("{{{TAGS}, ip_tags_datasource: {{filename: /a.yaml}}}}");
    assert!(refusal(&ROOM, &both).contains("Only one of"));
    let inline = "{ip_tags_datasource: {inline_string: a}}";
    assert!(refusal(&ROOM, inline).contains("empty filename"));
    let range = "{ip_tags: [{ip_list: [{address_prefix: x, prefix_len: 3}]}]}";
    assert!(refusal(&ROOM, range).starts_with("invalid ip/mask combo 'x/3'"));
}
