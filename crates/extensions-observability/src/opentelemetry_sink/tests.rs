//! What is told of stats, report by report.

use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};

use nuncio_contract::stat_sink::{Reading, StatSink, Told};
use nuncio_service_messages::Message;
use nuncio_service_messages::otlp::{KeyValue, Value};
use nuncio_service_messages::otlp_metrics::{Data, ExportMetrics, Metric};

use crate::tests::{histogram_of_two_flushes, reporting_sink, stat_sink};

const SERVICE: &str = "grpc_service: {envoy_grpc: {cluster_name: a}}";
const INPUT: &str = "{name: i, typed_config: {'@type': type.googleapis.com/envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput}}";

fn open(fields: &str) -> (Box<dyn StatSink>, Receiver<Vec<u8>>) {
    let fields = format!("{SERVICE}, {fields}");
    reporting_sink(super::ROOM.message, &fields)
}

fn counter(more: u64) -> Reading {
    Reading::Counter { more, total: 7 }
}

fn flush(sink: &mut dyn StatSink, second: u64, stats: &[(&str, &Reading)]) {
    sink.begin_flush(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    for (name, reading) in stats {
        sink.tell(&Told::plain(name, reading));
    }
    sink.end_flush();
}

fn reports(received: &Receiver<Vec<u8>>) -> Vec<Vec<Metric>> {
    let reports = received.try_iter().map(|report| {
        let mut report = ExportMetrics::decode(&*report).unwrap();
        let mut resource = report.resource_metrics.remove(0);
        assert_eq!(resource.resource.unwrap().attributes.len(), 3);
        resource.scope_metrics.remove(0).metrics
    });
    reports.collect()
}

fn numbers(metric: &Metric) -> Vec<i64> {
    let points = match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        Data::Histogram(_) => panic!("numbers"),
    };
    points.iter().filter_map(|point| point.as_int).collect()
}

fn text(attribute: &KeyValue) -> (&str, &str) {
    match &attribute.value.as_ref().unwrap().value {
        Some(Value::String(text)) => (&attribute.key, text),
        _ => panic!("a text"),
    }
}

#[test]
fn sums_are_of_all_time_with_tags_as_attributes() {
    let (mut sink, received) = open("prefix: p");
    let histogram = histogram_of_two_flushes();
    let stats = [
        ("cluster.a.upstream_rq_200", &counter(0)),
        ("cluster.a.upstream_rq_time", &histogram),
    ];
    flush(&mut *sink, 5, &stats);
    let [report] = reports(&received).try_into().expect("one report");
    assert_eq!(report[0].name, "p.cluster.upstream_rq");
    let Some(Data::Sum(sum)) = &report[0].data else {
        panic!("a sum")
    };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    let point = &sum.data_points[0];
    assert_eq!(
        (point.as_int, point.time_unix_nano),
        (Some(7), 5_000_000_000)
    );
    let attributes: Vec<_> = point.attributes.iter().map(text).collect();
    assert_eq!(
        attributes,
        [("envoy.response_code", "200"), ("envoy.cluster_name", "a")]
    );
    let Some(Data::Histogram(histogram)) = &report[1].data else {
        panic!("a histogram")
    };
    let point = &histogram.data_points[0];
    assert_eq!(
        (point.count, point.bucket_counts.len()),
        (2, point.explicit_bounds.len() + 1)
    );
    assert_eq!(point.bucket_counts[..5], [0, 0, 1, 1, 0]);
}

