//! `nuncio explain` and `/explain`, asked of the real program.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nuncio_testkit::client::{self, Client};
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use serde_json::Value;

const NUNCIO: &str = env!("CARGO_BIN_EXE_nuncio");
const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// A listener with one virtual host whose routes these are.
fn listener(name: &str, port: u16, routes: &str) -> String {
    format!(
        "  - name: {name}\n    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    \
         filter_chains:\n    - filters:\n      - name: manager\n        typed_config:\n          \
         '@type': {MANAGER}\n          stat_prefix: {name}\n          \
         http_filters: [{{ name: router, typed_config: {{ '@type': {ROUTER} }} }}]\n          \
         route_config:\n            virtual_hosts:\n            - name: all\n              domains: ['*']\n              \
         routes: {routes}\n"
    )
}

fn bootstrap(listeners: &[String]) -> String {
    format!(
        "static_resources:\n  listeners:\n{}  clusters:\n  - name: fixed\n    load_assignment: {}\n  \
         - name: named\n    type: STRICT_DNS\n    dns_lookup_family: V4_ONLY\n    load_assignment: {}\n",
        listeners.concat(),
        assignment("fixed", "192.0.2.7"),
        assignment("named", "localhost")
    )
}

fn assignment(name: &str, address: &str) -> String {
    format!(
        "{{ cluster_name: {name}, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: \
         {{ address: {address}, port_value: 8080 }} }} }} }}] }}] }}"
    )
}

/// Runs the command in `directory`.
fn nuncio(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(NUNCIO);
    let output = command.current_dir(directory).args(arguments).output();
    output.expect("the program runs")
}

/// Asks about a configuration; standard output and standard error of a success, or else of a failure.
fn explain(config: &str, arguments: &[&str]) -> Result<(String, String), String> {
    let scratch = Scratch::new().expect("a directory");
    fs::write(scratch.path().join("c.yaml"), config).expect("a file");
    let all = [&["explain", "-c", "c.yaml"], arguments].concat();
    let output = nuncio(scratch.path(), &all);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    match output.status.code() {
        Some(0) => Ok((text(&output.stdout), text(&output.stderr))),
        Some(1) if output.stdout.is_empty() => Err(text(&output.stderr)),
        other => panic!("ended with {other:?}: {}", text(&output.stderr)),
    }
}

fn as_json(config: &str, arguments: &[&str]) -> Value {
    let all = [arguments, &["--format", "json"]].concat();
    let (out, _) = explain(config, &all).unwrap_or_else(|wrong| panic!("{wrong}"));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
}

#[test]
fn the_documentation_shows_what_the_command_prints() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("explain.md")).expect("the page");
    let examples: Vec<_> = page
        .split("```console\n$ nuncio ")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default())
        .collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let (command, expected) = example.split_once('\n').expect("a command and its output");
        // Every second piece stands in quotes.
        let pieces = command.split('\'').enumerate();
        let arguments: Vec<&str> = pieces
            .flat_map(|(at, piece)| match at % 2 {
                0 => piece.split_whitespace().collect(),
                _ => vec![piece],
            })
            .collect();
        let output = nuncio(&docs.join("examples"), &arguments);
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(printed.trim_end(), expected, "{command}");
    }
}

#[test]
fn json_names_the_route_its_place_and_its_hosts() {
    let routes = "\n              - { name: one, match: { path: /one }, route: { cluster: named } }\n              \
                  - { name: two, match: { prefix: / }, route: { cluster: fixed } }";
    let config = bootstrap(&[listener("main", 80, routes)]);
    let told = as_json(&config, &["GET", "http://example.com/two"]);
    assert_eq!(told["routing"]["taken"]["name"], "two");
    let [first, second] = told["routing"]["routes"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("two routes: {told:#}");
    };
    assert_eq!(first["why_not"][0], "path `/one` is not `/two`");
    assert_eq!(
        (&first["matches"], &second["matches"]),
        (&false.into(), &true.into())
    );
    let line = 1 + config
        .lines()
        .position(|line| line.contains("name: two"))
        .expect("the line");
    assert_eq!(
        (&second["at"]["file"], &second["at"]["line"]),
        (&"c.yaml".into(), &line.into())
    );
    assert_eq!(
        second["at"]["path"],
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[1]"
    );
    assert_eq!(told["cluster"]["hosts"][0]["address"], "192.0.2.7:8080");
}

