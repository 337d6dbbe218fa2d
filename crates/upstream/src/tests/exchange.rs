//! One request, one response.

use std::future::poll_fn;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};

use super::harness::{Fixture, answering, closing_after, on_worker, read_response, request, serve};
use crate::UpstreamErrorKind as Kind;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_get_is_answered_and_its_connection_is_used_again() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(OK).await]);
        for _ in 0..3 {
            let response = fixture.get("/").await.unwrap();
            assert_eq!(
                (response.status, response.body.as_slice()),
                (200, &b"ok"[..])
            );
        }
        assert_eq!(fixture.stat("upstream_cx_total"), 1);
        assert_eq!(fixture.stat("upstream_cx_http1_total"), 1);
        assert_eq!(fixture.stat("upstream_rq_total"), 3);
        assert_eq!(fixture.stat("upstream_rq_pending_total"), 1);
        assert_eq!(fixture.stat("upstream_rq_active"), 0);
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
        assert_eq!(
            fixture.stat("upstream_cx_rx_bytes_total"),
            3 * OK.len() as u64
        );
    });
}

#[test]
fn informational_responses_come_before_the_final_one() {
    on_worker(async {
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n\
                      HTTP/1.1 204 No Content\r\n\r\n";
        let fixture = Fixture::to(&[answering(answer).await]);
        let response = fixture.get("/").await.unwrap();
        assert_eq!(
            (response.informational, response.status),
            (vec![100, 103], 204)
        );
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
    });
}

#[test]
fn a_body_without_length_goes_out_in_chunks_and_comes_back_in_chunks() {
    on_worker(async {
        let host = serve(|mut served| async move {
            let head = served.head().await;
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            let body = served.until(b"0\r\n\r\n").await;
            assert_eq!(body, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
            served
                .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
                .await;
            served.head().await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        let mut stream = fixture.stream().await.unwrap();
        stream.write_head(&request("POST", "/"), false);
        for (part, end) in [(&b"hello"[..], false), (b" world", true)] {
            let mut data = Buffer::new();
            data.extend(part);
            poll_fn(|cx| stream.poll_write_data(cx, &mut data, end)).await;
        }
        assert!(stream.is_request_complete());
        assert_eq!(read_response(&mut stream).await.unwrap().body, b"abcde");
        stream.finish();
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
    });
}

#[test]
fn a_large_body_moves_both_ways_at_once() {
    const SIZE: usize = 3 << 20;
    on_worker(async {
        let host = serve(|mut served| async move {
            served.head().await;
            served
                .send(&format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"
                ))
                .await;
            let mut left = SIZE;
            while left > 0 {
                let part = served.until(&[b'x'; 1024]).await;
                left -= part.len();
                served.send(&part).await;
            }
            served.head().await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        let mut stream = fixture.stream().await.unwrap();
        let mut head = request("POST", "/");
        head.set_integer(Known::ContentLength, SIZE as u64);
        stream.write_head(&head, false);
        let mut up = Buffer::new();
        up.extend(&vec![b'x'; SIZE]);
        let (mut down, mut trailers) = (Buffer::new(), HeaderMap::response());
        let mut headers = HeaderMap::response();
        let (mut got, mut in_body) = (0, false);
        poll_fn(|cx| {
            let _ = stream.poll_write_data(cx, &mut up, true);
            while !stream.is_response_complete() {
                let progress = match in_body {
                    false => stream.poll_read_head(cx, &mut headers).map_ok(|_| ()),
                    true => stream
                        .poll_read_body(cx, &mut down, &mut trailers)
                        .map_ok(|_| ()),
                };
                match progress {
                    Poll::Ready(result) => result.unwrap(),
                    Poll::Pending => return Poll::Pending,
                }
                in_body = true;
                got += down.len();
                down.clear();
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(got, SIZE);
        assert!(stream.is_request_complete());
    });
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    on_worker(async {
        let host = closing_after("HTTP/1.1 200 OK\r\n\r\nabc").await;
        let fixture = Fixture::to(&[host]);
        assert_eq!(fixture.get("/").await.unwrap().body, b"abc");
        assert_eq!(fixture.stat("upstream_cx_destroy_remote"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_with_active_rq"), 0);
    });
}

#[test]
fn connection_close_is_obeyed() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        )
        .await]);
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_close_notify"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_local"), 1);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
    });
}

#[test]
fn a_close_before_any_byte_is_a_connection_termination() {
    on_worker(async {
        let fixture = Fixture::to(&[closing_after("").await]);
        let error = fixture.get("/").await.unwrap_err();
        assert_eq!(error.kind, Kind::ConnectionTermination);
        assert!(error.request_sent && !error.response_started);
        assert!(
            !error.is_stale_connection(),
            "a fresh connection is not stale"
        );
        assert_eq!(fixture.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
        assert_eq!(fixture.stat("upstream_rq_active"), 0);
    });
}

#[test]
fn a_reused_connection_that_dies_unanswered_is_stale() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.head().await;
            served.send(OK).await;
            served.head().await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        fixture.get("/").await.unwrap();
        assert!(fixture.get("/").await.unwrap_err().is_stale_connection());
    });
}

