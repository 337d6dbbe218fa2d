//! What Envoy 1.40 writes of the same connection, with other times, ids and ports.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_contract::stream_info::Address;
use nuncio_contract::tap::Format;

use super::trace::{Direction, Output, Trace};
use super::{Ends, TapSettings, TapStats};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nhe\xc3\xa9\x01";

fn settings(format: Format, is_streaming: bool) -> TapSettings {
    TapSettings {
        matches: true,
        format,
        path_prefix: "".into(),
        max_received_bytes: 1024,
        max_sent_bytes: 1024,
        is_streaming,
        least_streamed_bytes: None,
        tells_ends_each_time: false,
        sampling: None,
        stats_prefix: "".into(),
        scope: std::sync::OnceLock::new(),
    }
}

struct Tapped {
    trace: Trace,
    written: Rc<RefCell<Vec<u8>>>,
    stats: Arc<TapStats>,
}

impl Tapped {
    fn new(settings: TapSettings, is_upstream: bool) -> Self {
        let address = |text: &str| Some(Address::Ip(text.parse().unwrap()));
        let ends = Ends {
            local: address("127.0.0.1:18782"),
            remote: address("127.0.0.1:34312"),
            is_upstream,
        };
        let (stats, written) = (Arc::<TapStats>::default(), Rc::default());
        let mut trace = Trace::new(Arc::new(settings), Arc::clone(&stats), 1, ends);
        trace.output = Output::Memory(Rc::clone(&written));
        trace.tell_connection();
        Self {
            trace,
            written,
            stats,
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.trace.passed(Direction::Read, bytes, at(933_672));
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.trace.passed(Direction::Write, bytes, at(940_000));
    }

    /// All that was written, once the connection has ended.
    fn end(mut self) -> (Vec<u8>, [u64; 2]) {
        self.trace.closed(at(0));
        let submits = [&self.stats.buffered_submit, &self.stats.streamed_submit];
        (self.written.take(), submits.map(|it| it.value()))
    }

    fn text(self) -> String {
        String::from_utf8(self.end().0).unwrap()
    }
}

/// 2026-11-27T19:43:39 and so many microseconds.
fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_808_619) + Duration::from_micros(micros)
}

/// Without white space, to compare structure.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

const END: &str = r#""resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}}"#;

#[test]
fn a_buffered_trace_in_json() {
    let mut tapped = Tapped::new(settings(Format::JsonBytes, false), false);
    tapped.read(b"GET /");
    tapped.wrote(ANSWER);
    let (written, submits) = tapped.end();
    let written = String::from_utf8(written).unwrap();
    assert_eq!(submits, [1, 0]);
    let begin = "{\n \"socket_buffered_trace\": {\n  \"trace_id\": \"1\",\n  \"connection\": {\n   \"local_address\": {\n    \
                 \"socket_address\": {\n     \"protocol\": \"TCP\",\n     \"address\": \"127.0.0.1\",\n     \"port_value\": 18782,\n";
    assert!(written.starts_with(begin), "{written}");
    let end = "    \"seq_num\": \"0\"\n   }\n  ],\n  \"read_truncated\": false,\n  \"write_truncated\": false\n }\n}\n";
    assert!(written.ends_with(end), "{written}");
    let address = |port: u16| {
        format!(
            r#"{{"socket_address":{{"protocol":"TCP","address":"127.0.0.1","port_value":{port},{END}"#
        )
    };
    let whole = [
        r#"{"socket_buffered_trace":{"trace_id":"1","connection":{"local_address":"#,
        &address(18782),
        r#","remote_address":"#,
        &address(34312),
        r#"},"events":[{"timestamp":"2026-11-27T19:43:39.933672Z","read":{"data":{"as_bytes":"R0VUIC8=","truncated":false}},"#,
        r#""seq_num":"0"},{"timestamp":"2026-11-27T19:43:39.940Z","write":{"data":{"as_bytes":"#,
        r#""SFRUUC8xLjEgMjAwIE9LDQoNCmhlw6kB","truncated":false},"end_stream":false},"seq_num":"0"}],"#,
        r#""read_truncated":false,"write_truncated":false}}"#,
    ];
    assert_eq!(dense(&written), whole.concat());
}