#[test]
fn of_several_listeners_the_urls_port_or_a_name_chooses() {
    let listeners = [
        listener(
            "one",
            8081,
            "[{ match: { prefix: / }, direct_response: { status: 201 } }]",
        ),
        listener(
            "two",
            8082,
            "[{ match: { prefix: / }, direct_response: { status: 202 } }]",
        ),
    ];
    let config = bootstrap(&listeners);
    let status = |arguments: &[&str]| as_json(&config, arguments)["answer"]["status"].clone();
    assert_eq!(status(&["GET", "http://a:8081/"]), 201);
    assert_eq!(status(&["GET", "http://a:8082/"]), 202);
    assert_eq!(status(&["GET", "http://a/", "--listener", "two"]), 202);
    assert_eq!(
        status(&["GET", "http://a/", "--listener", "127.0.0.1:8081"]),
        201
    );
    let wrong = explain(&config, &["GET", "http://a/"]).expect_err("it is not clear which");
    assert!(
        wrong.contains("`one` at 127.0.0.1:8081, `two` at 127.0.0.1:8082"),
        "{wrong}"
    );
    let wrong =
        explain(&config, &["GET", "http://a/", "--listener", "three"]).expect_err("no such");
    assert!(wrong.contains("there is no listener `three`"), "{wrong}");
}

#[test]
fn names_are_resolved_only_when_asked_for() {
    let routes = "[{ match: { prefix: / }, route: { cluster: named } }]";
    let config = bootstrap(&[listener("main", 80, routes)]);
    let (out, _) = explain(&config, &["GET", "http://a/"]).expect("an answer");
    assert!(out.contains("localhost:8080, not resolved"), "{out}");
    let (out, _) = explain(&config, &["GET", "http://a/", "--resolve"]).expect("an answer");
    assert!(
        out.contains("127.0.0.1:8080 (localhost), weight 1, healthy"),
        "{out}"
    );
}

#[test]
fn variables_of_the_environment_are_put_in_on_request() {
    let routes = "[{ match: { prefix: / }, route: { cluster: '${NO_SUCH_CLUSTER:-fixed}' } }]";
    let config = bootstrap(&[listener("main", 80, routes)]);
    explain(&config, &["GET", "http://a/"]).expect_err("no cluster has such a name");
    let (out, _) = explain(&config, &["GET", "http://a/", "--config-env"]).expect("an answer");
    assert!(out.contains("forwarded to   cluster fixed"), "{out}");
}

#[test]
fn what_is_not_supported_is_refused_or_named() {
    let routes = "[{ match: { prefix: / }, route_specifiers: [{ name: x, typed_config: { '@type': type.googleapis.com/google.protobuf.Struct } }], route: { cluster: fixed } }]";
    let config = bootstrap(&[listener("main", 80, routes)]);
    let wrong = explain(&config, &["GET", "http://a/"]).expect_err("it is not supported yet");
    assert!(
        wrong.contains("`route_specifiers`") && wrong.contains("c.yaml:"),
        "{wrong}"
    );
    let (out, aside) =
        explain(&config, &["GET", "http://a/", "--allow-unsupported"]).expect("an answer");
    assert!(out.contains("forwarded to   cluster fixed"), "{out}");
    assert!(aside.contains("`route_specifiers`"), "{aside}");
}

/// A listener with a filter chain for each server name, all behind TLS, with a filter that is not supported.
fn tls_listener(chains: &[(&str, &str)]) -> String {
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let cache = "type.googleapis.com/envoy.extensions.filters.http.file_system_buffer.v3.FileSystemBufferFilterConfig";
    let chain = |(names, status): &(&str, &str)| {
        format!(
            "    - filter_chain_match: {{ server_names: [{names}] }}\n      transport_socket: {{ name: tls, \
             typed_config: {{ '@type': {tls}, common_tls_context: {{ tls_certificate_sds_secret_configs: [{{ name: c, sds_config: {{ ads: {{}} }} }}] }} }} }}\n      filters:\n      \
             - name: manager\n        typed_config:\n          '@type': {MANAGER}\n          stat_prefix: s\n          \
             http_filters: [{{ name: cache, typed_config: {{ '@type': {cache} }} }}, \
             {{ name: router, typed_config: {{ '@type': {ROUTER} }} }}]\n          route_config:\n            \
             virtual_hosts:\n            - name: all\n              domains: ['*']\n              require_tls: ALL\n              \
             routes: [{{ match: {{ prefix: / }}, direct_response: {{ status: {status} }} }}]\n"
        )
    };
    let chains: String = chains.iter().map(chain).collect();
    format!(
        "  - name: secure\n    address: {{ socket_address: {{ address: 0.0.0.0, port_value: 443 }} }}\n    \
         filter_chains:\n{chains}"
    )
}

