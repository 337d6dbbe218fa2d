//! Configuration from files that change, in ways that the differential suite cannot show: edits in place, which Envoy
//! misses, links that are swapped, reloads beside it, and traffic meanwhile.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nuncio_testkit::client::{self, Client};
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_testkit::script::Script;
use nuncio_testkit::upstream::Upstream;
use nuncio_tests::binary::nuncio;

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters";

struct Server {
    proxy: Proxy,
    admin: u16,
}

fn listener(name: &str, port: u16, routes: &str) -> String {
    format!(
        "name: {name}, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, filter_chains: \
         [{{filters: [{{name: h, typed_config: {{'@type': {HTTP}.network.http_connection_manager.v3.\
         HttpConnectionManager, stat_prefix: p, {routes}, http_filters: [{{name: r, typed_config: {{'@type': \
         {HTTP}.http.router.v3.Router}}}}]}}}}]}}]"
    )
}

fn table(action: &str) -> String {
    format!(
        "name: t, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, {action}}}]}}]"
    )
}

fn says(text: &str) -> String {
    format!("direct_response: {{status: 200, body: {{inline_string: {text}}}}}")
}

fn assignment(name: &str, port: u16) -> String {
    format!(
        "cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: \
         127.0.0.1, port_value: {port}}}}}}}}}]}}]"
    )
}

/// A file of resources: its version, their kind, and what each says.
fn response(version: usize, kind: &str, resources: &[String]) -> String {
    let item = |resource: &String| {
        format!("- {{'@type': type.googleapis.com/envoy.config.{kind}, {resource}}}\n")
    };
    let items: String = resources.iter().map(item).collect();
    format!("version_info: '{version}'\nresources:\n{items}")
}

const LISTENER: &str = "listener.v3.Listener";
const CLUSTER: &str = "cluster.v3.Cluster";
const TABLE: &str = "route.v3.RouteConfiguration";
const ASSIGNMENT: &str = "endpoint.v3.ClusterLoadAssignment";

fn from_file(directory: &Path, name: &str) -> String {
    format!(
        "{{path_config_source: {{path: '{}'}}}}",
        directory.join(name).display()
    )
}

/// Puts a file in the place of another, or there where none is.
fn replace(directory: &Path, name: &str, text: &str) {
    let new = directory.join(format!("new-{name}"));
    fs::write(&new, text).expect("it can be written");
    fs::rename(&new, directory.join(name)).expect("it can be moved");
}

impl Server {
    fn start(directory: &Path, config: &str) -> Self {
        let admin = free_port();
        let config = format!(
            "node: {{id: node-1, cluster: cluster-1}}\nadmin: {{address: {{socket_address: {{address: 127.0.0.1, \
             port_value: {admin}}}}}}}\n{config}\n"
        );
        let arguments = ["--concurrency", "2"].map(str::to_owned);
        let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory);
        Server {
            proxy: proxy.expect("the proxy starts"),
            admin,
        }
    }

    fn stat(&self, name: &str) -> Option<u64> {
        let page = self
            .proxy
            .admin("/stats")
            .expect("the admin shows its stats");
        stat_on(&page, name)
    }

    fn until(&self, name: &str, value: usize) {
        let value = u64::try_from(value).expect("it is small");
        self.proxy.until(&format!("{name} is {value}"), || {
            self.stat(name) == Some(value)
        });
    }
}

fn body(client: &mut Client) -> String {
    client
        .send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .expect("it is sent");
    let response = client.read_response().expect("it is answered");
    String::from_utf8_lossy(&response.message.body).into_owned()
}

fn new_body(port: u16) -> String {
    body(&mut Client::connect(port).expect("the listener accepts"))
}

#[test]
fn an_edit_in_place_reaches_connections_that_are_open() {
    let scratch = Scratch::new().expect("a directory can be made");
    let (directory, port) = (scratch.path(), free_port());
    fs::write(
        directory.join("r.yaml"),
        response(1, TABLE, &[table(&says("one"))]),
    )
    .expect("it can be written");
    let rds = format!(
        "rds: {{route_config_name: t, config_source: {}}}",
        from_file(directory, "r.yaml")
    );
    let config = format!(
        "static_resources: {{listeners: [{{{}}}]}}",
        listener("l", port, &rds)
    );
    let server = Server::start(directory, &config);
    let mut open = Client::connect(port).expect("the listener accepts");
    assert_eq!(body(&mut open), "one");
    fs::write(
        directory.join("r.yaml"),
        response(2, TABLE, &[table(&says("second"))]),
    )
    .expect("it can be written");
    server.until("http.p.rds.t.update_success", 2);
    assert_eq!(body(&mut open), "second");
    assert_eq!(server.stat("http.p.downstream_cx_total"), Some(1));
}

