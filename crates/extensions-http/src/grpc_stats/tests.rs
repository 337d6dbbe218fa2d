//! The gRPC statistics filter, step by step.

use std::rc::Rc;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::ClusterDescription;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, response};

const MESSAGE: &[u8] = b"\0\0\0\0\x02hi";

fn call<'w>(worker: &'w Worker, path: &str, content_type: &str) -> Stream<'w> {
    let mut stream = worker.stream().with("content-type", content_type);
    let name = nuncio_contract::headers::Known::Path;
    stream.request.set(name, path.as_bytes());
    stream.info.upstream_cluster = Some(Rc::new(ClusterDescription {
        name: "one".into(),
        observability_name: "one".into(),
        metadata: Default::default(),
        audience: None,
    }));
    stream
}

fn ok() -> HeaderMap {
    response(&[(":status", "200"), ("content-type", "application/grpc")])
}

#[test]
fn messages_are_counted_wherever_they_are_cut_and_the_call_by_its_status() {
    let worker = Worker::new(&ROOM, "{stats_for_all_methods: true}");
    let mut stream = call(&worker, "/pkg.S/M?q", "application/grpc");
    stream.decode_headers(false);
    for byte in [MESSAGE, MESSAGE].concat() {
        stream.decode_data(&[byte], false);
    }
    stream.decode_data(b"", true);
    stream.encode_headers(&mut ok(), false);
    stream.encode_data(MESSAGE, false);
    stream.encode_these_trailers(&mut response(&[("grpc-status", "0")]));
    let stat = |name: &str| worker.stat_of_all(&format!("cluster.one.grpc.pkg.S.M.{name}"));
    assert_eq!(stat("request_message_count"), 2);
    assert_eq!(stat("response_message_count"), 1);
    assert_eq!((stat("0"), stat("success"), stat("total")), (1, 1, 1));
}

#[test]
fn methods_that_are_not_listed_are_counted_together() {
    let worker = Worker::new(
        &ROOM,
        "{individual_method_stats_allowlist: {services: [{name: a.S, method_names: [M]}]}}",
    );
    for path in ["/a.S/M", "/a.S/Other", "/b.S/M", "/a.S", "/"] {
        let mut stream = call(&worker, path, "application/grpc+proto");
        stream.decode_headers(true);
        let mut head = ok();
        head.set(nuncio_contract::headers::Known::GrpcStatus, b"5");
        stream.encode_headers(&mut head, true);
    }
    assert_eq!(worker.stat_of_all("cluster.one.grpc.a.S.M.failure"), 1);
    assert_eq!(worker.stat_of_all("cluster.one.grpc.failure"), 2);
    assert_eq!(worker.stat_of_all("cluster.one.grpc.5"), 2);
}

#[test]
fn the_last_frame_of_connect_is_no_message_and_says_how_the_call_ended() {
    let worker = Worker::new(&ROOM, "{}");
    let head = [
        (":status", "200"),
        ("content-type", "application/connect+json"),
    ];
    for end in ["{}", "{\"error\":{}}", "no JSON"] {
        let mut stream = call(&worker, "/a.S/M", "application/connect+json");
        stream.decode_headers(false);
        stream.encode_headers(&mut response(&head), false);
        stream.encode_data(MESSAGE, false);
        let length = u8::try_from(end.len()).unwrap();
        let frame = [&[2, 0, 0, 0, length], end.as_bytes()].concat();
        stream.encode_data(&frame, true);
    }
    let stat = |name: &str| worker.stat_of_all(&format!("cluster.one.grpc.{name}"));
    assert_eq!(stat("response_message_count"), 3);
    assert_eq!((stat("success"), stat("failure")), (1, 2));
}

#[test]
fn a_response_that_came_from_a_host_is_timed() {
    let worker = Worker::new(&ROOM, "{enable_upstream_stats: true}");
    let mut stream = call(&worker, "/a.S/M", "application/grpc");
    stream.decode_headers(true);
    stream.info.upstream.timing.first_rx_byte = Some(stream.info.start);
    stream.encode_headers(&mut ok(), false);
    stream.encode_these_trailers(&mut response(&[("grpc-status", "0")]));
    drop(stream);
    assert_eq!(worker.recorded("cluster.one.grpc.upstream_rq_time"), 1);
}
