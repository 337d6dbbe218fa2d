//! Each operator's text, pinned from Envoy 1.40.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{headers, stream};
use crate::formatter::{DEFAULT_FORMAT, Format};
use crate::headers::MapKind;
use crate::stream_info::{Address, ConnectionInfo, PeerCertificateInfo, ResponseFlags, TlsInfo};

#[test]
fn the_default_line_is_envoys() {
    assert_eq!(
        stream().show(&Format::default_format()),
        "[2026-11-22T21:59:03.167Z] \"GET /p%20q/x?a=1%202&b=3 HTTP/1.1\" 200 - 0 5 1 0 \"-\" \"ua\" \
         \"fd1d5347-9bd8-4774-b66d-e736fef5cac9\" \"h.test:99\" \"127.0.0.1:21101\"\n"
    );
    assert!(Format::compile(DEFAULT_FORMAT).is_ok());
}

#[test]
fn every_operator_shows_what_envoy_showed_for_the_same_stream() {
    let stream = stream();
    for (format, expected) in [
        ("%START_TIME%", "2026-11-22T21:59:03.167Z"),
        ("%EMIT_TIME%", "2026-11-22T21:59:03.168Z"),
        ("%REQUEST_HEADERS_BYTES%", "190"),
        ("%BYTES_RECEIVED%", "0"),
        ("%BYTES_RETRANSMITTED%", "0"),
        ("%PACKETS_RETRANSMITTED%", "0"),
        ("%PROTOCOL%", "HTTP/1.1"),
        ("%UPSTREAM_PROTOCOL%", "HTTP/1.1"),
        ("%RESPONSE_CODE%", "200"),
        ("%RESPONSE_CODE_DETAILS%", "via_upstream"),
        ("%CONNECTION_TERMINATION_DETAILS%", "-"),
        ("%RESPONSE_HEADERS_BYTES%", "119"),
        ("%RESPONSE_TRAILERS_BYTES%", "0"),
        ("%BYTES_SENT%", "5"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "1"),
        ("%UPSTREAM_WIRE_BYTES_SENT%", "199"),
        ("%UPSTREAM_WIRE_BYTES_RECEIVED%", "125"),
        ("%UPSTREAM_HEADER_BYTES_SENT%", "162"),
        ("%UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%", "162"),
        ("%UPSTREAM_HEADER_BYTES_RECEIVED%", "97"),
        ("%UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%", "97"),
        ("%DOWNSTREAM_WIRE_BYTES_SENT%", "157"),
        ("%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "102"),
        ("%DOWNSTREAM_HEADER_BYTES_SENT%", "133"),
        ("%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%", "133"),
        ("%DOWNSTREAM_HEADER_BYTES_RECEIVED%", "61"),
        ("%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%", "61"),
        ("%DURATION%", "1"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", "1273"),
        ("%REQUEST_DURATION%", "0"),
        ("%REQUEST_TX_DURATION%", "0"),
        ("%RESPONSE_DURATION%", "1"),
        ("%ROUNDTRIP_DURATION%", "-"),
        ("%RESPONSE_TX_DURATION%", "0"),
        ("%DOWNSTREAM_HANDSHAKE_DURATION%", "-"),
        ("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "0"),
        ("%RESPONSE_FLAGS%", "-"),
        ("%ROUTE_NAME%", "my route"),
        ("%VIRTUAL_CLUSTER_NAME%", "-"),
        ("%UPSTREAM_HOST%", "127.0.0.1:21101"),
        ("%UPSTREAM_HOST_NAME%", "backend.test:80"),
        ("%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "backend.test"),
        ("%UPSTREAM_HOSTS_ATTEMPTED%", "127.0.0.1:21101"),
        ("%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%", "127.0.0.1"),
        ("%UPSTREAM_HOST_NAMES_ATTEMPTED%", "backend.test:80"),
        (
            "%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%",
            "backend.test",
        ),
        ("%UPSTREAM_CLUSTER%", "up_alt"),
        ("%UPSTREAM_CLUSTER_RAW%", "up"),
        ("%UPSTREAM_LOCAL_ADDRESS%", "127.0.0.1:48116"),
        ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
        ("%UPSTREAM_LOCAL_PORT%", "48116"),
        ("%UPSTREAM_REMOTE_ADDRESS%", "127.0.0.1:21101"),
        ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
        ("%UPSTREAM_REMOTE_PORT%", "21101"),
        ("%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID%", ""),
        ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "-"),
        ("%UPSTREAM_DETECTED_CLOSE_TYPE%", "Normal"),
        ("%UPSTREAM_LOCAL_CLOSE_REASON%", "-"),
        ("%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "-"),
        ("%DOWNSTREAM_LOCAL_CLOSE_REASON%", "-"),
        ("%DOWNSTREAM_DETECTED_CLOSE_TYPE%", "Normal"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%", "127.0.0.1:39016"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
        ("%DOWNSTREAM_REMOTE_PORT%", "39016"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "127.0.0.1:39016"),
        (
            "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
            "127.0.0.1",
        ),
        ("%DOWNSTREAM_DIRECT_REMOTE_PORT%", "39016"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "127.0.0.1:21100"),
        ("%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%", "127.0.0.1:21100"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
        (
            "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%",
            "127.0.0.1",
        ),
        ("%DOWNSTREAM_LOCAL_PORT%", "21100"),
        ("%DOWNSTREAM_DIRECT_LOCAL_PORT%", "21100"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%", ""),
        ("%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID%", ""),
        ("%CONNECTION_ID%", "1"),
        ("%UPSTREAM_CONNECTION_ID%", "2"),
        ("%UPSTREAM_CONNECTION_IDS_ATTEMPTED%", "2"),
        ("%STREAM_ID%", "fd1d5347-9bd8-4774-b66d-e736fef5cac9"),
        ("%GRPC_STATUS%", "-"),
        ("%GRPC_STATUS_NUMBER%", "-"),
        ("%REQUEST_HEADER(X-NO?X-A):3%", "abc"),
        ("%RESPONSE_HEADER(x-up)%", "v"),
        ("%RESPONSE_TRAILER(x)%", "-"),
        ("%DYNAMIC_METADATA(ns:k)%", "-"),
        (
            "%CLUSTER_METADATA(ns:o)%",
            "{\"a\":\"q\\\"é\",\"b\":[1,\"x\",null,true]}",
        ),
        ("%UPSTREAM_METADATA(ns:k)%", "host md"),
        ("%FILTER_STATE(a:PLAIN)%", "-"),
        ("%UPSTREAM_FILTER_STATE(a:PLAIN)%", "-"),
        ("%REQUESTED_SERVER_NAME%", "-"),
        ("%DOWNSTREAM_LOCAL_IP_SAN%", "-"),
        ("%DOWNSTREAM_PEER_IP_SAN%", "-"),
        ("%DOWNSTREAM_LOCAL_DNS_SAN%", "-"),
        ("%DOWNSTREAM_PEER_DNS_SAN%", "-"),
        ("%DOWNSTREAM_LOCAL_URI_SAN%", "-"),
        ("%DOWNSTREAM_PEER_URI_SAN%", "-"),
        ("%DOWNSTREAM_LOCAL_EMAIL_SAN%", "-"),
        ("%DOWNSTREAM_PEER_EMAIL_SAN%", "-"),
        ("%DOWNSTREAM_LOCAL_OTHERNAME_SAN%", "-"),
        ("%DOWNSTREAM_PEER_OTHERNAME_SAN%", "-"),
        ("%DOWNSTREAM_LOCAL_SUBJECT%", "-"),
        ("%DOWNSTREAM_PEER_SUBJECT%", "-"),
        ("%DOWNSTREAM_PEER_ISSUER%", "-"),
        ("%DOWNSTREAM_TLS_SESSION_ID%", "-"),
        ("%DOWNSTREAM_TLS_CIPHER%", "-"),
        ("%DOWNSTREAM_TLS_GROUP%", "-"),
        ("%DOWNSTREAM_TLS_VERSION%", "-"),
        ("%DOWNSTREAM_PEER_FINGERPRINT_256%", "-"),
        ("%DOWNSTREAM_PEER_FINGERPRINT_1%", "-"),
        ("%DOWNSTREAM_PEER_SERIAL%", "-"),
        ("%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%", "-"),
        ("%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1%", "-"),
        ("%DOWNSTREAM_PEER_CHAIN_SERIALS%", "-"),
        ("%DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256%", "-"),
        ("%DOWNSTREAM_PEER_ISSUER_SERIAL%", "-"),
        ("%DOWNSTREAM_PEER_CERT%", "-"),
        ("%TLS_JA3_FINGERPRINT%", "-"),
        ("%TLS_JA4_FINGERPRINT%", "-"),
        ("%DOWNSTREAM_PEER_CERT_V_START%", "-"),
        ("%DOWNSTREAM_PEER_CERT_V_END%", "-"),
        ("%UPSTREAM_PEER_SUBJECT%", "-"),
        ("%UPSTREAM_PEER_ISSUER%", "-"),
        ("%UPSTREAM_TLS_SESSION_ID%", "-"),
        ("%UPSTREAM_TLS_CIPHER%", "-"),
        ("%UPSTREAM_TLS_GROUP%", "-"),
        ("%UPSTREAM_TLS_VERSION%", "-"),
        ("%UPSTREAM_SERVER_NAME%", "-"),
        ("%UPSTREAM_PEER_CERT%", "-"),
        ("%UPSTREAM_PEER_CERT_V_START%", "-"),
        ("%UPSTREAM_PEER_CERT_V_END%", "-"),
        ("%UPSTREAM_PEER_URI_SAN%", "-"),
        ("%UPSTREAM_PEER_DNS_SAN%", "-"),
        ("%UPSTREAM_PEER_IP_SAN%", "-"),
        ("%UPSTREAM_LOCAL_URI_SAN%", "-"),
        ("%UPSTREAM_LOCAL_DNS_SAN%", "-"),
        ("%UPSTREAM_LOCAL_IP_SAN%", "-"),
        ("%LOCAL_REPLY_BODY%", ""),
        ("%FILTER_CHAIN_NAME%", "fc"),
        ("%LISTENER_NAME%", "lst"),
        ("%ACCESS_LOG_TYPE%", "DownstreamEnd"),
        ("%TRACE_ID%", "-"),
        ("%SPAN_ID%", "-"),
        ("%QUERY_PARAM(a)%", "1 2"),
        ("%QUERY_PARAMS%", "a=1%202&b=3"),
        ("%PATH%", "/p%20q/x?a=1%202&b=3"),
        ("%CUSTOM_FLAGS%", ""),
        (
            "%COALESCE({\"operators\":[\"ROUTE_NAME\",\"PROTOCOL\"]})%",
            "my route",
        ),
        ("%METADATA(CLUSTER:ns:k)%", "cluster md"),
        ("%RESPONSE_FLAGS_LONG%", "-"),
    ] {
        assert_eq!(stream.text(format), expected, "{format}");
    }
}

#[test]
fn arguments_choose_and_cut_as_on_the_oracle() {
    let mut stream = stream();
    stream.request = headers(
        MapKind::Request,
        &[
            (":authority", b"h.test:99"),
            (
                ":path",
                b"/p%20q/x?a=1%202&b%3d=3&e=&a%20b=%41+%2&x=%00%0a%zz",
            ),
            ("x-a", b"abcdef"),
        ],
    );
    for (format, expected) in [
        (
            "%QUERY_PARAMS(DECODED)%",
            "a=1%202&b==3&e=&a%20b=A+2&x=%00%0azz",
        ),
        ("%REQ(HOST)%", "h.test:99"),
        ("[%QUERY_PARAM(e)%]", "[]"),
        ("[%QUERY_PARAM(zz)%]", "[-]"),
        ("[%QUERY_PARAM(a b)%]", "[A+%2]"),
        ("[%COALESCE({\"operators\":[\"PROTOCOL\"]}):0%]", "[]"),
        (
            "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\":PATH\",\"max_length\":5}]}):3%",
            "/p%",
        ),
        (
            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%",
            "127.0.0.0/24",
        ),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(-1)%", ""),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%", "127.0.0.1"),
        (
            "%PATH(NQ)%|%PATH(NQ:ORIG)%|%PATH(WQ:PATH):3%",
            "/p%20q/x|-|/p%",
        ),
        ("%REQUESTED_SERVER_NAME(SNI_FIRST)%", "h.test:99"),
        ("%REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)%", "-"),
        ("%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%", "h.test:99"),
        (
            "%CLUSTER_METADATA(ns)%",
            "{\"big\":1e+06,\"k\":\"cluster md\",\"n\":3.5,\"o\":{\"a\":\"q\\\"é\",\"b\":[1,\"x\",null,true]}}",
        ),
        ("%CLUSTER_METADATA(ns:n)%", "3.5"),
        ("%CLUSTER_METADATA(ns:big)%", "1e+06"),
        ("%CLUSTER_METADATA(ns:o:b:x)%", "-"),
        ("%STREAM_INFO_REQ(x-a)%", "abcdef"),
        ("%COMMON_DURATION(DS_CX_BEG:DS_TX_END)%", "1"),
        ("%COMMON_DURATION(nope:DS_TX_END)%", "-"),
        ("%COMMON_DURATION(DS_TX_END:DS_RX_BEG)%", "-"),
        ("%REQ(X):0%%REQ(x-a):0%", "-"),
        ("%REQ(X-B?X-A)%", "abcdef"),
        ("%METADATA(ROUTE:ns)%", "-"),
        ("100%% %%REQ(x)%%", "100% %REQ(x)%"),
        ("", ""),
    ] {
        assert_eq!(stream.text(format), expected, "{format}");
    }
}

#[test]
fn response_flags_are_listed_short_and_long() {
    let mut stream = stream();
    stream
        .info
        .add_flags(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
    stream
        .info
        .add_flags(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
    assert_eq!(stream.text("%RESPONSE_FLAGS%"), "UF,URX");
    assert_eq!(
        stream.text("%RESPONSE_FLAGS_LONG%"),
        "UpstreamConnectionFailure,UpstreamRetryLimitExceeded"
    );
}

#[test]
fn white_space_in_reasons_becomes_an_underscore() {
    let mut stream = stream();
    stream.info.response_code_details = Some("upstream reset{a b}\t".into());
    stream.info.upstream.transport_failure_reason =
        "delayed connect error: Connection refused".into();
    assert_eq!(
        stream.text("%RESPONSE_CODE_DETAILS%"),
        "upstream_reset{a_b}_"
    );
    assert_eq!(
        stream.text("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"),
        "upstream reset{a b}\t"
    );
    assert_eq!(
        stream.text("%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        "delayed_connect_error:_Connection_refused"
    );
}

#[test]
fn a_grpc_status_comes_from_trailers_then_headers_then_the_http_status() {
    let mut stream = stream();
    assert_eq!(stream.text("%GRPC_STATUS%"), "-", "not a gRPC request");
    stream.request = headers(
        MapKind::Request,
        &[
            (":path", b"/s/m"),
            ("content-type", b"application/grpc+proto"),
        ],
    );
    stream.info.response_code = Some(503);
    assert_eq!(
        stream.text("%GRPC_STATUS% %GRPC_STATUS_NUMBER%"),
        "Unavailable 14"
    );
    stream.response = headers(MapKind::Response, &[("grpc-status", b"7")]);
    assert_eq!(
        stream.text("%GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%"),
        "PERMISSION_DENIED 7"
    );
    stream.trailers = Some(headers(MapKind::ResponseTrailers, &[("grpc-status", b"0")]));
    assert_eq!(stream.text("%GRPC_STATUS%"), "OK");
    stream.trailers = Some(headers(
        MapKind::ResponseTrailers,
        &[("grpc-status", b"99")],
    ));
    assert_eq!(stream.text("%GRPC_STATUS% %GRPC_STATUS_NUMBER%"), "99 99");
    stream.trailers = Some(headers(
        MapKind::ResponseTrailers,
        &[("grpc-status", b"none")],
    ));
    assert_eq!(stream.text("%GRPC_STATUS% %GRPC_STATUS_NUMBER%"), "-1 -1");
}

#[test]
fn a_detected_client_address_hides_the_connections_but_not_the_direct_one() {
    let mut stream = stream();
    stream.info.remote_address = Some(Address::Ip("[2001:db8::1]:0".parse().expect("an address")));
    assert_eq!(
        stream.text("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(32)%"),
        "[2001:db8::1]:0 2001:db8::/32"
    );
    assert_eq!(
        stream.text("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"),
        "127.0.0.1:39016"
    );
}

#[test]
fn a_pipe_has_no_port_in_text() {
    let mut stream = stream();
    stream.info.upstream.remote_address = Some(Address::Pipe("/run/a.sock".into()));
    assert_eq!(
        stream.text("%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_REMOTE_PORT%|%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        "/run/a.sock||/run/a.sock"
    );
}

#[test]
fn tls_fields_are_shown_and_empty_ones_are_missing() {
    let mut stream = stream();
    let peer = PeerCertificateInfo {
        chain_serials: vec!["0a".into(), "0b".into()],
        valid_from: Some(std::time::UNIX_EPOCH + Duration::from_secs(86_400)),
        ..PeerCertificateInfo::default()
    };
    let tls = TlsInfo {
        version: "TLSv1.3".into(),
        peer: Some(Box::new(peer)),
        ..TlsInfo::default()
    };
    stream.info.connection = Rc::new(ConnectionInfo {
        requested_server_name: "a b".into(),
        tls: Some(Arc::new(tls)),
        ..ConnectionInfo::default()
    });
    assert_eq!(
        stream.text("%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_TLS_CIPHER%"),
        "TLSv1.3|-"
    );
    assert_eq!(stream.text("%DOWNSTREAM_PEER_CHAIN_SERIALS%"), "0a,0b");
    assert_eq!(
        stream.text("%DOWNSTREAM_PEER_CERT_V_START(%F)%"),
        "1970-01-02"
    );
    assert_eq!(stream.text("%DOWNSTREAM_PEER_CERT_V_END%"), "-");
    assert_eq!(stream.text("%REQUESTED_SERVER_NAME%"), "invalid:a_b");
}

#[test]
fn a_unique_id_is_a_random_uuid() {
    assert_eq!(
        stream().text("%UNIQUE_ID%"),
        "01234567-89ab-4def-8123-456789abcdef"
    );
}

#[test]
fn an_unset_environment_variable_is_a_dash() {
    assert_eq!(
        stream().text("%ENVIRONMENT(NUNCIO_NO_SUCH_VARIABLE):1%"),
        "-"
    );
    assert_eq!(stream().text("%ENVIRONMENT(PATH):0%"), "");
}

#[test]
fn a_literal_format_keeps_its_percents() {
    let format = Format::literal(b"%REQ(x)% %%".to_vec());
    assert_eq!(stream().show(&format), "%REQ(x)% %%");
    assert_eq!(format.as_literal(), Some(&b"%REQ(x)% %%"[..]));
    assert_eq!(
        Format::compile("a%%").expect("a good format").as_literal(),
        Some(&b"a%"[..])
    );
    assert_eq!(
        Format::compile("%PROTOCOL%")
            .expect("a good format")
            .as_literal(),
        None
    );
}

#[test]
fn in_a_header_value_what_is_missing_prints_as_nothing() {
    for (value, expected) in [
        ("%REQ(nope)%", ""),
        ("a%REQ(nope)%b", "ab"),
        ("100%%", "100%"),
        ("%UPSTREAM_METADATA([\"ns\", \"k\"])%", "host md"),
        (
            "<%UPSTREAM_METADATA( [\"ns\",\"k\"] )%|%DYNAMIC_METADATA([\"ns\"])%>",
            "<host md|>",
        ),
        ("%UPSTREAM_METADATA(ns:k)%", "host md"),
        ("%PER_REQUEST_STATE(x)%", ""),
    ] {
        let format = Format::compile_header_value(value).expect("a good value");
        assert_eq!(stream().show(&format), expected, "{value}");
    }
    assert!(Format::compile_header_value("%PROTOCOL").is_err());
}