#[test]
fn what_cannot_run_yet_can_be_told_about() {
    let chains = [
        ("\"*.example.com\"", "201"),
        ("www.example.com", "202"),
        ("\"*.www.example.com\"", "203"),
        ("", "204"),
    ];
    let config = bootstrap(&[tls_listener(&chains)]);
    let wrong = explain(&config, &["GET", "https://a/"])
        .expect_err("neither SDS nor the cache is supported yet");
    assert!(wrong.contains("the HTTP filter `cache`"), "{wrong}");
    for (url, status, path) in [
        ("https://a.example.com/", 201, "filter_chains[0]"),
        ("https://WWW.example.com/", 202, "filter_chains[1]"),
        ("https://a.www.example.com/", 203, "filter_chains[2]"),
        ("https://example.com/", 204, "filter_chains[3]"),
    ] {
        let told = as_json(&config, &["GET", url, "--allow-unsupported"]);
        // Without TLS it would be sent there by a redirect.
        assert_eq!(told["answer"]["status"], status, "{url}");
        let place = &told["listener"]["filter_chain"]["at"]["path"];
        assert_eq!(
            place,
            &format!("static_resources.listeners[0].{path}"),
            "{url}"
        );
        assert_eq!(told["routing"]["filters"], Value::Array(Vec::new()));
    }
    let (_, aside) = explain(&config, &["GET", "https://a/", "--allow-unsupported"]).expect("told");
    assert!(aside.contains("the HTTP filter `cache`"), "{aside}");
}

#[test]
fn an_optional_filter_that_is_left_out_shifts_no_configuration_of_a_route() {
    let cache = "type.googleapis.com/envoy.extensions.filters.http.file_system_buffer.v3.FileSystemBufferFilterConfig";
    let buffer = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer";
    let switch = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
    let routes = format!(
        "[{{ match: {{ prefix: / }}, route: {{ cluster: fixed }}, \
         typed_per_filter_config: {{ buffer: {{ '@type': {switch}, disabled: true }} }} }}]"
    );
    let filters = format!(
        "http_filters: [{{ name: cache, is_optional: true, typed_config: {{ '@type': {cache} }} }}, \
         {{ name: buffer, typed_config: {{ '@type': {buffer}, max_request_bytes: 9 }} }}, "
    );
    let plain = bootstrap(&[listener("main", 80, &routes)]);
    let told = as_json(
        &plain.replace("http_filters: [", &filters),
        &["GET", "http://a/"],
    );
    let [buffer] = told["routing"]["filters"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("one filter: {told:#}");
    };
    assert_eq!(
        (&buffer["name"], &buffer["runs"]),
        (&"buffer".into(), &false.into())
    );
    assert_eq!(buffer["level"], "route");
}

#[test]
fn mistakes_are_said_and_end_with_1() {
    let routes = "[{ match: { prefix: / }, route: { cluster: gone } }]";
    let broken = bootstrap(&[listener("main", 80, routes)]);
    let wrong = explain(&broken, &["GET", "http://a/"]).expect_err("there is no such cluster");
    assert!(wrong.contains("unknown cluster 'gone'"), "{wrong}");
    let sound = bootstrap(&[]);
    for (arguments, part) in [
        (
            vec!["GET", "http://a/"],
            "the configuration has no listeners",
        ),
        (vec!["GET", "ftp://a/"], "`ftp` is not a scheme of HTTP"),
        (
            vec!["GET", "http://a/", "-H", "x"],
            "a header is written `name: value`, not `x`",
        ),
    ] {
        let wrong = explain(&sound, &arguments).expect_err("it is a mistake");
        assert!(wrong.contains(part), "{wrong}");
    }
}

#[test]
fn places_of_an_old_file_are_those_of_its_own_lines() {
    let old = "static_resources:\n  listeners:\n  - name: main\n    address: { socket_address: { address: 127.0.0.1, port_value: 80 } }\n    \
               filter_chains:\n    - filters:\n      - name: envoy.http_connection_manager\n        config:\n          \
               stat_prefix: old\n          http_filters: [{ name: envoy.router }]\n          route_config:\n            \
               virtual_hosts:\n            - name: all\n              domains: ['*']\n              routes:\n              \
               - match: { prefix: /never }\n                route: { cluster: fixed }\n              \
               - match: { prefix: / }\n                route: { cluster: fixed }\n  \
               clusters:\n  - name: fixed\n    connect_timeout: 1s\n    hosts: [{ socket_address: { address: 192.0.2.7, port_value: 8080 } }]\n";
    let told = as_json(old, &["GET", "http://a/"]);
    let line = 1 + old
        .lines()
        .position(|line| line.ends_with("{ prefix: / }"))
        .expect("the line");
    assert_eq!(told["routing"]["routes"][1]["at"]["line"], line);
    assert_eq!(told["cluster"]["hosts"][0]["address"], "192.0.2.7:8080");
}

