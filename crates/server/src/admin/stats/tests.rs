//! What `/stats` and `/stats/prometheus` answer, compared with what Envoy 1.40 answered.
//!
//! `envoy_names.txt` and `envoy_prometheus.txt` were taken from one Envoy: two workers, one listener with a
//! connection manager (a route with a `stat_prefix`, a virtual cluster), a STATIC and a STRICT_DNS cluster,
//! after nine requests. Values are cut off, and of a histogram the lines of buckets and sum.

use nuncio_contract::stats::groups::*;
use nuncio_contract::stats::{Scope, Unit};

use crate::admin::testing::TestServer;
use crate::admin::{AdminRequest, handle};

const ENVOY_NAMES: &str = include_str!("envoy_names.txt");
const ENVOY_PROMETHEUS: &str = include_str!("envoy_prometheus.txt");

/// A server that lists what that Envoy's configuration calls for.
fn configured() -> TestServer {
    let mut server = TestServer::default();
    let store = server.stats.clone();
    server.scopes = register_process(&store, 2);
    store.root().register::<DnsResolverStats>();
    server.scopes.extend(register_admin(&store));
    server
        .scopes
        .extend(register_listener_workers(&store, "127.0.0.1:28100", 2));
    let mut register = |prefix: &str, register: &dyn Fn(&Scope)| {
        let scope = store.scope(prefix);
        register(&scope);
        server.scopes.push(scope);
    };
    register("cluster.service_static", &register_cluster);
    register("cluster.service_dns", &register_cluster);
    register("http.ingress_http", &register_http_connection_manager);
    register("listener.127.0.0.1:28100", &register_listener);
    register("listener.127.0.0.1:28100.http.ingress_http", &|scope| {
        scope.register::<ListenerHttpStats>();
    });
    for route in ["route.rootroute", "vcluster.vc1", "vcluster.other"] {
        register(&format!("vhost.local_service.{route}"), &|scope| {
            scope.register::<VirtualHostRequestStats>();
        });
    }
    server
}

/// The same, with what the nine requests made appear.
fn after_traffic() -> TestServer {
    let server = configured();
    let listed = names(&server.body("/stats"));
    let appeared = ENVOY_NAMES
        .lines()
        .filter(|name| !listed.iter().any(|listed| listed == name));
    for name in appeared {
        let scope = server
            .scopes
            .iter()
            .filter(|scope| name.starts_with(scope.prefix()));
        let scope = scope
            .max_by_key(|scope| scope.prefix().len())
            .expect("the root scope is one");
        let leaf = &name[scope.prefix().len()..];
        if leaf.ends_with("upstream_rq_time") {
            scope.histogram(leaf, Unit::Milliseconds);
        } else {
            scope.counter(leaf);
        }
    }
    server
}

fn names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
        .collect()
}

#[test]
fn stats_are_listed_in_the_order_that_envoy_lists_them() {
    let envoy: Vec<&str> = ENVOY_NAMES.lines().collect();
    assert_eq!(names(&after_traffic().body("/stats")), envoy);
}

#[test]
fn prometheus_families_labels_and_order_are_those_of_envoy() {
    let exposition = after_traffic().body("/stats/prometheus");
    let lines = exposition
        .lines()
        .filter(|line| !line.contains("_bucket{") && !line.contains("_sum{"));
    let lines = lines.map(|line| match line.strip_prefix('#') {
        Some(_) => line,
        None => line.rsplit_once(' ').map_or(line, |parts| parts.0),
    });
    let (ours, envoy): (Vec<&str>, Vec<&str>) =
        (lines.collect(), ENVOY_PROMETHEUS.lines().collect());
    for (ours, envoy) in ours.iter().zip(&envoy) {
        assert_eq!(ours, envoy);
    }
    assert_eq!(ours.len(), envoy.len());
}

/// A histogram of which the last interval saw 0, 0 and 43, and the time before 1 and 41.
fn with_histogram() -> TestServer {
    let mut server = TestServer::default();
    let scope = server.stats.scope("cluster.a");
    let time = scope.histogram("upstream_rq_time", Unit::Milliseconds);
    [1, 41].iter().for_each(|value| time.record(*value));
    server.stats.flush();
    [0, 0, 43].iter().for_each(|value| time.record(*value));
    server.stats.flush();
    server.scopes.push(scope);
    server
}

#[test]
fn a_histogram_shows_its_quantiles_for_the_interval_and_for_all_time() {
    assert_eq!(
        with_histogram().body("/stats"),
        "cluster.a.upstream_rq_time: P0(0,0) P25(0,0) P50(0,1.05) P75(43.5,41.5) P90(43.5,43.5) \
         P95(43.5,43.5) P99(43.5,43.5) P99.5(43.5,43.5) P99.9(43.5,43.5) P100(43.5,43.5)\n"
    );
}

