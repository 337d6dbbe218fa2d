//! The endpoints' answers, compared with those of Envoy 1.40 to the same state.

use super::registry::{ENDPOINTS, OWN_ENDPOINTS};
use super::state::{Action, LogLevel, RuntimeView, ServerLife};
use super::testing::TestServer;
use super::{AdminRequest, handle};

const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";
const ENVOY_HELP: &str = include_str!("envoy_help.txt");

fn text(status: u16, body: &str) -> (u16, &'static str, String) {
    (status, TEXT, body.to_owned())
}

#[test]
fn help_lists_the_commands_that_envoy_lists() {
    assert_eq!(TestServer::default().get("/help"), text(200, ENVOY_HELP));
}

#[test]
fn an_unknown_path_is_told_the_commands() {
    let expected = text(404, &format!("invalid path. {ENVOY_HELP}"));
    let server = TestServer::default();
    assert_eq!(server.get("/nope"), expected);
    assert_eq!(server.get("/ready/"), expected);
}

#[test]
fn what_changes_the_server_wants_a_post_and_the_rest_takes_any_method() {
    let server = TestServer::default();
    assert_eq!(
        server.get("/quitquitquit"),
        text(405, "Method GET not allowed, POST required.")
    );
    assert_eq!(
        server.send("DELETE", "/quitquitquit"),
        text(405, "Method DELETE not allowed, POST required.")
    );
    assert!(server.actions.borrow().is_empty());
    assert_eq!(server.send("PUT", "/ready"), text(200, "LIVE\n"));
}

#[test]
fn every_answer_says_that_it_must_not_be_cached() {
    let response = handle(
        &TestServer::default(),
        &AdminRequest::new("GET", "/ready?x"),
    );
    let headers: Vec<_> = response.all_headers().collect();
    let expected = [
        ("content-type", TEXT),
        ("cache-control", "no-cache, max-age=0"),
        ("x-content-type-options", "nosniff"),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn ready_tells_the_state_and_is_503_unless_live() {
    let mut server = TestServer::default();
    assert_eq!(server.get("/ready"), text(200, "LIVE\n"));
    for (life, word) in [
        (ServerLife::Draining, "DRAINING\n"),
        (ServerLife::PreInitializing, "PRE_INITIALIZING\n"),
        (ServerLife::Initializing, "INITIALIZING\n"),
    ] {
        server.life = life;
        assert_eq!(server.get("/ready"), text(503, word));
    }
}

#[test]
fn actions_reach_the_server() {
    let server = TestServer::default();
    let paths = [
        "/quitquitquit",
        "/healthcheck/fail",
        "/healthcheck/ok",
        "/reopen_logs",
        "/drain_listeners",
        "/drain_listeners?graceful&inboundonly",
        "/drain_listeners?skip_exit",
    ];
    for path in paths {
        assert_eq!(server.post(path), text(200, "OK\n"), "{path}");
    }
    let drain = |graceful, skip_exit, inbound_only| Action::DrainListeners {
        graceful,
        skip_exit,
        inbound_only,
    };
    let expected = [
        Action::Quit,
        Action::FailHealthChecks(true),
        Action::FailHealthChecks(false),
        Action::ReopenLogs,
        drain(false, false, false),
        drain(true, false, true),
        drain(false, true, false),
    ];
    assert_eq!(*server.actions.borrow(), expected);
}

#[test]
fn listeners_are_shown_as_text_unless_json_is_asked_for() {
    let server = TestServer::default();
    assert_eq!(
        server.get("/listeners"),
        text(200, "listener_0::127.0.0.1:28100\n")
    );
    assert_eq!(
        server.get("/listeners?format=xml"),
        text(200, "listener_0::127.0.0.1:28100\n")
    );
    let json = r#"{
 "listener_statuses": [
  {
   "name": "listener_0",
   "local_address": {
    "socket_address": {
     "address": "127.0.0.1",
     "port_value": 28100
    }
   }
  }
 ]
}
"#;
    assert_eq!(
        server.get("/listeners?format=json"),
        (200, JSON, json.to_owned())
    );
}

#[test]
fn clusters_are_shown_as_text() {
    let text = TestServer::default().body("/clusters?filter=dns");
    assert_eq!(text, include_str!("envoy_clusters_dns.txt"));
    let text = TestServer::default().body("/clusters?filter=eds_like");
    assert_eq!(text, include_str!("envoy_clusters_pipe.txt"));
}

#[test]
fn clusters_are_shown_as_json() {
    let json = TestServer::default().body("/clusters?format=json");
    assert_eq!(json, include_str!("envoy_clusters.json"));
    assert_eq!(
        TestServer::default().body("/clusters?format=json&filter=nope"),
        "{}\n"
    );
}

#[test]
fn a_wrong_filter_of_clusters_is_refused() {
    assert_eq!(
        TestServer::default().get("/clusters?filter=("),
        text(400, "Invalid re2 regex")
    );
}

#[test]
fn server_info_is_a_message_in_json() {
    let json = r#"{
 "version": "0/1.40.0/Clean/RELEASE/rustls",
 "state": "LIVE",
 "uptime_current_epoch": "36s",
 "uptime_all_epochs": "40s",
 "hot_restart_version": "disabled",
 "command_line_options": {
  "base_id": "0",
  "concurrency": 2
 },
 "node": {
  "id": "nid"
 },
 "hot_restart_initializing": false
}
"#;
    assert_eq!(
        TestServer::default().get("/server_info"),
        (200, JSON, json.to_owned())
    );
}