#[test]
fn the_admin_tells_the_hosts_of_now() {
    let (port, admin) = (free_port(), free_port());
    let routes = "[{ match: { prefix: /named }, route: { cluster: named } }, \
                  { match: { prefix: / }, redirect: { path_redirect: /named } }]";
    let config = bootstrap(&[listener("main", port, routes)])
        + &format!(
            "admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}\n"
        );
    let scratch = Scratch::new().expect("a directory");
    let arguments = ["--concurrency", "1", "--disable-hot-restart"].map(str::to_owned);
    let proxy = Proxy::start(
        Path::new(NUNCIO),
        &arguments,
        &config,
        admin,
        scratch.path(),
    )
    .expect("the proxy starts");
    let ask = |query: &str| {
        let answer = client::get(admin, &format!("/explain?{query}")).expect("an answer");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        (
            answer.status(),
            answer.header("content-type").unwrap_or_default(),
            body,
        )
    };
    let (status, kind, body) = ask("url=http://a/named");
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=UTF-8"));
    assert!(
        body.contains("127.0.0.1:8080 (localhost), weight 1, healthy"),
        "{body}"
    );
    let (status, kind, body) = ask("url=http%3A%2F%2Fa%2Fx%3Fq&format=json&header=x-a:b");
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(told["answer"]["headers"][0]["value"], "http://a/named?q");
    assert_eq!(told["listener"]["address"], format!("127.0.0.1:{port}"));
    let long = format!("url=http://a/{}", "x".repeat(17_000));
    let many = format!("url=http://a/{}", "&header=a:b".repeat(101));
    for (query, part) in [
        ("", "what is to be explained?"),
        ("url=http://a/&method=G(T", "`G(T` is no method"),
        ("url=http://a/&listener=none", "there is no listener `none`"),
        (long.as_str(), "the URL has more than 16384 bytes"),
        (many.as_str(), "more than 100 headers"),
    ] {
        let (status, _, body) = ask(query);
        assert_eq!(status, 400, "{body}");
        assert!(body.contains(part), "{body}");
    }
    // Nothing of all this is counted as traffic.
    let stats = proxy
        .admin("/stats?filter=http.main.downstream_rq_total")
        .expect("stats");
    assert_eq!(stats, "http.main.downstream_rq_total: 0\n");
    proxy.stop().expect("a clean end");
}