#[test]
fn a_histogram_without_values_says_so() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("cluster.a");
    scope.histogram("upstream_rq_time", Unit::Milliseconds);
    server.scopes.push(scope);
    server.stats.flush();
    assert_eq!(
        server.body("/stats"),
        "cluster.a.upstream_rq_time: No recorded values\n"
    );
    assert_eq!(server.body("/stats?usedonly"), "");
}

#[test]
fn buckets_are_shown_cumulative_disjoint_or_in_detail() {
    let server = with_histogram();
    assert_eq!(
        server.body("/stats?histogram_buckets=cumulative"),
        "cluster.a.upstream_rq_time: B0.5(2,2) B1(2,3) B5(2,3) B10(2,3) B25(2,3) B50(3,5) B100(3,5) \
         B250(3,5) B500(3,5) B1000(3,5) B2500(3,5) B5000(3,5) B10000(3,5) B30000(3,5) B60000(3,5) \
         B300000(3,5) B600000(3,5) B1.8e+06(3,5) B3.6e+06(3,5)\n"
    );
    assert_eq!(
        server.body("/stats?histogram_buckets=disjoint"),
        "cluster.a.upstream_rq_time: B0.5(2,2) B1(0,1) B5(0,0) B10(0,0) B25(0,0) B50(1,2) B100(0,0) \
         B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) \
         B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)\n"
    );
    let detailed = server.body("/stats?histogram_buckets=detailed");
    let start = "cluster.a.upstream_rq_time:\n  totals=0,0:2, 1,0.1:1, 41,1:1, 43,1:1\n  \
                 intervals=0,0:2, 43,1:1\n  summary=P0(0,0) P25(0,0) P50(0,1.05) ";
    assert!(detailed.starts_with(start), "{detailed}");
}

#[test]
fn json_keeps_histograms_in_an_object_of_their_own() {
    let server = with_histogram();
    server
        .scopes
        .iter()
        .for_each(|scope| scope.counter("n").add(7));
    let json = server.body("/stats?format=json");
    let start = "{\"stats\":[{\"name\":\"cluster.a.n\",\"value\":7},{\"histograms\":{\"supported_quantiles\":\
                 [0,25,50,75,90,95,99,99.5,99.9,100],\"computed_quantiles\":[{\"name\":\
                 \"cluster.a.upstream_rq_time\",\"values\":[{\"cumulative\":0,\"interval\":0},";
    assert!(json.starts_with(start), "{json}");
    assert!(
        json.ends_with("{\"cumulative\":43.5,\"interval\":43.5}]}]}}]}"),
        "{json}"
    );
    let detailed = server.body("/stats?format=json&histogram_buckets=detailed");
    let part = "{\"histograms\":{\"supported_percentiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"details\":\
                [{\"name\":\"cluster.a.upstream_rq_time\",\"totals\":[{\"lower_bound\":0,\"width\":0,\"count\":2},\
                {\"lower_bound\":1,\"width\":0.1,\"count\":1},{\"lower_bound\":41,\"width\":1,\"count\":1},\
                {\"lower_bound\":43,\"width\":1,\"count\":1}],\"intervals\":[{\"lower_bound\":0,\"width\":0,\
                \"count\":2},{\"lower_bound\":43,\"width\":1,\"count\":1}],\"percentiles\":[";
    assert!(detailed.contains(part), "{detailed}");
    let buckets = server.body("/stats?format=json&histogram_buckets=cumulative&type=Histograms");
    let start = "{\"stats\":[{\"histograms\":[{\"name\":\"cluster.a.upstream_rq_time\",\"buckets\":\
                 [{\"upper_bound\":0.5,\"interval\":2,\"cumulative\":2},";
    assert!(buckets.starts_with(start), "{buckets}");
    assert!(
        buckets.contains("{\"upper_bound\":3e+05,\"interval\":3,\"cumulative\":5},"),
        "{buckets}"
    );
    assert!(
        buckets.ends_with("{\"upper_bound\":3600000,\"interval\":3,\"cumulative\":5}]}]}]}"),
        "{buckets}"
    );
}

#[test]
fn json_of_nothing_is_an_empty_list() {
    assert_eq!(
        with_histogram().body("/stats?format=json&filter=zzzz"),
        "{\"stats\":[]}"
    );
}

