//! Processes that follow each other by hot restarts, with one configuration.

use std::process::{Command, Stdio};
use std::time::Instant;

use nuncio_testkit::DEADLINE;
use nuncio_testkit::client::{self, Client};
use nuncio_testkit::message::Message;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

/// What all processes of a chain have in common.
pub(crate) struct Chain {
    pub(crate) base_id: String,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    pub(crate) upstream: u16,
}

/// One process of a chain.
pub(crate) struct Epoch {
    pub(crate) proxy: Proxy,
    pub(crate) admin: u16,
    _directory: Scratch,
}

impl Chain {
    /// A chain with a base id of its own; `/up` goes to the upstream.
    pub(crate) fn new(upstream: u16) -> Self {
        Chain {
            base_id: free_port().to_string(),
            port: free_port(),
            admin: free_port(),
            upstream,
        }
    }

    /// The configuration.
    pub(crate) fn config(&self) -> String {
        self.config_with(&[("l", self.port)])
    }

    /// The configuration with these listeners.
    pub(crate) fn config_with(&self, listeners: &[(&str, u16)]) -> String {
        let (admin, upstream) = (self.admin, self.upstream);
        let listeners: Vec<_> = listeners
            .iter()
            .map(|(name, port)| listener(name, *port))
            .collect();
        format!(
            "stats_flush_interval: 0.05s
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  clusters:
  - name: c
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: \
             {{address: 127.0.0.1, port_value: {upstream}}}}}}}}}]}}]}}
  listeners:
{}",
            listeners.concat()
        )
    }

    fn arguments(&self, epoch: u32, more: &[&str]) -> Vec<String> {
        let epoch = epoch.to_string();
        let mut all = vec!["--restart-epoch", &epoch];
        if !more.contains(&"--base-id") && !more.contains(&"--use-dynamic-base-id") {
            all.extend(["--base-id", &self.base_id]);
        }
        if !more.contains(&"--concurrency") {
            all.extend(["--concurrency", "2"]);
        }
        all.extend(more);
        all.into_iter().map(str::to_owned).collect()
    }

    /// Starts the process of an epoch, and waits until its own admin answers and the process before drains.
    pub(crate) fn start(&self, epoch: u32, more: &[&str]) -> Epoch {
        let directory = Scratch::new().expect("a directory can be made");
        let proxy = Proxy::start(
            &nuncio(),
            &self.arguments(epoch, more),
            &self.config(),
            self.admin,
            directory.path(),
        );
        let started = Epoch {
            proxy: proxy.expect("the proxy starts"),
            admin: self.admin,
            _directory: directory,
        };
        let own = format!("\"restart_epoch\": {epoch},");
        started.until("it has taken over", || {
            let info = started.proxy.admin("/server_info").unwrap_or_default();
            info.contains(&own) && info.contains("\"hot_restart_initializing\": false")
        });
        started
    }

    /// Runs a process that does not come up; its exit code and what it says.
    pub(crate) fn fail(&self, epoch: u32, config: &str, more: &[&str]) -> (Option<i32>, String) {
        let mut child = Command::new(nuncio())
            .args(["--config-yaml", config])
            .args(self.arguments(epoch, more))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        // Longer than any wait of the binary's own.
        let deadline = Instant::now() + 3 * DEADLINE;
        while child.try_wait().expect("it can be waited for").is_none() {
            if Instant::now() > deadline {
                let _it_has_ended_by_itself = child.kill();
                break;
            }
            std::thread::yield_now();
        }
        let output = child.wait_with_output().expect("it has an output");
        let text = String::from_utf8(output.stderr).expect("it prints UTF-8");
        (output.status.code(), text)
    }
}

fn listener(name: &str, port: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
    format!(
        "  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /up}}, route: {{cluster: c}}}},
            {{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: direct}}}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
"
    )
}

impl Epoch {
    /// The value of a counter or gauge; none if it is not listed, or the admin does not answer.
    pub(crate) fn stat(&self, name: &str) -> Option<u64> {
        let page = client::get(self.admin, "/stats").ok()?;
        let page = text_of(&page);
        stat_on(&page, name)
    }

    /// Waits until something holds, as seen from outside.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.proxy.until(what, holds);
    }

    /// Waits until it has ended by itself, and well.
    pub(crate) fn ends(self) {
        self.proxy.await_end().expect("it ends by itself");
    }
}

/// A GET on an open connection; none if the connection ends instead.
pub(crate) fn get_on(connection: &mut Client, path: &str) -> Option<Message> {
    connection
        .send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes())
        .ok()?;
    let response = connection.read_response().ok()?;
    Some(response.message)
}

/// The body that a new connection gets.
pub(crate) fn body(port: u16, path: &str) -> String {
    text_of(&client::get(port, path).expect("the listener answers"))
}

pub(crate) fn text_of(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}
