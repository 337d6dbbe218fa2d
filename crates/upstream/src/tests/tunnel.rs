//! Connections that become tunnels, and streams of bytes: none of them ever serves a second time.

use std::future::poll_fn;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};

use super::harness::{Fixture, answering, on_worker, request, serve};
use crate::cluster::{ClusterSettings, HealthFlags};
use crate::{BodyEvent, UpstreamErrorKind as Kind, UpstreamStream};

const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

fn upgrade() -> HeaderMap {
    let mut head = request("GET", "/");
    head.set(Known::Connection, b"upgrade");
    head.set(Known::Upgrade, b"x");
    head
}

async fn write(stream: &mut UpstreamStream, bytes: &[u8], end: bool) {
    let mut data = Buffer::new();
    data.extend(bytes);
    poll_fn(|cx| stream.poll_write_data(cx, &mut data, end)).await;
}

/// Reads one piece, as text.
async fn piece(stream: &mut UpstreamStream) -> Result<(BodyEvent, String), Kind> {
    let (mut data, mut trailers) = (Buffer::new(), HeaderMap::request());
    let event = poll_fn(|cx| stream.poll_read_body(cx, &mut data, &mut trailers)).await;
    let text = String::from_utf8_lossy(data.readable()).into_owned();
    event.map(|event| (event, text)).map_err(|error| error.kind)
}

async fn ask(stream: &mut UpstreamStream, head: &HeaderMap) -> u16 {
    stream.write_head(head, false);
    poll_fn(|cx| stream.poll_flush(cx)).await;
    let mut response = HeaderMap::response();
    let head = poll_fn(|cx| stream.poll_read_head(cx, &mut response)).await;
    head.unwrap().status
}

#[test]
fn an_upgraded_connection_carries_bytes_and_is_not_used_again() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.head().await;
            served.send(SWITCHING).await;
            served.until(b"GET / HTTP/1.1\r\n\r\n").await;
            served.send("HTTP/1.1 200 OK\r\n\r\n").await;
            served.until(b"never").await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        let mut stream = fixture.stream().await.unwrap();
        assert_eq!(ask(&mut stream, &upgrade()).await, 101);
        write(&mut stream, b"GET / HTTP/1.1\r\n\r\n", false).await;
        let (event, text) = piece(&mut stream).await.unwrap();
        assert_eq!(
            (event, text.as_str()),
            (BodyEvent::Data, "HTTP/1.1 200 OK\r\n\r\n")
        );
        assert!(!stream.is_response_complete() && !stream.is_request_complete());
        drop(stream);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.stat("upstream_cx_destroy_local_with_active_rq"), 1);
    });
}

#[test]
fn the_end_of_a_tunnel_is_a_connection_termination() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.head().await;
            served.send(&format!("{SWITCHING}bye")).await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        let mut stream = fixture.stream().await.unwrap();
        assert_eq!(ask(&mut stream, &upgrade()).await, 101);
        assert_eq!(
            piece(&mut stream).await,
            Ok((BodyEvent::Data, "bye".to_owned()))
        );
        assert_eq!(piece(&mut stream).await, Err(Kind::ConnectionTermination));
        assert_eq!(fixture.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
    });
}

#[test]
fn an_upgrade_that_the_host_refuses_costs_the_connection() {
    on_worker(async {
        let refused = "HTTP/1.1 400 Bad Request\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 0\r\n\r\n";
        let fixture = Fixture::to(&[answering(refused).await]);
        let mut stream = fixture.stream().await.unwrap();
        assert_eq!(ask(&mut stream, &upgrade()).await, 400);
        assert!(stream.is_response_complete());
        drop(stream);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
    });
}

#[test]
fn streams_of_bytes_have_connections_of_their_own() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.send("banner").await;
            served.until(b"question").await;
            served.send("answer").await;
            served.until(b"never").await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        for so_far in 1..3 {
            let mut stream = fixture.tcp_stream().await.unwrap();
            stream.write_prologue(b"ques".to_vec());
            assert_eq!(ask(&mut stream, &request("CONNECT", "")).await, 200);
            let banner = piece(&mut stream).await;
            assert_eq!(banner, Ok((BodyEvent::Data, "banner".to_owned())));
            write(&mut stream, b"tion", true).await;
            let answer = piece(&mut stream).await;
            assert_eq!(answer, Ok((BodyEvent::Data, "answer".to_owned())));
            assert_eq!(stream.wire_bytes(), (8, 12));
            assert!(stream.is_request_complete());
            assert_eq!(
                piece(&mut stream).await,
                Ok((BodyEvent::End, String::new())),
                "the FIN has reached the host, which closes"
            );
            drop(stream);
            assert_eq!(fixture.stat("upstream_cx_total"), so_far);
            assert_eq!(fixture.stat("upstream_cx_active"), 0);
        }
        assert_eq!(fixture.stat("upstream_cx_http1_total"), 0);
        assert_eq!(fixture.stat("upstream_rq_total"), 2);
        assert_eq!(fixture.stat("upstream_cx_protocol_error"), 0);
    });
}

#[test]
fn bytes_end_when_their_host_is_found_to_be_bad_if_the_cluster_says_so() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.send("banner").await;
            served.until(b"never").await;
        })
        .await;
        let fixture = Fixture::new(
            ClusterSettings {
                close_connections_on_host_health_failure: true,
                ..ClusterSettings::named("c")
            },
            &[host],
        );
        let mut stream = fixture.tcp_stream().await.unwrap();
        assert_eq!(ask(&mut stream, &request("CONNECT", "")).await, 200);
        let banner = piece(&mut stream).await;
        assert_eq!(banner, Ok((BodyEvent::Data, "banner".to_owned())));
        let hosts = fixture.cluster.shared().hosts();
        let host = hosts.iter().next().unwrap();
        host.change_health(HealthFlags::FAILED_EDS_HEALTH, HealthFlags::HEALTHY);
        host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
        assert!(piece(&mut stream).await.is_err());
        assert_eq!(fixture.stat("upstream_cx_destroy_local_with_active_rq"), 1);
    });
}