#[test]
fn bodies_as_strings_are_readable() {
    let mut tapped = Tapped::new(settings(Format::JsonString, false), false);
    tapped.read(b"\"<>&\x7f\\\x00\xff\xfe/\xe2\x80\xa8\n");
    tapped.wrote(ANSWER);
    let text = tapped.text();
    let shown: Vec<_> = text.lines().filter(|it| it.contains("as_string")).collect();
    let expected = [
        r#"      "as_string": "\"\u003c\u003e&\u007f\\\u0000  /\u2028\n","#,
        "      \"as_string\": \"HTTP/1.1 200 OK\\r\\n\\r\\nheé\\u0001\",",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn nothing_happens_and_it_is_told() {
    let text = Tapped::new(settings(Format::JsonBytes, false), false).text();
    assert!(text.contains("  \"events\": [],\n"), "{text}");
}

#[test]
fn a_buffered_trace_as_text_keeps_what_fits() {
    let mut limited = settings(Format::Text, false);
    limited.max_received_bytes = 10;
    limited.max_sent_bytes = 0;
    let mut tapped = Tapped::new(limited, false);
    tapped.read(b"\"'\\\t\xff\x0b7");
    tapped.wrote(ANSWER);
    tapped.wrote(ANSWER);
    tapped.read(b"12345");
    tapped.read(b"6");
    let expected = "socket_buffered_trace {
  trace_id: 1
  connection {
    local_address {
      socket_address {
        address: \"127.0.0.1\"
        port_value: 18782
      }
    }
    remote_address {
      socket_address {
        address: \"127.0.0.1\"
        port_value: 34312
      }
    }
  }
  events {
    timestamp {
      seconds: 1795808619
      nanos: 933672000
    }
    read {
      data {
        as_bytes: \"\\\"\\'\\\\\\t\\377\\0137\"
      }
    }
  }
  events {
    timestamp {
      seconds: 1795808619
      nanos: 940000000
    }
    write {
      data {
        as_bytes: \"\"
        truncated: true
      }
    }
  }
  events {
    timestamp {
      seconds: 1795808619
      nanos: 933672000
    }
    read {
      data {
        as_bytes: \"123\"
        truncated: true
      }
    }
  }
  read_truncated: true
  write_truncated: true
}
";
    assert_eq!(tapped.text(), expected);
}

#[test]
fn a_streamed_trace_in_the_binary_format() {
    let request: &[u8] = b"POST /a HTTP/1.1\r\nHost: 127.0.0.1:18782\r\nAccept: */*\r\nuser-agent: x\r\nContent-Length: 2\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nab";
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe\xc3\xa9\x01";
    let mut tapped = Tapped::new(settings(Format::Delimited, true), false);
    let second = 5_000_000;
    let trace = &mut tapped.trace;
    trace.passed(Direction::Read, request, at(second + 22_097));
    trace.passed(Direction::Write, answer, at(second + 23_782));
    trace.closed(at(second + 24_069));
    let expected: [&[u8]; 6] = [
        b"\x2c\x22\x2a\x08\x01\x12\x26\x0a\x11\x0a\x0f\x12\x09127.0.0.1\x18\xde\x92\x01\x12\x11\x0a\x0f\x12\x09127.0.0.1\x18\x88\x8c\x02",
        b"\xad\x01\x22\xaa\x01\x08\x01\x1a\xa5\x01\x0a\x0b\x08\xf0\xba\xa7\xd8\x06\x10\xe8\xd8\xc4\x0a\x12\x93\x01\x0a\x90\x01\x0a\x8d\x01",
        request,
        b"\x30\x01\x47\x22\x45\x08\x01\x1a\x41\x0a\x0b\x08\xf0\xba\xa7\xd8\x06\x10\xf0\xc4\xab\x0b\x1a\x2f\x0a\x2d\x0a\x2b",
        answer,
        b"\x30\x8e\x01\x18\x22\x16\x08\x01\x1a\x12\x0a\x0b\x08\xf0\xba\xa7\xd8\x06\x10\x88\x87\xbd\x0b\x22\x00\x30\xba\x01",
    ];
    assert_eq!(tapped.written.take(), expected.concat());
}

#[test]
fn segments_are_told_as_they_come() {
    let mut tapped = Tapped::new(settings(Format::Text, true), true);
    tapped.wrote(b"abc");
    tapped.read(b"defgh");
    let (written, submits) = tapped.end();
    assert_eq!(submits, [0, 4]);
    let segment = |piece: &str| format!("socket_streamed_trace_segment{{trace_id:1{piece}}}");
    let time = |nanos: &str| format!("timestamp{{seconds:1795808619{nanos}}}");
    let expected = [
        // Where from is not known yet.
        segment(
            r#"connection{remote_address{socket_address{address:"127.0.0.1"port_value:34312}}}"#,
        ),
        segment(&format!(
            r#"event{{{}write{{data{{as_bytes:"abc"}}}}seq_num:1}}"#,
            time("nanos:940000000")
        )),
        segment(&format!(
            r#"event{{{}read{{data{{as_bytes:"defgh"}}}}seq_num:4}}"#,
            time("nanos:933672000")
        )),
        segment(&format!("event{{{}closed{{}}seq_num:10}}", time(""))),
    ];
    assert_eq!(
        dense(&String::from_utf8(written).unwrap()),
        expected.concat()
    );
}

#[test]
fn segments_wait_for_bytes_and_may_tell_the_ends_each_time() {
    let mut waiting = settings(Format::Text, true);
    waiting.least_streamed_bytes = Some(9);
    waiting.max_received_bytes = 1;
    let mut tapped = Tapped::new(waiting, false);
    tapped.read(b"12345678");
    assert_eq!(tapped.stats.streamed_submit.value(), 1);
    tapped.wrote(b"9");
    assert_eq!(tapped.stats.streamed_submit.value(), 2);
    let text = dense(&tapped.text());
    let parts: Vec<_> = text.split("socket_streamed_trace_segment").collect();
    assert!(
        parts[2].starts_with("{trace_id:1events{events{timestamp"),
        "{text}"
    );
    assert!(
        parts[2].contains(r#"as_bytes:"12345678"}}seq_num:1}events{"#),
        "{text}"
    );
    assert!(parts[3].ends_with("closed{}seq_num:11}}}"), "{text}");

    let mut telling = settings(Format::Text, true);
    telling.tells_ends_each_time = true;
    let mut tapped = Tapped::new(telling, true);
    tapped.read(b"1");
    let text = tapped.text();
    assert_eq!(text.matches("local_address").count(), 2);
    assert_eq!(text.matches("remote_address").count(), 3);
}
