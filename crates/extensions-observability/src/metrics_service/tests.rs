//! What is told of stats, message by message.

use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};

use nuncio_contract::stat_sink::{Reading, StatSink, Told};
use nuncio_service_messages::Message;
use nuncio_service_messages::metrics::{MetricFamily, StreamMetrics};

use crate::tests::{histogram_of_two_flushes, reporting_sink};

const SERVICE: &str = "grpc_service: {envoy_grpc: {cluster_name: a}}";

fn open(fields: &str) -> (Box<dyn StatSink>, Receiver<Vec<u8>>) {
    let fields = format!("{SERVICE}, {fields}");
    reporting_sink(super::ROOM.message, &fields)
}

fn flush(sink: &mut dyn StatSink) {
    sink.begin_flush(SystemTime::UNIX_EPOCH + Duration::from_millis(1234));
    let counter = Reading::Counter { more: 2, total: 7 };
    sink.tell(&Told::plain("cluster.a.upstream_rq_200", &counter));
    sink.tell(&Told::plain("server.live", &Reading::Gauge(1)));
    let histogram = histogram_of_two_flushes();
    sink.tell(&Told::plain("cluster.a.upstream_rq_time", &histogram));
    sink.end_flush();
}

fn messages(received: &Receiver<Vec<u8>>) -> Vec<Vec<MetricFamily>> {
    let messages = received.try_iter();
    messages
        .map(|message| StreamMetrics::decode(&*message).unwrap().envoy_metrics)
        .collect()
}

fn name(family: &MetricFamily) -> &str {
    family.name.as_deref().unwrap_or_default()
}

#[test]
fn a_flush_is_one_message_with_sums_gauges_and_both_forms_of_histograms() {
    let (mut sink, received) = open("");
    flush(&mut *sink);
    let [message] = messages(&received).try_into().expect("one message");
    let kinds: Vec<_> = message.iter().map(|family| family.kind).collect();
    assert_eq!(kinds, [Some(0), Some(1), Some(2), Some(4)]);
    let [counter, gauge, summary, histogram] = &message[..] else {
        panic!("four families")
    };
    assert_eq!(name(counter), "cluster.a.upstream_rq_200");
    let metric = &counter.metric[0];
    assert_eq!(metric.timestamp_ms, Some(1234));
    assert_eq!(metric.counter.as_ref().unwrap().value, Some(7.0));
    let gauge = gauge.metric[0].gauge.as_ref().unwrap();
    assert_eq!(gauge.value, Some(1.0));
    let summary = summary.metric[0].summary.as_ref().unwrap();
    assert_eq!(summary.sample_count, Some(1), "of the last interval alone");
    assert_eq!(summary.quantile.len(), 10);
    let histogram = histogram.metric[0].histogram.as_ref().unwrap();
    let counts = histogram
        .bucket
        .iter()
        .map(|bucket| bucket.cumulative_count);
    assert_eq!(
        counts.take(5).flatten().collect::<Vec<_>>(),
        [0, 0, 0, 1, 1]
    );
}

#[test]
fn labels_are_the_tags_and_deltas_what_came() {
    let options =
        "report_counters_as_deltas: true, emit_tags_as_labels: true, histogram_emit_mode: SUMMARY";
    let (mut sink, received) = open(options);
    flush(&mut *sink);
    let [message] = messages(&received).try_into().expect("one message");
    assert_eq!(message.len(), 3);
    assert_eq!(name(&message[0]), "cluster.upstream_rq");
    let metric = &message[0].metric[0];
    assert_eq!(metric.counter.as_ref().unwrap().value, Some(2.0));
    let labels: Vec<_> = metric
        .label
        .iter()
        .map(|label| (label.name.as_deref(), label.value.as_deref()))
        .collect();
    let expected = [
        (Some("envoy.response_code"), Some("200")),
        (Some("envoy.cluster_name"), Some("a")),
    ];
    assert_eq!(labels, expected);
}

#[test]
fn batches_are_no_longer_than_wanted_and_nothing_is_no_message() {
    let (mut sink, received) = open("batch_size: 2, histogram_emit_mode: HISTOGRAM");
    flush(&mut *sink);
    let lengths: Vec<_> = messages(&received).iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1]);
    sink.end_flush();
    assert_eq!(messages(&received).len(), 0);
}

#[test]
fn stats_of_single_hosts_are_not_told() {
    let store = nuncio_contract::stats::StatsStore::default();
    let scope = store.scope("cluster.a");
    let scope = scope.tagged_scope(
        "endpoint.",
        "h.",
        vec![("envoy.endpoint_address", "h".into())],
    );
    let scope = scope.expect("the store is there");
    let own = scope.own_tags().map(|own| (scope.prefix().len(), own));
    assert!(own.is_some());
    let (mut sink, received) = open("");
    let reading = Reading::Gauge(1);
    sink.tell(&Told {
        name: "cluster.a.endpoint.h.rq_active",
        reading: &reading,
        own_tags: own,
    });
    sink.end_flush();
    assert_eq!(messages(&received).len(), 0);
}
