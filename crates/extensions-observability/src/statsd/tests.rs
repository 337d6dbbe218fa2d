//! What arrives at a collector, over real sockets.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use nuncio_contract::stat_sink::{ByteSink, Reading, SinkServices, StatSink, Told};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{HistogramBuckets, Sample, Unit};

use super::line::{Lines, Tags};
use super::sink::{Datagrams, Stream};
use super::udp::{Collector, Datagram};

const LIMIT: Duration = Duration::from_secs(20);

fn collector() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> String {
    let mut bytes = [0; 2000];
    let count = socket.recv(&mut bytes).expect("a datagram in time");
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

fn sink(at: &UdpSocket, tags: Option<Tags>, max_bytes: usize) -> Datagrams {
    let socket = Datagram::open(&Collector::Ip(at.local_addr().unwrap())).unwrap();
    let tags = tags.map(|tags| (tags, TagExtractor::default()));
    Datagrams::new(Lines::new("p", tags), socket, max_bytes)
}

fn counter(more: u64) -> Reading {
    Reading::Counter { more, total: 9 }
}

fn sample(unit: Unit, value: u64) -> Sample {
    let name = "cluster.a.upstream_rq_time".into();
    Sample { name, unit, value }
}

#[test]
fn each_stat_is_a_datagram_of_its_own_unless_more_fit() {
    let at = collector();
    let mut sink = sink(&at, None, 0);
    sink.tell(&Told::plain("a.b", &counter(3)));
    sink.tell(&Told::plain("c", &Reading::Gauge(0)));
    sink.end_flush();
    sink.tell_sample(&sample(Unit::Milliseconds, 12));
    let all = ["p.a.b:3|c", "p.c:0|g", "p.cluster.a.upstream_rq_time:12|ms"];
    assert_eq!(all.map(|_| receive(&at)), all);
}

#[test]
fn microseconds_are_told_as_milliseconds_where_that_is_wanted() {
    let mut lines = Lines::new("p", None);
    let value = |lines: &Lines, unit| lines.sample(&sample(unit, 1_234_567));
    let name = "p.cluster.a.upstream_rq_time";
    assert_eq!(
        value(&lines, Unit::Microseconds),
        format!("{name}:1234567|ms")
    );
    lines.scales_units = true;
    assert_eq!(
        value(&lines, Unit::Microseconds),
        format!("{name}:1234.567|ms")
    );
    assert_eq!(
        value(&lines, Unit::Milliseconds),
        format!("{name}:1234567|ms")
    );
}

#[test]
fn datagrams_are_filled_up_to_the_limit_and_a_longer_line_goes_alone() {
    let at = collector();
    let mut sink = sink(&at, None, 16);
    for name in ["a", "b", "c", "much.too.long.for.it", "d"] {
        sink.tell(&Told::plain(name, &counter(1)));
    }
    sink.end_flush();
    sink.end_flush();
    sink.tell_sample(&sample(Unit::Percent, 123_456));
    let all = [
        "p.a:1|c\np.b:1|c",
        "p.much.too.long.for.it:1|c",
        "p.c:1|c\np.d:1|c",
        "p.cluster.a.upstream_rq_time:0.123456|h",
    ];
    assert_eq!(all.map(|_| receive(&at)), all);
}

#[test]
fn tags_stand_where_the_collector_looks_for_them() {
    let name = "cluster.a.upstream_rq_200";
    for (tags, line) in [
        (
            Tags::AfterValue,
            "p.cluster.upstream_rq:1|c|#envoy.response_code:200,envoy.cluster_name:a",
        ),
        (
            Tags::AfterName,
            "p.cluster.upstream_rq;envoy.response_code=200;envoy.cluster_name=a:1|c",
        ),
    ] {
        let at = collector();
        let mut sink = sink(&at, Some(tags), 0);
        sink.tell(&Told::plain(name, &counter(1)));
        sink.tell(&Told::plain("server.live", &Reading::Gauge(1)));
        assert_eq!(receive(&at), line);
        assert_eq!(receive(&at), "p.server.live:1|g");
    }
}

#[test]
fn a_unix_socket_may_appear_later() {
    let path = std::env::temp_dir().join(format!("statsd-{}.sock", std::process::id()));
    let socket = Datagram::open(&Collector::Path(path.clone())).unwrap();
    socket.send(b"lost");
    let at = UnixDatagram::bind(&path).unwrap();
    at.set_read_timeout(Some(LIMIT)).unwrap();
    socket.send(b"kept");
    let mut bytes = [0; 10];
    let count = at.recv(&mut bytes);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(&bytes[..count.unwrap()], b"kept");
}

struct Bytes(Sender<Vec<u8>>);

impl ByteSink for Bytes {
    fn send(&mut self, bytes: Vec<u8>) {
        self.0.send(bytes).unwrap();
    }
}

#[test]
fn a_stream_gets_a_flush_at_once_and_each_value_by_itself() {
    let (sender, received) = channel();
    let mut sink = Stream::new(Lines::new("envoy", None), Box::new(Bytes(sender)));
    sink.tell(&Told::plain("a", &counter(1)));
    sink.tell(&Told::plain("b", &Reading::Gauge(2)));
    sink.end_flush();
    sink.end_flush();
    sink.tell_sample(&sample(Unit::Bytes, 7));
    let all: Vec<_> = received.try_iter().map(String::from_utf8).collect();
    let expected = [
        "envoy.a:1|c\nenvoy.b:2|g\n",
        "envoy.cluster.a.upstream_rq_time:7|ms\n",
    ];
    assert_eq!(all, expected.map(|text| Ok(text.to_owned())));
}

#[test]
fn all_options_of_the_messages_are_read() {
    let open = |message: &str, fields: &str| {
        let config = crate::tests::stat_sink(message, fields).expect("a sink");
        let tags = TagExtractor::default();
        let (sender, received) = channel::<Vec<u8>>();
        let bytes_to = |_: &str| Box::new(Bytes(sender.clone())) as Box<dyn ByteSink>;
        let services = SinkServices {
            tags: &tags,
            buckets: &HistogramBuckets::default(),
            local_node: std::sync::Arc::default(),
            bytes_to: &bytes_to,
            reports_to: &|_| unreachable!("lines are no reports"),
        };
        let cluster = config.cluster().map(|cluster| cluster.name.to_owned());
        let sink: Box<dyn StatSink> = config.open(&services).expect("open");
        (sink, cluster, received)
    };
    let at = collector();
    let port = at.local_addr().unwrap().port();
    let address =
        format!("address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    for (room, extra, line) in [
        (&super::STATSD_ROOM, "", "envoy.cluster.a.x:1|c"),
        (
            &super::DOG_STATSD_ROOM,
            "prefix: dog, max_bytes_per_datagram: 512",
            "dog.cluster.x:1|c|#envoy.cluster_name:a",
        ),
        (
            &super::GRAPHITE_STATSD_ROOM,
            "max_bytes_per_datagram: 1",
            "envoy.cluster.x;envoy.cluster_name=a:1|c",
        ),
    ] {
        let fields = format!("{address}, {extra}");
        let (mut sink, cluster, _) = open(room.message, &fields);
        sink.tell(&Told::plain("cluster.a.x", &counter(1)));
        sink.end_flush();
        assert_eq!((receive(&at).as_str(), cluster), (line, None));
    }
    let fields = "tcp_cluster_name: there, prefix: t";
    let (mut sink, cluster, received) = open(super::STATSD_ROOM.message, fields);
    sink.tell(&Told::plain("a", &counter(1)));
    sink.end_flush();
    assert_eq!(received.try_recv(), Ok(b"t.a:1|c\n".to_vec()));
    assert_eq!(cluster.as_deref(), Some("there"));
}

#[test]
fn a_name_is_no_address() {
    let fields = "address: {socket_address: {address: localhost, port_value: 1}}";
    let refused = crate::tests::stat_sink(super::STATSD_ROOM.message, fields).err();
    assert_eq!(refused.as_deref(), Some("malformed IP address: localhost"));
}