#[test]
fn a_prometheus_histogram_has_buckets_a_sum_and_a_count() {
    let text = with_histogram().body("/stats/prometheus");
    let metric = "envoy_cluster_upstream_rq_time";
    let expected = format!(
        "# TYPE {metric} histogram\n\
         {metric}_bucket{{envoy_cluster_name=\"a\",le=\"0.5\"}} 2\n\
         {metric}_bucket{{envoy_cluster_name=\"a\",le=\"1\"}} 3\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    let expected = format!(
        "{metric}_bucket{{envoy_cluster_name=\"a\",le=\"3600000\"}} 5\n\
         {metric}_bucket{{envoy_cluster_name=\"a\",le=\"+Inf\"}} 5\n\
         {metric}_sum{{envoy_cluster_name=\"a\"}} 86.035847824796718441575649194419\n\
         {metric}_count{{envoy_cluster_name=\"a\"}} 5\n"
    );
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn a_prometheus_summary_shows_the_last_interval() {
    let text = with_histogram().body("/stats/prometheus?histogram_buckets=summary");
    let metric = "envoy_cluster_upstream_rq_time";
    assert!(text.starts_with(&format!(
        "# TYPE {metric} summary\n{metric}{{envoy_cluster_name=\"a\",quantile=\"0\"}} 0\n"
    )));
    assert!(text.contains("quantile=\"0.995\"} 43.5\n"), "{text}");
    assert!(
        text.ends_with(&format!("{metric}_count{{envoy_cluster_name=\"a\"}} 3\n")),
        "{text}"
    );
}

#[test]
fn text_readouts_are_quoted_and_become_gauges_for_prometheus_on_demand() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("cluster.a");
    let text = scope.text_readout("version_text");
    text.set("v\"1");
    server.scopes.push(scope);
    assert_eq!(
        server.body("/stats?type=TextReadouts"),
        "cluster.a.version_text: \"v\"1\"\n"
    );
    assert_eq!(server.body("/stats/prometheus"), "");
    assert_eq!(
        server.body("/stats/prometheus?text_readouts"),
        "# TYPE envoy_cluster_version_text gauge\n\
         envoy_cluster_version_text{envoy_cluster_name=\"a\",text_value=\"v\\\"1\"} 0\n"
    );
}

#[test]
fn a_filter_may_be_inverted_and_kinds_may_be_picked() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("a");
    scope.counter("one").inc();
    scope.counter("two");
    scope.gauge("three").set(3);
    server.scopes.push(scope);
    assert_eq!(server.body("/stats?filter=t"), "a.three: 3\na.two: 0\n");
    assert_eq!(server.body("/stats?filter=t&invert_filter"), "a.one: 1\n");
    assert_eq!(server.body("/stats?type=Gauges"), "a.three: 3\n");
    assert_eq!(server.body("/stats?usedonly&type=Counters"), "a.one: 1\n");
    assert_eq!(server.body("/stats?hidden=only"), "");
    assert_eq!(
        server.body("/stats/prometheus?filter=three"),
        "# TYPE envoy_a_three gauge\nenvoy_a_three{} 3\n"
    );
    assert_eq!(
        server.body("/stats?format=prometheus&usedonly&filter=two"),
        ""
    );
}

#[test]
fn wrong_parameters_get_envoys_answers() {
    let server = TestServer::default();
    let refused = [
        (
            "/stats?format=xx",
            "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n",
        ),
        ("/stats?type=xx", "invalid &type= param"),
        ("/stats?filter=(", "Invalid re2 regex: missing ): ("),
        (
            "/stats?hidden=xx",
            "usage: /stats?hidden=(include|only|exclude)\n\n",
        ),
        (
            "/stats?invert_filter",
            "invert_filter can only be used if filter is also provided",
        ),
        (
            "/stats?histogram_buckets=foo",
            "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n",
        ),
        (
            "/stats?histogram_buckets=prometheusnative",
            "Invalid histogram_buckets type for non prometheus stats type",
        ),
        (
            "/stats/prometheus?histogram_buckets=disjoint",
            "unsupported prometheus histogram bucket mode",
        ),
    ];
    for (path, text) in refused {
        assert_eq!(
            server.get(path),
            (400, "text/plain; charset=UTF-8", text.to_owned()),
            "{path}"
        );
    }
}

#[test]
fn a_group_registered_in_one_crate_and_counted_in_another_is_one_group() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("cluster.a");
    register_cluster(&scope);
    scope
        .worker_group::<ClusterTrafficStats>()
        .upstream_rq_total
        .inc();
    server.scopes.push(scope);
    assert_eq!(
        server.body("/stats?filter=upstream_rq_total"),
        "cluster.a.upstream_rq_total: 1\n"
    );
}

#[test]
fn counters_can_be_reset_but_stay_used() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("a");
    scope.counter("one").inc();
    server.scopes.push(scope);
    assert_eq!(
        server.post("/reset_counters"),
        (200, "text/plain; charset=UTF-8", "OK\n".to_owned())
    );
    assert_eq!(server.body("/stats?usedonly"), "a.one: 0\n");
}

