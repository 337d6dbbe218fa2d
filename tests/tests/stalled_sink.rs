//! A collector of statistics, by TCP, that takes connections and reads nothing.

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;
use std::cell::RefCell;
use std::net::TcpListener;

/// Clusters with names so long that a few flushes fill what may wait for the collector.
const CLUSTERS: usize = 100;
const NAME_BYTES: usize = 4000;

fn config(collector: u16, admin: u16) -> String {
    let endpoint = format!(
        "load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {collector}}}}}}}}}]}}]}}"
    );
    let named = |name: String| format!("  - {{name: {name}, type: STATIC, {endpoint}}}\n");
    let long = (0..CLUSTERS).map(|number| named(format!("c{number}{}", "x".repeat(NAME_BYTES))));
    let clusters: String = long.collect();
    format!(
        "node: {{id: proxy, cluster: proxies}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
stats_flush_interval: 0.05s
stats_sinks:
- name: envoy.stat_sinks.statsd
  typed_config: {{'@type': type.googleapis.com/envoy.config.metrics.v3.StatsdSink, tcp_cluster_name: collector}}
static_resources:
  clusters:
{}{clusters}",
        named("collector".to_owned())
    )
}

#[test]
fn a_collector_that_reads_nothing_is_given_up_for_a_new_connection() {
    let directory = Scratch::new().expect("a directory can be made");
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    collector.set_nonblocking(true).expect("a flag is set");
    let port = collector.local_addr().expect("it is bound").port();
    let admin = free_port();
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let config = config(port, admin);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
    let proxy = proxy.expect("the proxy starts");
    let connections = RefCell::new(Vec::new());
    proxy.until("a second connection comes while the first is open", || {
        let mut connections = connections.borrow_mut();
        connections.extend(collector.accept());
        connections.len() >= 2
    });
}
