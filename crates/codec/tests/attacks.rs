//! Request smuggling and its kin, at the codec: what an attacker sends, and that nothing
//! ambiguous comes out. Numbers are those of the list of attack cases; what needs a
//! connection or a pool (38 to 43, 46) is tested here as far as the codec goes.

mod support;

use nuncio_codec::http1::*;
use nuncio_contract::headers::{HeaderMap, Known};
use support::*;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";

fn refused_with(input: impl AsRef<[u8]>) -> Option<&'static str> {
    refusal(&Http1Settings::default(), input.as_ref()).map(Error::details)
}

fn forwarded(input: impl AsRef<[u8]>) -> String {
    let bytes = forward(&Http1Settings::default(), input.as_ref());
    bytes.escape_ascii().to_string().replace("\\r\\n", "|")
}

fn requests(input: impl AsRef<[u8]>) -> usize {
    let events = serve(&Http1Settings::default(), input.as_ref());
    let heads = events
        .iter()
        .filter(|event| matches!(event, Event::Head(..)));
    heads.count()
}

/// Refused for its grammar, and nothing of it reaches the upstream.
fn assert_refused(input: impl AsRef<[u8]>, details: &str) {
    let input = input.as_ref();
    assert_eq!(
        refused_with(input),
        Some(details),
        "{}",
        input.escape_ascii()
    );
    assert_eq!(forwarded(input), "", "{}", input.escape_ascii());
}

/// The body is refused; its head may have been passed on before, unfinished.
fn assert_body_refused(input: impl AsRef<[u8]>) {
    let input = input.as_ref();
    assert_eq!(
        refused_with(input),
        Some("http1.codec_error"),
        "{}",
        input.escape_ascii()
    );
    let events = serve(&Http1Settings::default(), input);
    assert!(!events.contains(&Event::End), "{}", input.escape_ascii());
}