#[test]
fn small_views_of_the_process_have_envoys_shapes() {
    let server = TestServer::default();
    let memory = "{\n \"allocated\": \"6679352\",\n \"heap_size\": \"12582912\",\n \"pageheap_unmapped\": \"0\",\n \
                  \"pageheap_free\": \"0\",\n \"total_thread_cache\": \"0\",\n \"total_physical_bytes\": \"0\"\n}\n";
    assert_eq!(server.get("/memory"), (200, JSON, memory.to_owned()));
    assert_eq!(
        server.get("/certs"),
        (200, JSON, "{\n \"certificates\": []\n}\n".to_owned())
    );
    assert_eq!(
        server.get("/init_dump?mask=listener"),
        (200, JSON, "{}\n".to_owned())
    );
    assert_eq!(server.get("/hot_restart_version"), text(200, "disabled"));
}

#[test]
fn the_runtime_shows_each_layers_value_and_the_one_in_force() {
    let mut server = TestServer::default();
    assert_eq!(
        server.body("/runtime"),
        "{\n \"entries\": {},\n \"layers\": []\n}\n"
    );
    assert_eq!(
        server.post("/runtime_modify?a=b"),
        text(503, "No admin layer specified")
    );
    let values = vec!["5".to_owned(), "7".to_owned()];
    server.runtime = Some(RuntimeView {
        layers: vec!["static_layer".to_owned(), "adm".to_owned()],
        entries: vec![("a.b".to_owned(), values, "7".to_owned())],
    });
    let json = r#"{
 "entries": {
  "a.b": {
   "layer_values": [
    "5",
    "7"
   ],
   "final_value": "7"
  }
 },
 "layers": [
  "static_layer",
  "adm"
 ]
}
"#;
    assert_eq!(server.body("/runtime"), json);
    assert_eq!(server.post("/runtime_modify?x=y&a.b=7"), text(200, "OK\n"));
    let usage = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       \
                 or send the parameters as form values\nuse an empty value to remove a previously added override";
    assert_eq!(server.post("/runtime_modify"), text(400, usage));
}

#[test]
fn levels_of_logging_change_one_by_one_or_all_at_once() {
    let server = TestServer::default();
    assert_eq!(
        server.post("/logging"),
        text(200, "active loggers:\n  admin: info\n  http: info\n\n")
    );
    server.post("/logging?level=debug");
    assert_eq!(
        *server.levels.borrow(),
        [("admin", LogLevel::Debug), ("http", LogLevel::Debug)]
    );
    server.post("/logging?paths=http:trace,admin:info");
    assert_eq!(
        *server.levels.borrow(),
        [("admin", LogLevel::Info), ("http", LogLevel::Trace)]
    );
    server.post("/logging?http=off");
    assert_eq!(
        *server.levels.borrow(),
        [("admin", LogLevel::Info), ("http", LogLevel::Off)]
    );
}

#[test]
fn a_wrong_change_of_logging_changes_nothing_and_explains_itself() {
    let server = TestServer::default();
    let usage = "\n\nusage: /logging?<name>=<level> (change single level)\n\
                 usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n\
                 usage: /logging?level=<level> (change all levels)\n\
                 usage: /logging?group=<group_name>:<level> (change group of loggers)\n\
                 levels: trace debug info warning error critical off \n\
                 active loggers:\n  admin: info\n  http: info\n\n";
    for (path, error) in [
        ("/logging?level=xx", "unknown logger level"),
        ("/logging?paths=zz:info", "unknown logger name"),
        ("/logging?paths=zz:qq", "unknown logger level"),
        (
            "/logging?paths=http:trace,admin",
            "empty logger name or empty logger level",
        ),
        (
            "/logging?level=info&paths=http:info",
            "invalid number of parameters",
        ),
        (
            "/logging?group=http:debug",
            "group parameter requires fine-grain logging to be enabled",
        ),
    ] {
        assert_eq!(
            server.post(path),
            text(400, &format!("error: {error}{usage}")),
            "{path}"
        );
    }
    assert_eq!(server.post("/logging?level=").0, 200);
}

#[test]
fn profilers_answer_as_of_an_envoy_without_them() {
    let server = TestServer::default();
    assert_eq!(
        server.get("/heap_dump"),
        text(501, "Heap profile is not implemented in current build")
    );
}

#[test]
fn the_home_page_names_every_command() {
    let (status, content_type, page) = TestServer::default().get("/");
    assert_eq!((status, content_type), (200, "text/html; charset=UTF-8"));
    for endpoint in ENDPOINTS.iter().chain(OWN_ENDPOINTS) {
        let path = endpoint.path.trim_start_matches('/');
        assert!(page.contains(&format!("=\"{path}\"")), "{path}");
    }
}

#[test]
fn paths_of_endpoints_are_unique() {
    let all = || ENDPOINTS.iter().chain(OWN_ENDPOINTS);
    let mut paths: Vec<&str> = all().map(|endpoint| endpoint.path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), all().count());
}