#[test]
fn a_link_that_is_swapped_on_the_way_to_a_file_is_noticed() {
    let scratch = Scratch::new().expect("a directory can be made");
    let (directory, port) = (scratch.path(), free_port());
    for (version, text) in [(1, "one"), (2, "two")] {
        let of_version = directory.join(format!("v{version}"));
        fs::create_dir(&of_version).expect("it can be made");
        let routes = format!("route_config: {{{}}}", table(&says(text)));
        let listeners = response(version, LISTENER, &[listener("l", port, &routes)]);
        fs::write(of_version.join("l.yaml"), listeners).expect("it can be written");
    }
    symlink("v1", directory.join("data")).expect("it can be linked");
    let config = format!(
        "dynamic_resources: {{lds_config: {{path_config_source: {{path: '{0}/data/l.yaml', watched_directory: \
         {{path: '{0}'}}}}}}}}",
        directory.display()
    );
    let server = Server::start(directory, &config);
    assert_eq!(new_body(port), "one");
    symlink("v2", directory.join("next")).expect("it can be linked");
    fs::rename(directory.join("next"), directory.join("data")).expect("it can be moved");
    server.until("listener_manager.lds.update_success", 2);
    assert_eq!(new_body(port), "two");
}

#[test]
fn a_reload_leaves_alone_what_came_by_updates() {
    let scratch = Scratch::new().expect("a directory can be made");
    let (directory, port, fixed) = (scratch.path(), free_port(), free_port());
    let routes = |text: &str| format!("route_config: {{{}}}", table(&says(text)));
    replace(
        directory,
        "l.yaml",
        &response(1, LISTENER, &[listener("moving", port, &routes("moving"))]),
    );
    replace(
        directory,
        "c.yaml",
        &response(1, CLUSTER, &["name: c".to_owned()]),
    );
    let (lds, cds) = (
        from_file(directory, "l.yaml"),
        from_file(directory, "c.yaml"),
    );
    let config = |text: &str| {
        format!(
            "dynamic_resources: {{lds_config: {lds}, cds_config: {cds}}}\nstatic_resources: {{listeners: [{{{}}}]}}",
            listener("fixed", fixed, &routes(text))
        )
    };
    let server = Server::start(directory, &config("old"));
    let path = directory.join("config.yaml");
    let written = fs::read_to_string(&path).expect("it can be read");
    fs::write(
        &path,
        written.replace("inline_string: old", "inline_string: new"),
    )
    .expect("it can be written");
    let answer = client::post(server.admin, "/reload").expect("the admin answers");
    assert_eq!(answer.status(), 200);
    assert_eq!(new_body(fixed), "new");
    assert_eq!(new_body(port), "moving");
    assert_eq!(server.stat("cluster_manager.active_clusters"), Some(1));
    assert_eq!(server.stat("listener_manager.listener_removed"), Some(0));
}

#[test]
fn no_request_fails_while_everything_changes() {
    const UPDATES: usize = 25;
    let scratch = Scratch::new().expect("a directory can be made");
    let (directory, port) = (scratch.path(), free_port());
    let upstreams =
        ["one", "two"].map(|name| Upstream::start(name, Script::new(), None).expect("it starts"));
    let write = |version: usize| {
        let upstream = upstreams[version % 2].port();
        let eds = from_file(directory, "e.yaml");
        let cluster = format!(
            "name: c, type: EDS, connect_timeout: {}s, eds_cluster_config: {{eds_config: {eds}}}",
            5 + version
        );
        let rds = from_file(directory, "r.yaml");
        let rds =
            format!("server_name: s{version}, rds: {{route_config_name: t, config_source: {rds}}}");
        replace(
            directory,
            "e.yaml",
            &response(version, ASSIGNMENT, &[assignment("c", upstream)]),
        );
        let route = format!("name: r{version}, route: {{cluster: c, timeout: 60s}}");
        replace(
            directory,
            "r.yaml",
            &response(version, TABLE, &[table(&route)]),
        );
        replace(directory, "c.yaml", &response(version, CLUSTER, &[cluster]));
        replace(
            directory,
            "l.yaml",
            &response(version, LISTENER, &[listener("l", port, &rds)]),
        );
    };
    write(1);
    let (lds, cds) = (
        from_file(directory, "l.yaml"),
        from_file(directory, "c.yaml"),
    );
    let config = format!("dynamic_resources: {{lds_config: {lds}, cds_config: {cds}}}");
    let server = Server::start(directory, &config);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let mut client = Client::connect(port).expect("the listener accepts");
                        client
                            .send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                            .expect("it is sent");
                        let response = client.read_response().expect("it is answered");
                        assert_eq!(response.message.status(), 200);
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for version in 2..=UPDATES {
            write(version);
            server.until("listener_manager.lds.update_success", version);
            server.until("cluster_manager.cds.update_success", version);
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("no request failed") > 0);
        }
    });
    assert_eq!(server.stat("listener_manager.lds.update_rejected"), Some(0));
    assert_eq!(server.stat("cluster_manager.cds.update_rejected"), Some(0));
}