#[test]
fn after_a_reload_the_admin_tells_of_what_runs_now() {
    let (port, admin) = (free_port(), free_port());
    let config = |routes: &str| {
        bootstrap(&[listener("main", port, routes)])
            + &format!(
                "admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}\n"
            )
    };
    let scratch = Scratch::new().expect("a directory");
    let arguments = ["--concurrency", "1", "--disable-hot-restart"].map(str::to_owned);
    let before = config("[{ match: { prefix: / }, direct_response: { status: 201 } }]");
    let proxy = Proxy::start(
        Path::new(NUNCIO),
        &arguments,
        &before,
        admin,
        scratch.path(),
    )
    .expect("the proxy starts");
    let told = || -> Value {
        let body = proxy
            .admin("/explain?url=http://a/&format=json")
            .expect("an answer");
        serde_json::from_str(&body).expect("JSON")
    };
    assert_eq!(told()["answer"]["status"], 201);
    let after = "# A line more.\n".to_owned()
        + &config("[{ match: { prefix: / }, direct_response: { status: 202 } }]");
    fs::write(scratch.path().join("config.yaml"), &after).expect("a file");
    let mut client = Client::connect(admin).expect("a connection");
    client
        .send(b"POST /reload HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("it is sent");
    let answer = client.read_response().expect("an answer");
    assert_eq!(answer.message.status(), 200);
    let told = told();
    assert_eq!(told["answer"]["status"], 202);
    let line = 1 + after
        .lines()
        .position(|line| line.contains("status: 202"))
        .expect("the line");
    assert_eq!(told["routing"]["routes"][0]["at"]["line"], line);
    proxy.stop().expect("a clean end");
}

#[test]
fn the_name_that_a_request_gives_its_connection_is_told() {
    let routes = "[{ match: { prefix: / }, route: { cluster: fixed, host_rewrite_literal: 'in.example:1' } }]";
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let config = bootstrap(&[listener("main", 80, routes)]).replace(
        "  - name: fixed\n",
        &format!(
            "  - name: fixed\n    transport_socket: {{ name: tls, typed_config: {{ '@type': {tls}, sni: own.example }} }}\n    \
             typed_extension_protocol_options: {{ {options}: {{ '@type': type.googleapis.com/{options}, \
             upstream_http_protocol_options: {{ auto_sni: true, auto_san_validation: true }}, \
             explicit_http_config: {{ http_protocol_options: {{}} }} }} }}\n"
        ),
    );
    let told = as_json(&config, &["GET", "http://out.example/"]);
    assert_eq!(told["cluster"]["sni"], "in.example", "{told}");
    assert_eq!(told["cluster"]["certificate_for"], "in.example", "{told}");
    let (text, _) = explain(&config, &["GET", "http://out.example/"]).expect("an answer");
    let line = "TLS with SNI in.example and a certificate for in.example";
    assert!(text.contains(line), "{text}");
}

#[test]
fn routes_that_come_from_a_file_are_read_from_it() {
    let scratch = Scratch::new().expect("a directory");
    let file = scratch.path().join("routes.yaml");
    let table = "version_info: '1'\nresources:\n- '@type': \
                 type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n  name: shop\n  virtual_hosts: [{name: \
                 all, domains: ['*'], routes: [{name: found, match: {prefix: /}, route: {cluster: fixed}}]}]\n";
    fs::write(&file, table).expect("a file");
    let listener = listener("web", 10000, "[]");
    let (before, _) = listener.split_once("route_config:").expect("it has one");
    let rds = format!(
        "{before}rds: {{ route_config_name: shop, config_source: {{ path_config_source: {{ path: '{}' }} }} }}\n",
        file.display()
    );
    let config = format!(
        "node: {{ id: node-1, cluster: cluster-1 }}\n{}",
        bootstrap(&[rds])
    );
    let (out, told) = explain(&config, &["GET", "http://a/"]).expect("it is answered");
    assert!(out.contains("found") && out.contains("fixed"), "{out}");
    assert_eq!(told, "");
    fs::write(&file, table.replace("shop", "other")).expect("a file");
    let (_, told) = explain(&config, &["GET", "http://a/"]).expect("it is answered");
    assert!(told.contains("has no routes `shop`"), "{told}");
}

#[test]
fn scopes_that_come_from_a_file_are_read_from_it_with_their_routes() {
    let scratch = Scratch::new().expect("a directory");
    let at = |name: &str| scratch.path().join(name);
    let table = "resources:\n- '@type': \
                 type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n  name: shop\n  virtual_hosts: [{name: \
                 all, domains: ['*'], routes: [{name: found, match: {prefix: /}, route: {cluster: fixed}}]}]\n";
    let scopes = "resources:\n- '@type': type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration\n  name: \
                  one\n  route_configuration_name: shop\n  key: {fragments: [{string_key: a}]}\n";
    fs::write(at("routes.yaml"), table).expect("a file");
    fs::write(at("scopes.yaml"), scopes).expect("a file");
    let listener = listener("web", 10000, "[]");
    let (before, _) = listener.split_once("route_config:").expect("it has one");
    let source = |name: &str| format!("{{path_config_source: {{path: '{}'}}}}", at(name).display());
    let scoped = format!(
        "{before}scoped_routes: {{name: all, scope_key_builder: {{fragments: [{{header_value_extractor: {{name: \
         x-scope, index: 0}}}}]}}, rds_config_source: {}, scoped_rds: {{scoped_rds_config_source: {}}}}}\n",
        source("routes.yaml"),
        source("scopes.yaml"),
    );
    let config = format!(
        "node: {{ id: node-1, cluster: cluster-1 }}\n{}",
        bootstrap(&[scoped])
    );
    let asked = |key: &str| {
        let header = format!("x-scope: {key}");
        explain(&config, &["GET", "http://a/", "-H", &header]).expect("it is answered")
    };
    let (out, told) = asked("a");
    assert!(out.contains("found") && out.contains("fixed"), "{out}");
    assert_eq!(told, "");
    assert!(asked("b").0.contains("no domain matches"));
    fs::write(at("routes.yaml"), table.replace("shop", "other")).expect("a file");
    let (out, told) = asked("a");
    assert!(told.contains("has no routes `shop`"), "{told}");
    assert!(!out.contains("fixed"), "{out}");
}