#[test]
fn deltas_begin_with_the_flush_before_and_what_nothing_came_to_is_left_out() {
    let options = "report_counters_as_deltas: true, report_histograms_as_deltas: true, \
         use_tag_extracted_name: false, emit_tags_as_attributes: false";
    let (mut sink, received) = open(options);
    flush(&mut *sink, 5, &[("cluster.a.x", &counter(0))]);
    assert_eq!(reports(&received).len(), 0);
    let histogram = histogram_of_two_flushes();
    let stats = [("cluster.a.x", &counter(3)), ("cluster.a.y", &histogram)];
    flush(&mut *sink, 8, &stats);
    let [report] = reports(&received).try_into().expect("one report");
    assert_eq!(report[0].name, "cluster.a.x");
    let Some(Data::Sum(sum)) = &report[0].data else {
        panic!("a sum")
    };
    let point = &sum.data_points[0];
    assert_eq!(sum.aggregation_temporality, 1);
    assert_eq!(
        (point.as_int, point.start_time_unix_nano),
        (Some(3), 5_000_000_000)
    );
    assert_eq!(point.attributes, []);
    let Some(Data::Histogram(histogram)) = &report[1].data else {
        panic!("a histogram")
    };
    assert_eq!(histogram.data_points[0].count, 1);
}

#[test]
fn a_report_has_no_more_points_than_wanted() {
    let (mut sink, received) = open("max_data_points_per_request: 2");
    let gauge = Reading::Gauge(1);
    flush(
        &mut *sink,
        1,
        &[("a", &gauge), ("b", &gauge), ("c", &gauge)],
    );
    let lengths: Vec<_> = reports(&received).iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1]);
}

fn converting(max: &str) -> String {
    let action = |fields: &str| {
        format!(
            "{{name: c, typed_config: {{'@type': type.googleapis.com/{}.{fields}}}}}",
            super::ROOM.message
        )
    };
    let on = |value: &str, action: String| {
        format!(
            "{{predicate: {{single_predicate: {{input: {INPUT}, value_match: {value}}}}}, on_match: {{action: {action}}}}}"
        )
    };
    let members = action(
        "ConversionAction, metric_name: m, static_metric_labels: [{key: k, value: {string_value: v}}]",
    );
    let matchers = [
        on("{contains: upstream_rq_}", members),
        on("{exact: gone}", action("DropAction")),
    ];
    format!(
        "custom_metric_conversions: {{matcher_list: {{matchers: [{}]}}}}{max}",
        matchers.join(", ")
    )
}

#[test]
fn stats_of_one_name_and_equal_attributes_are_summed() {
    let (mut sink, received) = open(&converting(""));
    let stats = [
        ("cluster.a.upstream_rq_200", &counter(0)),
        ("cluster.a.upstream_rq_total", &counter(0)),
        ("cluster.a.upstream_rq_retry", &counter(0)),
        ("gone", &counter(0)),
        ("kept", &counter(0)),
    ];
    flush(&mut *sink, 1, &stats);
    let [report] = reports(&received).try_into().expect("one report");
    let told: Vec<_> = report
        .iter()
        .map(|metric| (metric.name.as_str(), numbers(metric)))
        .collect();
    assert_eq!(told, [("kept", vec![7]), ("m", vec![14, 7])]);
}

#[test]
fn points_of_one_metric_may_go_in_several_reports() {
    let (mut sink, received) = open(&converting(", max_data_points_per_request: 1"));
    let stats = [
        ("cluster.a.upstream_rq_200", &counter(0)),
        ("cluster.a.upstream_rq_total", &counter(0)),
    ];
    flush(&mut *sink, 1, &stats);
    let names: Vec<_> = reports(&received)
        .iter()
        .map(|report| (report.len(), report[0].name.clone(), numbers(&report[0])))
        .collect();
    let m = || "m".to_owned();
    assert_eq!(names, [(1, m(), vec![7]), (1, m(), vec![7])]);
}

#[test]
fn a_tree_may_ask_of_stats_alone() {
    let header = "{name: h, typed_config: {'@type': type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput, header_name: a}}";
    let fields = format!("{SERVICE}, {}", converting("").replace(INPUT, header));
    let refused = stat_sink(super::ROOM.message, &fields).err();
    let expected = "Didn't find a registered implementation for 'h' with type URL: 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput'";
    assert_eq!(
        refused.as_deref().map(|text| text.split("; ").next()),
        Some(Some(expected))
    );
}