fn chunked(body: &str) -> String {
    format!("{POST}Transfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn case_1_and_2_content_length_beside_transfer_encoding_is_refused() {
    let both = "http1.content_length_and_chunked_not_allowed";
    assert_refused(
        format!("{POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        both,
    );
    assert_refused(
        format!("{POST}Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\nG"),
        both,
    );
}

#[test]
fn case_1_the_length_is_removed_where_allow_chunked_length_says_so() {
    let settings = Http1Settings {
        allow_chunked_length: true,
        ..Http1Settings::default()
    };
    let input = format!("{POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let out = forward(&settings, input.as_bytes());
    assert_eq!(
        out,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    );
}

#[test]
fn case_3_to_6_any_other_transfer_coding_is_not_implemented() {
    for coding in [
        "chunked\r\nTransfer-Encoding: identity",
        "chunked, chunked",
        "identity, chunked",
        "chunked, gzip",
        ",chunked",
        "xchunked",
        "chunke",
        "\"chunked\"",
        "",
    ] {
        assert_refused(
            format!("{POST}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
            "http1.invalid_transfer_encoding",
        );
    }
}

#[test]
fn case_7_odd_bytes_around_chunked_are_no_white_space() {
    for (coding, details) in [
        (&b"\x0bchunked"[..], "http1.invalid_characters"),
        (b"\x0cchunked", "http1.invalid_characters"),
        (b"chunked\x00", "http1.invalid_characters"),
        (b"\xa0chunked", "http1.invalid_transfer_encoding"),
    ] {
        let input = [POST.as_bytes(), b"Transfer-Encoding:", coding, b"\r\n\r\n"].concat();
        assert_refused(input, details);
    }
}

#[test]
fn case_7_and_15_nothing_is_taken_out_of_what_frames_a_body() {
    for coding in ["chun\rked", "chunked\r,", "chun\r\n ked"] {
        assert_refused(
            format!("{POST}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
            "http1.invalid_transfer_encoding",
        );
    }
    for length in ["5\r5", "5\r\n 5", "5\r\n\t5"] {
        assert_refused(
            format!("{POST}Content-Length: {length}\r\n\r\nhello"),
            "http1.codec_error",
        );
    }
    // Around it a CR is white space, as in Envoy.
    assert_eq!(
        forwarded(format!("{POST}Content-Length: \r5\r\r\n\r\nhello")),
        "POST / HTTP/1.1|host: a|content-length: 5||hello"
    );
    for header in ["transfer-encoding: chun\rked", "content-length: 5\r5"] {
        let input = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\nhello");
        let passed = pass_back(&Http1Settings::default(), false, input.as_bytes(), true);
        assert_eq!(passed, None, "{input:?}");
    }
}

#[test]
fn case_8_a_space_before_the_colon_is_refused() {
    assert_refused(
        format!("{POST}Transfer-Encoding : chunked\r\n\r\n"),
        "http1.codec_error",
    );
}

#[test]
fn case_9_and_10_a_continuation_line_is_joined_and_never_a_header() {
    assert_eq!(
        forwarded(format!("{POST}X: a\r\n Transfer-Encoding: chunked\r\n\r\n")),
        "POST / HTTP/1.1|host: a|x: a Transfer-Encoding: chunked|content-length: 0||"
    );
    assert_eq!(
        forwarded(format!("{GET}X: a\r\n\tb\r\n\r\n")),
        "GET / HTTP/1.1|host: a|x: a\\tb||"
    );
}

#[test]
fn case_11_the_first_header_line_has_nothing_to_continue() {
    assert_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "http1.codec_error");
}

#[test]
fn case_12_to_16_a_content_length_is_one_decimal_number_once() {
    for length in [
        "5\r\nContent-Length: 6",
        "5\r\nContent-Length: 5",
        "5, 6",
        "5, 5",
        "+5",
        "-1",
        "0x5",
        "5_0",
        "\u{665}",
        "5 5",
        "\"5\"",
        "1e1",
        "",
        "\r\nContent-Length: 59",
    ] {
        assert_refused(
            format!("{POST}Content-Length: {length}\r\n\r\nhello"),
            "http1.codec_error",
        );
    }
}

#[test]
fn case_17_a_content_length_beyond_64_bits_is_refused_and_a_huge_one_costs_nothing() {
    assert_refused(
        format!("{POST}Content-Length: 18446744073709551616\r\n\r\n"),
        "http1.codec_error",
    );
    let input = format!("{POST}Content-Length: 9223372036854775808\r\n\r\nhello");
    let events = serve(&Http1Settings::default(), input.as_bytes());
    assert!(matches!(&events[0], Event::Head(head, _)
        if head.framing == BodyFraming::Length(1 << 63)));
    assert_eq!(events[1..], [Event::Data(b"hello".to_vec())]);
}

#[test]
fn case_18_a_body_of_get_is_forwarded_and_bytes_after_a_bodiless_one_are_a_request() {
    assert_eq!(
        forwarded(format!("{GET}Content-Length: 5\r\n\r\nhello")),
        "GET / HTTP/1.1|host: a|content-length: 5||hello"
    );
    assert_eq!(
        requests(format!("{GET}\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n")),
        2
    );
}

#[test]
fn case_19_and_20_http_1_0_is_refused_unless_accepted() {
    assert_refused(
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "low_version",
    );
    let settings = Http1Settings {
        accept_http_10: true,
        ..Http1Settings::default()
    };
    let events = serve(&settings, b"POST / HTTP/1.0\r\nHost: a\r\n\r\nhello");
    assert!(matches!(&events[0], Event::Head(head, _)
        if head.framing == BodyFraming::None && !head.keep_alive));
    assert_eq!(events[1..], [Event::End], "what follows is never a body");
    let chunked = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(
        forward(&settings, chunked),
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    );
}

#[test]
fn case_21_a_chunk_extension_is_dropped_and_costs_no_memory() {
    let out = "POST / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0||";
    assert_eq!(forwarded(chunked("5;a=b\r\nhello\r\n0\r\n\r\n")), out);
    let giant = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(1 << 20));
    assert_eq!(forwarded(chunked(&giant)), out);
    let mut chunks = BodyDecoder::from(BodyFraming::Chunked);
    let mut trailers = HeaderMap::request();
    let step = chunks.step(&Http1Settings::default(), b"5;aaaaaaaa", &mut trailers);
    assert_eq!(step, Ok(Step::NeedMore { consumed: 10 }));
}

#[test]
fn case_21_and_22_a_line_of_a_chunk_ends_with_cr_lf_and_has_neither_within() {
    for body in [
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
    ] {
        assert_body_refused(chunked(body));
    }
}

#[test]
fn case_23_a_chunk_size_is_hexadecimal_digits_only() {
    for size in ["0x5", "+5", "-5", " 5", "", "5_", "G", "5\0", "5."] {
        assert_body_refused(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")));
    }
}

#[test]
fn case_24_a_chunk_size_beyond_64_bits_is_refused() {
    for size in ["FFFFFFFFFFFFFFFF0", "10000000000000005"] {
        assert_body_refused(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")));
    }
}

#[test]
fn case_25_nothing_stands_between_data_and_its_line_end() {
    for end in ["XX", "\rX", " \r\n", "\r\r\n", ";\r\n", "\0\r\n"] {
        assert_body_refused(chunked(&format!("5\r\nhello{end}0\r\n\r\n")));
    }
}

#[test]
fn case_26_no_empty_line_stands_between_chunks() {
    assert_body_refused(chunked("5\r\nhello\r\n\r\n0\r\n\r\n"));
    assert_body_refused(chunked("\r\n5\r\nhello\r\n0\r\n\r\n"));
}

#[test]
fn case_27_trailers_never_become_headers() {
    for trailer in ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: b"] {
        let input = chunked(&format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"));
        assert_eq!(
            forwarded(&input),
            "POST / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0||"
        );
        let kept = Http1Settings {
            enable_trailers: true,
            ..Http1Settings::default()
        };
        let events = serve(&kept, input.as_bytes());
        let Event::Head(_, headers) = &events[0] else {
            panic!("no head");
        };
        assert!(!headers.contains(Known::ContentLength));
        assert_eq!(headers.get(Known::Authority), Some(&b"a"[..]));
    }
    assert_body_refused(chunked("0\r\n:path: /x\r\n\r\n"));
}

#[test]
fn case_28_a_lone_cr_ends_no_line_and_a_lone_lf_does_as_in_envoy() {
    assert_eq!(requests("GET / HTTP/1.1\r\nHost: a\r\n\r\rX"), 0);
    assert_eq!(requests("GET / HTTP/1.1\r\rHost: a\r\r\r\r"), 0);
    assert_eq!(
        forwarded("GET / HTTP/1.1\nHost: a\n\n"),
        "GET / HTTP/1.1|host: a||"
    );
}

#[test]
fn case_29_white_space_in_the_first_line_is_made_single_or_refused() {
    for line in ["GET\t/\tHTTP/1.1", "GET  /  HTTP/1.1", "GET / HTTP/1.1 "] {
        assert_eq!(
            forwarded(format!("{line}\r\nHost: a\r\n\r\n")),
            "GET / HTTP/1.1|host: a||"
        );
    }
    for line in [" GET / HTTP/1.1", "GET /a b HTTP/1.1", "GET /a\rb HTTP/1.1"] {
        assert_refused(format!("{line}\r\nHost: a\r\n\r\n"), "http1.codec_error");
    }
    assert_refused(
        "GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "http1.invalid_characters",
    );
}

#[test]
fn case_30_a_version_is_http_slash_digit_dot_digit() {
    for version in [
        "HTTP/1.11",
        "HTTP/257.1",
        "HTTP/1.1x",
        "http/1.1",
        "XTTP/1.1",
    ] {
        assert_refused(
            format!("GET / {version}\r\nHost: a\r\n\r\n"),
            "http1.codec_error",
        );
    }
    assert_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "low_version");
    assert_refused(
        "GET http://b/aHTTP/1.1\r\nHost: a\r\n\r\n",
        "http1.codec_error",
    );
}

#[test]
fn case_31_unknown_methods_are_refused_unless_custom_ones_are_allowed() {
    let long = "X".repeat(10 * 1024);
    for method in ["G=T", "GET?", "get", "FOO", &long] {
        assert_refused(
            format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"),
            "http1.codec_error",
        );
    }
    let custom = Http1Settings {
        allow_custom_methods: true,
        ..Http1Settings::default()
    };
    for method in ["get", "FOO", &long] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refusal(&custom, input.as_bytes()), None);
    }
    for method in ["G=T", "GET?", "G@T"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(refusal(&custom, input.as_bytes()).is_some());
    }
}

#[test]
fn case_32_a_header_name_is_a_token_and_not_empty() {
    for name in ["a\"b", "a(b", "", "a b", "a/b", "a@b", "a\rb", "a\u{80}"] {
        assert_refused(
            format!("{GET}{name}: 1\r\nX: 2\r\n\r\n"),
            "http1.codec_error",
        );
    }
    assert_refused(format!("{GET}Test\r\n\r\n"), "http1.codec_error");
    assert_refused(format!("{GET}a\0b: 1\r\n\r\n"), "http1.invalid_characters");
}

#[test]
fn case_33_control_characters_in_a_value_are_refused_and_a_lone_cr_is_taken_out() {
    for byte in (0..0x20u8).chain([0x7f]) {
        let value = [b"X: a", &[byte][..], b"b\r\n\r\n"].concat();
        let input = [GET.as_bytes(), &value].concat();
        match byte {
            b'\t' => assert_eq!(forwarded(input), "GET / HTTP/1.1|host: a|x: a\\tb||"),
            b'\r' => assert_eq!(forwarded(input), "GET / HTTP/1.1|host: a|x: ab||"),
            b'\n' => assert_refused(input, "http1.codec_error"),
            _ => assert_refused(input, "http1.invalid_characters"),
        }
    }
}

#[test]
fn case_34_a_nul_does_not_cut_a_host() {
    assert_refused(
        "GET / HTTP/1.1\r\nHost: google.com\0.evil.org\r\n\r\n",
        "http1.invalid_characters",
    );
}

#[test]
fn case_35_white_space_around_a_value_goes_and_all_else_stays() {
    let input = [GET.as_bytes(), b"X: \t\xa0a\x85 \t\r\n\r\n"].concat();
    assert_eq!(forwarded(input), "GET / HTTP/1.1|host: a|x: \\xa0a\\x85||");
}

#[test]
fn case_36_a_head_beyond_its_limit_is_refused_before_it_ends() {
    let too_large = "http1.headers_too_large";
    assert_refused(
        format!("{GET}{}: 1\r\n\r\n", "x".repeat(1 << 20)),
        too_large,
    );
    assert_refused(format!("{GET}x: {}", "v".repeat(61_440)), too_large);
    assert_refused(
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(61_440)),
        too_large,
    );
    let fits = 61_440 - GET.len() - "x: \r\n\r\n".len();
    assert_eq!(requests(format!("{GET}x: {}\r\n\r\n", "v".repeat(fits))), 1);
    assert_refused(
        format!("{GET}x: {}\r\n\r\n", "v".repeat(fits + 1)),
        too_large,
    );
    let many = |count: usize| format!("{GET}{}\r\n", "x: 1\r\n".repeat(count - 1));
    assert_eq!(requests(many(100)), 1);
    assert_refused(many(101), "http1.too_many_headers");
}

#[test]
fn case_37_connection_takes_out_no_framing_and_no_proxy_headers() {
    assert_eq!(
        forwarded(format!(
            "{POST}Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello"
        )),
        "POST / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0||",
        "the length is gone, the framing is not"
    );
    for name in ["X-Forwarded-For, keep-alive", "x-forwarded-proto", ":path"] {
        assert_refused(
            format!("{GET}Connection: {name}\r\n\r\n"),
            "http1.connection_header_rejected",
        );
    }
    assert_refused(
        format!("{GET}Connection: a,b,c,d,e,f,g,h,i,j\r\n\r\n"),
        "http1.connection_header_rejected",
    );
}

#[test]
fn case_38_and_39_the_rest_of_a_body_is_never_a_request() {
    let smuggled = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    let input = format!("{POST}Content-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    assert_eq!(requests(&input), 1);
    let input = format!("{POST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    let events = serve(&Http1Settings::default(), input.as_bytes());
    assert!(
        matches!(&events[..], [Event::Head(head, _), ..] if head.framing == BodyFraming::Length(5))
    );
}

#[test]
fn case_40_and_51_bytes_after_a_response_are_left_for_the_pool_to_see() {
    let extra = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n";
    let passed = pass_back(&Http1Settings::default(), false, extra, false);
    let (_, refused, left) = passed.expect("a head");
    assert_eq!((refused, left), (None, "HTTP/1.1 200 OK\r\n\r\n".len()));
}

#[test]
fn case_41_to_43_bytes_after_an_upgrade_or_connect_are_no_request() {
    for input in [
        format!(
            "{GET}Connection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"
        ),
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET /admin HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let events = serve(&Http1Settings::default(), input.as_bytes());
        let heads = events
            .iter()
            .filter(|event| matches!(event, Event::Head(..)));
        assert_eq!(heads.count(), 1);
        assert!(matches!(&events[0], Event::Head(head, _) if head.framing == BodyFraming::Tunnel));
    }
    assert_refused(
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nearly",
        "http1.body_disallowed",
    );
}

#[test]
fn case_41_only_101_answers_an_upgrade() {
    let sent = RequestSent {
        upgrade: true,
        ..RequestSent::default()
    };
    let framing = |status: &str, protocol: &str| {
        let input = format!(
            "HTTP/1.1 {status}\r\nupgrade: {protocol}\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n"
        );
        match &receive(&Http1Settings::default(), sent, input.as_bytes())[0] {
            Event::Response(head, _) => head.framing,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        framing("101 Switching Protocols", "websocket"),
        BodyFraming::Tunnel
    );
    assert_eq!(framing("101 Switching Protocols", "h2c"), BodyFraming::None);
    assert_eq!(framing("200 OK", "websocket"), BodyFraming::None);
}

#[test]
fn case_44_an_upgrade_to_h2c_is_ignored() {
    assert_eq!(
        forwarded(format!(
            "{GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        )),
        "GET / HTTP/1.1|host: a||"
    );
}

#[test]
fn case_45_and_46_nothing_after_a_malformed_request_is_served() {
    let good = format!("{GET}\r\n");
    let input = [
        good.repeat(100),
        "GET / HTTP/9x\r\n\r\n".to_owned(),
        good.repeat(99),
    ]
    .concat();
    assert_eq!(requests(&input), 100);
    assert_eq!(refused_with(&input), Some("http1.codec_error"));
}

#[test]
fn case_47_the_authority_of_the_target_wins() {
    for (target, forwarded_as) in [
        ("http://b/", "GET / HTTP/1.1|host: b||"),
        ("http://u:p@b/", "GET / HTTP/1.1|host: b||"),
        ("HTTP://b", "GET / HTTP/1.1|host: b||"),
    ] {
        assert_eq!(
            forwarded(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")),
            forwarded_as
        );
    }
    assert_refused(
        "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "http1.invalid_scheme",
    );
    let edge = Http1Settings {
        validate_scheme: true,
        ..Http1Settings::default()
    };
    let in_plain_text = refusal(&edge, b"GET HTTPS://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(in_plain_text, Some(Error::HttpsInPlainText));
    let events = serve(
        &Http1Settings::default(),
        b"CONNECT a:80 HTTP/1.1\r\nHost: other\r\n\r\n",
    );
    assert!(matches!(&events[0], Event::Head(_, headers)
        if headers.get(Known::Authority) == Some(b"a:80")));
}

#[test]
fn case_48_two_hosts_are_one_authority_and_odd_ones_are_refused() {
    assert_eq!(
        forwarded("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        "GET / HTTP/1.1|host: a,b||"
    );
    for host in [
        "a b", "a/b", "a?b", "a#b", "\"a\"", "\u{80}", "a\\b", "http://a",
    ] {
        assert_refused(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "http.invalid_authority",
        );
    }
    assert_eq!(
        requests("GET / HTTP/1.1\r\nX: y\r\n\r\n"),
        1,
        "for the connection manager"
    );
    assert_eq!(
        requests(format!(
            "GET / HTTP/1.1\r\nHost: {}\r\n\r\n",
            "h".repeat(300)
        )),
        1
    );
}

#[test]
fn case_49_a_target_fits_its_method() {
    for line in [
        "GET *",
        "CONNECT /",
        "CONNECT host",
        "CONNECT *",
        "CONNECT a:99999",
    ] {
        assert_refused(
            format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"),
            "http1.invalid_url",
        );
    }
    assert_refused("GET foo HTTP/1.1\r\nHost: a\r\n\r\n", "http1.codec_error");
    assert_eq!(requests("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 1);
}

#[test]
fn case_50_ambiguous_responses_are_refused() {
    let head = "HTTP/1.1 200 OK\r\n";
    for input in [
        format!(
            "{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        format!("{head}content-length: +5\r\n\r\nhello"),
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let passed = pass_back(&Http1Settings::default(), false, input.as_bytes(), true);
        assert_eq!(passed, None, "{input:?}");
    }
}

#[test]
fn case_50_bodiless_responses_stay_bodiless() {
    for (head_request, input) in [
        (true, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        (
            false,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello",
        ),
    ] {
        let passed = pass_back(
            &Http1Settings::default(),
            head_request,
            input.as_bytes(),
            false,
        );
        let (bytes, refused, left) = passed.expect("a head");
        assert!(bytes.ends_with(b"content-length: 5\r\n\r\n"));
        assert_eq!((refused, left), (None, 5));
    }
    assert!(
        pass_back(
            &Http1Settings::default(),
            false,
            b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
            false
        )
        .is_some()
    );
}

#[test]
fn case_50_interim_responses_are_told_apart_from_the_final_one() {
    let input = format!(
        "{}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n".repeat(1000)
    );
    let events = receive(
        &Http1Settings::default(),
        RequestSent::default(),
        input.as_bytes(),
    );
    let interim = events
        .iter()
        .filter(|event| matches!(event, Event::Response(head, _) if head.is_informational()));
    assert_eq!(interim.count(), 1000);
    assert_eq!(events.last(), Some(&Event::End));
}

#[test]
fn case_52_odd_and_oversized_response_headers_are_refused() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n";
    for input in [
        format!("{head}x: a\0b\r\n\r\n"),
        format!("{head}x: a\nb\r\n\r\n"),
        format!("{head}{}\r\n", "x: 1\r\n".repeat(200)),
        format!("{head}x: {}\r\n\r\n", "v".repeat(1 << 20)),
    ] {
        let passed = pass_back(&Http1Settings::default(), false, input.as_bytes(), false);
        assert_eq!(passed, None);
    }
    let (bytes, ..) = pass_back(
        &Http1Settings::default(),
        false,
        format!("{head}x: a\rb\r\n\r\n").as_bytes(),
        false,
    )
    .expect("a head");
    assert!(bytes.ends_with(b"x: ab\r\n\r\n"), "a lone CR is taken out");
}