#[test]
fn a_page_shows_all_stats_as_text_whatever_their_names() {
    let mut server = with_histogram();
    let scope = server.stats.scope("cluster.<script>alert(1)</script>");
    scope.counter("a&b").inc();
    scope.text_readout("version").set("</pre><b>");
    server.scopes.push(scope);
    let (status, content_type, page) = server.get("/stats?format=html&filter=.*%22%3E%3Cb%3E|.");
    assert_eq!((status, content_type), (200, "text/html; charset=UTF-8"));
    assert!(page.ends_with("</body>\n</html>\n"));
    assert!(!page.contains("<script>") && !page.contains("<b>"));
    for part in [
        "cluster.&lt;script&gt;alert(1)&lt;/script&gt;.a&amp;b: 1\n",
        ".version: &quot;&lt;/pre&gt;&lt;b&gt;&quot;\n",
        "value=\".*&quot;&gt;&lt;b&gt;|.\"",
        "<h2>Histograms</h2>\n<pre>\ncluster.a.upstream_rq_time: P0(0,0)",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn a_page_without_stats_says_so() {
    let page = with_histogram().body("/stats?format=html&usedonly&filter=nothing");
    assert!(page.contains("<p>No stats found</p>"));
    assert!(page.contains("name=\"usedonly\" checked"));
}

#[test]
fn the_active_page_asks_for_what_its_form_says() {
    let page = with_histogram().body("/stats?format=active-html&type=Gauges");
    assert!(page.contains("<option selected>Gauges</option>"));
    assert!(page.contains("fetch(question())") && page.ends_with("</html>\n"));
}

/// Bytes of a GET, of which the test server makes text otherwise.
fn bytes(server: &TestServer, path: &str, accept: &str) -> (&'static str, Vec<u8>) {
    let mut request = AdminRequest::new("GET", path);
    request.accept = accept;
    let response = handle(server, &request);
    assert_eq!(response.status, 200, "{path}");
    (response.content_type, response.body.collect())
}

#[test]
fn protobuf_is_written_for_who_asks_for_it_first() {
    let mut server = TestServer::default();
    let scope = server.stats.scope("server");
    scope.gauge("live").set(1);
    server.scopes.push(scope);
    let envoys = b"\"\n\x11envoy_server_live\x18\x01\"\x0b\x12\t\t\0\0\0\0\0\0\xf0?";
    let protobuf = "application/vnd.google.protobuf";
    let with_parameters = format!("{protobuf};proto=io.prometheus.client.MetricFamily;q=0.7");
    for (path, accept, is_protobuf) in [
        ("/stats/prometheus?prom_protobuf", "", true),
        (
            "/stats?format=prometheus&prom_protobuf=n",
            "text/plain",
            true,
        ),
        ("/stats/prometheus", protobuf, true),
        (
            "/stats/prometheus",
            &format!("{with_parameters}, text/plain"),
            true,
        ),
        (
            "/stats/prometheus",
            &format!("a/b,text/plain;q=0.1, {protobuf}"),
            false,
        ),
        ("/stats/prometheus", "", false),
    ] {
        let (content_type, body) = bytes(&server, path, accept);
        assert_eq!(
            content_type.contains("protobuf"),
            is_protobuf,
            "{path} {accept}"
        );
        assert_eq!(body == envoys, is_protobuf, "{path} {accept}");
    }
}

#[test]
fn native_histograms_are_for_protobuf_alone() {
    let server = with_histogram();
    let path = "/stats/prometheus?histogram_buckets=prometheusnative";
    assert_eq!(server.get(path).0, 400);
    let (_, fine) = bytes(&server, &format!("{path}&prom_protobuf"), "");
    let coarse = format!("{path}&prom_protobuf&native_histogram_max_buckets=2");
    let (_, coarse) = bytes(&server, &coarse, "");
    assert!(coarse.len() < fine.len());
    for bad in ["0", "-1", "x", "99999999999"] {
        let path = format!("/stats?native_histogram_max_buckets={bad}");
        assert_eq!(server.get(&path).0, 400, "{bad}");
    }
}

#[test]
fn lookups_are_tracked_on_request_and_there_are_none() {
    let server = TestServer::default();
    let disabled =
        "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n";
    assert_eq!(server.body("/stats/recentlookups"), disabled);
    assert_eq!(server.get("/stats/recentlookups/enable").0, 405);
    assert_eq!(server.post("/stats/recentlookups/enable").2, "OK\n");
    assert_eq!(
        server.body("/stats/recentlookups"),
        "   Count Lookup\n\ntotal: 0\n"
    );
    assert_eq!(server.post("/stats/recentlookups/clear").2, "OK\n");
    assert_eq!(server.post("/stats/recentlookups/disable").2, "OK\n");
    assert_eq!(server.body("/stats/recentlookups"), disabled);
}
