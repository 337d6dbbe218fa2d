//! A proxy whose configuration file the tests write, and the texts of such files.

use std::fmt::Write as _;
use std::path::PathBuf;

use nuncio_testkit::client::{self, Client};
use nuncio_testkit::message::Message;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

/// A running proxy and its file.
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) admin: u16,
    pub(crate) directory: Scratch,
}

/// What a file of the tests says.
#[derive(Clone, Default)]
pub(crate) struct Config {
    /// Name and upstream port; one called `dns...` resolves the name of its host.
    pub(crate) clusters: Vec<(String, u16)>,
    /// Fields of each cluster.
    pub(crate) of_clusters: String,
    pub(crate) listeners: Vec<Listener>,
    /// The lines of the static secrets.
    pub(crate) secrets: String,
    /// Further top-level fields.
    pub(crate) more: String,
}

/// A listener with one virtual host.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Path prefix and what follows the match.
    pub(crate) routes: Vec<(String, String)>,
    /// Fields of the connection manager.
    pub(crate) of_manager: String,
    /// Fields of the listener.
    pub(crate) of_listener: String,
    /// Fields of its filter chain.
    pub(crate) of_chain: String,
}

impl Listener {
    /// One that answers every path with `text`.
    pub(crate) fn saying(name: &str, port: u16, text: &str) -> Self {
        Self::routing(name, port, &[("/", &says(text))])
    }

    pub(crate) fn routing(name: &str, port: u16, routes: &[(&str, &str)]) -> Self {
        let routes = routes
            .iter()
            .map(|(prefix, action)| ((*prefix).to_owned(), (*action).to_owned()));
        Listener {
            name: name.to_owned(),
            port,
            routes: routes.collect(),
            of_manager: String::new(),
            of_listener: String::new(),
            of_chain: String::new(),
        }
    }
}

/// A route's answer.
pub(crate) fn says(text: &str) -> String {
    format!("direct_response: {{status: 200, body: {{inline_string: '{text}'}}}}")
}

/// A route to a cluster.
pub(crate) fn goes_to(cluster: &str) -> String {
    format!("route: {{cluster: {cluster}, timeout: 60s}}")
}

impl Config {
    fn yaml(&self, admin: u16) -> String {
        let mut text = format!(
            "admin: {{address: {}}}\n{}\nstatic_resources:\n  clusters:\n",
            address(admin),
            self.more
        );
        for (name, port) in &self.clusters {
            let by_name = name.starts_with("dns");
            let host = if by_name { "localhost" } else { "127.0.0.1" };
            let kind = if by_name {
                "STRICT_DNS, dns_lookup_family: V4_ONLY"
            } else {
                "STATIC"
            };
            let endpoint = format!("{{endpoint: {{address: {}}}}}", at(host, *port));
            let _ = writeln!(
                text,
                "  - {{name: {name}, type: {kind}, {} load_assignment: {{cluster_name: {name}, endpoints: \
                 [{{lb_endpoints: [{endpoint}]}}]}}}}",
                self.of_clusters
            );
        }
        if !self.secrets.is_empty() {
            text.push_str("  secrets:\n");
            text.push_str(&self.secrets);
        }
        text.push_str("  listeners:\n");
        for listener in &self.listeners {
            text.push_str(&listener.yaml());
        }
        text
    }
}

impl Listener {
    fn chain(&self) -> &str {
        match self.of_chain.as_str() {
            "" => "name: chain",
            fields => fields,
        }
    }

    fn yaml(&self) -> String {
        const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";
        let routes: Vec<_> = self
            .routes
            .iter()
            .map(|(prefix, action)| format!("{{match: {{prefix: '{prefix}'}}, {action}}}"))
            .collect();
        format!(
            "  - name: {}
    address: {}
    {}
    filter_chains:
    - {}
      filters:
      - name: http
        typed_config:
          '@type': {TYPES}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          {}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.http.router.v3.Router}}}}
",
            self.name,
            address(self.port),
            self.of_listener,
            self.chain(),
            self.of_manager,
            routes.join(", ")
        )
    }
}

fn address(port: u16) -> String {
    at("127.0.0.1", port)
}

fn at(host: &str, port: u16) -> String {
    format!("{{socket_address: {{address: {host}, port_value: {port}}}}}")
}

impl Server {
    pub(crate) fn start(config: &Config, arguments: &[&str]) -> Self {
        let directory = Scratch::new().expect("a directory can be made");
        let admin = free_port();
        let mut all = vec!["--concurrency".to_owned(), "2".to_owned()];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let proxy = Proxy::start(
            &nuncio(),
            &all,
            &config.yaml(admin),
            admin,
            directory.path(),
        );
        Server {
            proxy: proxy.expect("the proxy starts"),
            admin,
            directory,
        }
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.directory.path().join("config.yaml")
    }

    pub(crate) fn write(&self, config: &Config) {
        self.write_text(&config.yaml(self.admin));
    }

    pub(crate) fn write_text(&self, text: &str) {
        std::fs::write(self.config_path(), text).expect("the file can be written");
    }

    /// Asks for a reload and returns the answer.
    pub(crate) fn ask_to_reload(&self) -> Message {
        client::post(self.admin, "/reload").expect("the admin answers")
    }

    /// Writes a file that is taken; returns what the reload did, without its spaces.
    pub(crate) fn reload(&self, config: &Config) -> String {
        self.write(config);
        let answer = self.ask_to_reload();
        assert_eq!(answer.status(), 200, "{}", text_of(&answer));
        text_of(&answer).split_whitespace().collect()
    }

    /// The value of a counter or gauge; none if it is not listed.
    pub(crate) fn stat(&self, name: &str) -> Option<u64> {
        let page = self
            .proxy
            .admin("/stats")
            .expect("the admin shows its stats");
        stat_on(&page, name)
    }

    /// Waits until something holds, as seen from outside.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.proxy.until(what, holds);
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

/// The body that an open connection gets.
pub(crate) fn body_on(connection: &mut Client, path: &str) -> String {
    text_of(&get_on(connection, path).expect("the connection is open"))
}

/// The body that a new connection gets.
pub(crate) fn body(port: u16, path: &str) -> String {
    text_of(&client::get(port, path).expect("the listener answers"))
}

pub(crate) fn text_of(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}
