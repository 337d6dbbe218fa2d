//! The start page in headless Chromium; passed over, with a word, where none is installed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nuncio_testkit::ports::free_port;
use nuncio_testkit::programs::installed;
use nuncio_testkit::proxy::{Proxy, Scratch};
use nuncio_tests::binary::nuncio;

/// Time of the page's own, not of the clock on the wall: enough for a few looks.
const PAGE_TIME_MS: u32 = 9000;
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// A name that would show itself if it were taken for markup.
const HOSTILE: &str = "z<img src=x onerror=document.title=1>";

fn config(port: u16, admin: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - {{name: carts, load_assignment: {{cluster_name: carts, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.7, port_value: 9}}}}}}}}]}}]}}}}
  - {{name: '{HOSTILE}'}}
  listeners:
  - name: front door
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: '{HOSTILE}', domains: ['*'], routes: [
            {{match: {{prefix: /cart}}, route: {{cluster: carts}}}},
            {{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
"
    )
}

/// The page as it stands after some time.
fn document(browser: &PathBuf, address: &str, profile: &Scratch) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--virtual-time-budget={PAGE_TIME_MS}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(address)
        .stderr(Stdio::null())
        .output()
        .expect("the browser runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_page_shows_what_runs_and_takes_no_name_for_markup() {
    let Some(browser) = installed(&BROWSERS) else {
        println!("passed over: there is no Chromium here");
        return;
    };
    let (port, admin) = (free_port(), free_port());
    let directory = Scratch::new().expect("a directory can be made");
    let config = config(port, admin);
    let proxy = Proxy::start(&nuncio(), &[], &config, admin, directory.path());
    let _proxy = proxy.expect("the proxy starts");
    let profile = Scratch::new().expect("a directory can be made");
    let address = |view: &str| format!("http://127.0.0.1:{admin}/#{view}");
    let escaped = "z&lt;img src=x onerror=document.title=1&gt;";

    let traffic = document(&browser, &address("traffic"), &profile);
    assert!(traffic.contains("<title>Nuncio</title>"), "{traffic}");
    for part in [
        "front door",
        "/cart",
        "→ carts",
        "127.0.0.7:9",
        "LIVE",
        escaped,
    ] {
        assert!(
            traffic.contains(part),
            "`{part}` is not on the page: {traffic}"
        );
    }
    assert!(!traffic.contains("<img src=\"x\""), "a name became markup");

    let logging = document(&browser, &address("logging"), &profile);
    assert!(logging.contains("level-router"), "{logging}");
    let commands = document(&browser, &address("commands"), &profile);
    assert!(commands.contains("/config_dump"), "{commands}");
}