#[test]
fn a_response_that_breaks_off_is_a_protocol_error() {
    on_worker(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-le",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        ] {
            let fixture = Fixture::to(&[closing_after(answer).await]);
            let error = fixture.get("/").await.unwrap_err();
            assert_eq!(
                (error.kind, error.details),
                (Kind::ProtocolError, Some("http1.codec_error"))
            );
            assert_eq!(fixture.stat("upstream_cx_protocol_error"), 1);
            assert_eq!(fixture.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
        }
    });
}

#[test]
fn what_is_not_http_is_a_protocol_error() {
    on_worker(async {
        let fixture = Fixture::to(&[answering("garbage\r\n\r\n").await]);
        assert_eq!(
            fixture.get("/").await.unwrap_err().kind,
            Kind::ProtocolError
        );
        assert_eq!(fixture.stat("upstream_cx_destroy_local_with_active_rq"), 1);
    });
}

#[test]
fn bytes_after_the_response_cost_the_connection_and_not_the_response() {
    on_worker(async {
        let fixture =
            Fixture::to(&[answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef").await]);
        assert_eq!(fixture.get("/").await.unwrap().body, b"abc");
        assert_eq!(fixture.stat("upstream_cx_protocol_error"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_local"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_with_active_rq"), 0);
    });
}

#[test]
fn a_stream_dropped_halfway_closes_its_connection() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(OK).await]);
        let mut stream = fixture.stream().await.unwrap();
        stream.write_head(&request("GET", "/"), true);
        poll_fn(|cx| stream.poll_flush(cx)).await;
        drop(stream);
        assert_eq!(fixture.stat("upstream_cx_destroy_local_with_active_rq"), 1);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.stat("upstream_rq_active"), 0);
    });
}

#[test]
fn a_stream_dropped_before_it_was_used_returns_its_connection() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(OK).await]);
        drop(fixture.stream().await.unwrap());
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_total"), 1);
    });
}

#[test]
fn a_response_before_the_end_of_the_request_is_passed_on_and_ends_the_connection() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(OK).await]);
        let mut stream = fixture.stream().await.unwrap();
        stream.write_head(&request("POST", "/"), false);
        poll_fn(|cx| stream.poll_flush(cx)).await;
        assert_eq!(read_response(&mut stream).await.unwrap().status, 200);
        stream.finish();
        assert_eq!(fixture.stat("upstream_cx_destroy_local_with_active_rq"), 1);
    });
}

#[test]
fn trailers_are_kept_where_they_are_enabled() {
    on_worker(async {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                      2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n";
        let mut settings = crate::cluster::ClusterSettings::named("c");
        std::sync::Arc::make_mut(&mut settings.http.http1).enable_trailers = true;
        let fixture = Fixture::new(settings, &[answering(answer).await]);
        let response = fixture.get("/").await.unwrap();
        assert_eq!(response.body, b"ok");
        assert_eq!(response.trailers.as_deref(), Some(&b"42"[..]));
    });
}
