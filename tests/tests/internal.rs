//! Listeners inside of the process, as the configuration changes: they change, go and come back while hosts that are
//! connections to them stay.
#![forbid(unsafe_code)]

use nuncio_testkit::client::Client;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;

/// One listener that hands connections to the inner one, which says `text` if it is there.
fn config(port: u16, admin: u16, text: Option<&str>) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    let inner = text.map_or_else(String::new, |text| {
        format!(
            "  - name: inner
    internal_listener: {{}}
    filter_chains:
    - filters:
      - name: direct
        typed_config: {{'@type': {TYPES}.filters.network.direct_response.v3.Config, response: {{inline_string: {text}}}}}
"
        )
    });
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
bootstrap_extensions:
- {{name: internal, typed_config: {{'@type': {TYPES}.bootstrap.internal_listener.v3.InternalListener}}}}
static_resources:
  clusters:
  - name: inside
    load_assignment: {{cluster_name: inside, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{envoy_internal_address: {{server_listener_name: inner}}}}}}}}]}}]}}
  listeners:
  - name: outer
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config: {{'@type': {TYPES}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: inside}}
{inner}"
    )
}

/// All that a connection is told.
fn told(port: u16) -> String {
    let mut client = Client::connect(port).expect("the listener accepts");
    let (bytes, _) = client.read_rest();
    String::from_utf8(bytes).expect("a text")
}

#[test]
fn an_inner_listener_changes_goes_and_comes_back() {
    let directory = Scratch::new().expect("a directory can be made");
    let (port, admin) = (free_port(), free_port());
    let arguments = ["--disable-hot-restart", "--concurrency", "2"].map(str::to_owned);
    let first = config(port, admin, Some("first"));
    let proxy = Proxy::start(&nuncio(), &arguments, &first, admin, directory.path())
        .expect("the proxy starts");
    assert_eq!(told(port), "first");
    for text in [Some("second"), None, Some("third")] {
        std::fs::write(
            directory.path().join("config.yaml"),
            config(port, admin, text),
        )
        .expect("the directory can be written to");
        proxy.hang_up().expect("it runs");
        let wanted = text.unwrap_or_default();
        proxy.until("the inner listener is another", || told(port) == wanted);
    }
}
