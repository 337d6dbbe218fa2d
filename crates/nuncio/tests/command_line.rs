//! The binary's command line: exit codes, and what goes to which of its outputs, as Envoy 1.40's.

use std::path::Path;
use std::process::{Command, Output};

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch};
use rustix::process::{Pid, Signal, kill_process};

const NUNCIO: &str = env!("CARGO_BIN_EXE_nuncio");
const LISTENER: &str = "
static_resources:
  listeners:
  - name: a
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: a
          route_config: {}
          http_filters:
          - name: mine
            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
";

fn run(arguments: &[&str]) -> (i32, String, String) {
    run_with(arguments, &[])
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(NUNCIO)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    (status.code().expect("it exits"), text(stdout), text(stderr))
}

/// Runs it with the admin and these arguments, and gives it to `body`.
fn serving(arguments: &[&str], body: impl FnOnce(&Proxy, &Path)) -> String {
    let scratch = Scratch::new().expect("a directory");
    let port = free_port();
    let config = format!(
        "{{\"admin\": {{\"address\": {{\"socket_address\": {{\"address\": \"127.0.0.1\", \"port_value\": {port}}}}}}}}}"
    );
    let arguments: Vec<String> = ["--concurrency", "1"]
        .iter()
        .chain(arguments)
        .map(|argument| (*argument).to_owned())
        .collect();
    let proxy = Proxy::start(Path::new(NUNCIO), &arguments, &config, port, scratch.path())
        .expect("it serves");
    body(&proxy, scratch.path());
    proxy.stop().expect("it ends well");
    std::fs::read_to_string(scratch.path().join("proxy.log")).expect("it has an output")
}

#[test]
fn a_good_configuration_is_said_to_be_ok_on_standard_output() {
    let (code, out, err) = run(&["--mode", "validate", "--config-yaml", LISTENER]);
    assert_eq!((code, out.as_str()), (0, "configuration '' OK\n"), "{err}");
}

#[test]
fn a_bad_configuration_ends_with_1_and_envoys_words_on_standard_error() {
    let (code, out, err) = run(&["--mode", "validate", "--config-yaml", "admin: {address: 1}"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("[critical][main] [")
            && err.contains("] error initializing configuration '': "),
        "{err}"
    );
}

/// What is said of a configuration that is refused.
fn refusal(config: &str) -> String {
    let (code, _, said) = run(&["--mode", "validate", "--config-yaml", config]);
    assert_eq!(code, 1, "{said}");
    said
}

#[test]
fn a_path_with_a_zero_in_it_is_refused_of_listeners_and_hosts() {
    let words = "UNIX domain socket pathname contains embedded null characters";
    let said = refusal(r#"admin: { address: { pipe: { path: "/tmp/a\0b" } } }"#);
    assert!(said.contains(words), "{said}");
    let said = refusal(
        r#"static_resources: { clusters: [{ name: c, load_assignment: { cluster_name: c, endpoints: [{ lb_endpoints:
        [{ endpoint: { address: { pipe: { path: "/tmp/a\0b" } } } }] }] } }] }"#,
    );
    assert!(said.contains(words), "{said}");
}

#[test]
fn secrets_of_formats_are_refused_where_nobody_fetches_them_and_their_sources_are_looked_at() {
    let log = |source: &str| {
        format!(
            "access_log: [{{ name: l, typed_config: {{ \
             \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, \
             path: /dev/null, log_format: {{ text_format: \"%SECRET(s)%\", formatters: [{{ name: f, typed_config: {{ \
             \"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, \
             secret_configs: {{ s: {{ name: s, sds_config: {{ {source} }} }} }} }} }}] }} }} }}]"
        )
    };
    let address = "address: { socket_address: { address: 127.0.0.1, port_value: 0 } }";
    let of_file = log("path_config_source: { path: /nowhere }");
    let said = refusal(&format!("admin: {{ {address}, {of_file} }}"));
    let words = "the secret `s` from elsewhere in a log of the admin is not supported";
    assert!(said.contains(words), "{said}");
    let of_listener = |source: &str| {
        let log = log(source);
        format!(
            "static_resources: {{ listeners: [{{ name: l, {address}, {log}, filter_chains: [{{ filters: [{{ name: e, \
             typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo }} }}] }}] }}] }}"
        )
    };
    let said = refusal(&of_listener("path_config_source: { path: /nowhere }"));
    assert!(said.contains("'/nowhere' does not exist"), "{said}");
    let said = refusal(&of_listener("api_config_source: { api_type: GRPC }"));
    assert!(
        said.contains("a secret of a format from anything but"),
        "{said}"
    );
}

#[test]
fn machines_get_an_object_a_line_and_nothing_else() {
    let mistakes = "{admn: 1, static_resources: {clusters: [{nam: a}]}}";
    let old_form = "static_resources: {clusters: [{name: a, connect_timeout: 1s, type: STATIC, \
                    hosts: [{socket_address: {address: 127.0.0.1, port_value: 1}}]}]}";
    for (config, code, objects) in [(mistakes, 1, 2), (old_form, 0, 1)] {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("for_machines_{code}.yaml"));
        std::fs::write(&path, config).expect("it can be written");
        let path = path.to_str().expect("UTF-8");
        let (ended, _, err) = run(&["--mode", "validate", "--error-format", "json", "-c", path]);
        assert_eq!((ended, err.lines().count()), (code, objects), "{err}");
        for line in err.lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("an object");
            assert_eq!(
                (&object["file"], &object["line"]),
                (&path.into(), &1.into())
            );
        }
    }
}

#[test]
fn serving_a_file_that_is_not_there_ends_with_its_path() {
    let (code, _, err) = run(&["-c", "/nonexistent.yaml"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("error `Invalid path: /nonexistent.yaml` initializing config '"),
        "{err}"
    );
    assert!(
        err.ends_with("\nInvalid path: /nonexistent.yaml\n"),
        "{err}"
    );
}

#[test]
fn init_only_sets_up_and_ends() {
    let (code, out, _) = run(&[
        "--mode",
        "init_only",
        "--concurrency",
        "1",
        "--config-yaml",
        "admin: {}",
    ]);
    assert_eq!((code, out.as_str()), (0, ""));
}

#[test]
fn mistakes_and_versions_go_where_envoy_prints_them() {
    let (code, out, err) = run(&["--mode=validate"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("PARSE ERROR: Argument: --mode=validate\n"),
        "{err}"
    );
    let (code, out, err) = run(&["--version"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.ends_with("rustls-aws-lc\n\n") && out.contains("/1.40.0/"),
        "{out}"
    );
    let (code, out, err) = run(&["--hot-restart-version"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "nuncio.1"));
}

#[test]
fn help_lists_the_commands_at_its_end() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    let commands = out
        .split("Commands, as the first argument:")
        .nth(1)
        .expect("they are listed");
    for name in ["support", "upgrade"] {
        assert!(
            commands.contains(&format!("   {name} ")),
            "{name}: {commands}"
        );
        let (code, _, _) = run(&[name, "--help"]);
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn a_flag_that_does_nothing_yet_says_so_once() {
    let idle: [&[&str]; 4] = [
        &["--enable-core-dump"],
        &["--enable-mutex-tracing"],
        &["--enable-fine-grain-logging"],
        &["--log-stacktrace-single-entry"],
    ];
    let mut arguments = vec!["--mode", "validate", "--config-yaml", "admin: {}"];
    arguments.extend(idle.concat());
    let (_, _, err) = run(&arguments);
    for flag in idle.map(|flag| flag[0]) {
        let said = format!("{flag} is accepted, but does nothing");
        assert_eq!(err.matches(&said).count(), 1, "{flag}: {err}");
    }
}

#[test]
fn unknown_fields_pass_with_a_warning_when_allowed() {
    let yaml = "admin: {foo: 1}";
    for flag in ["--allow-unknown-static-fields", "--allow-unknown-fields"] {
        let (code, _, err) = run(&["--mode", "validate", flag, "--config-yaml", yaml]);
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("warning: there is no field `foo`"), "{err}");
    }
    assert_eq!(run(&["--mode", "validate", "--config-yaml", yaml]).0, 1);
}

#[test]
fn deprecated_fields_are_passed_over_in_silence_when_asked() {
    let yaml = [
        "--mode",
        "validate",
        "--config-yaml",
        "admin: {access_log_path: /dev/null}",
    ];
    let (_, _, err) = run(&yaml);
    assert!(err.contains("is deprecated"), "{err}");
    let (code, _, err) = run(&[&yaml[..], &["--skip-deprecated-logs"]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn a_disabled_extension_is_not_found() {
    let name = "envoy.filters.http/envoy.filters.http.router";
    let list = format!("{name},nosuch,a/b");
    let (code, _, err) = run(&[
        "--mode",
        "validate",
        "--disable-extensions",
        &list,
        "--config-yaml",
        LISTENER,
    ]);
    assert_eq!(code, 1);
    for expected in [
        "disabled extension 'envoy.filters.http/envoy.filters.http.router'",
        "failed to disable invalid extension name 'nosuch'",
        "failed to disable unknown extension 'a/b'",
        "Didn't find a registered implementation for 'mine' with type URL: 'envoy.extensions.filters.http.router.v3.Router'",
    ] {
        assert!(err.contains(expected), "{expected}: {err}");
    }
}

#[test]
fn variables_are_put_in_on_request_alone() {
    let yaml = [
        "--mode",
        "validate",
        "--config-yaml",
        "admin: {address: {socket_address: {address: \"${HOST}\", port_value: \"${PORT:-0}\"}}}",
    ];
    let variables = [("HOST", "127.0.0.1")];
    assert_eq!(run_with(&yaml, &variables).0, 1);
    let asked = [&yaml[..], &["--config-env"]].concat();
    let (code, _, err) = run_with(&asked, &variables);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = run_with(&asked, &[("HOSTS", "127.0.0.1"), ("PORT", "x")]);
    assert_eq!(code, 1);
    assert!(
        err.contains("the environment variable `HOST` is not set"),
        "{err}"
    );
}

#[test]
fn lines_have_the_format_and_the_levels_that_were_asked_for() {
    let log = serving(&["--log-format", "<%l|%n> %v"], |_, _| {});
    assert!(
        log.contains("<info|admin> admin address: 127.0.0.1:"),
        "{log}"
    );
    assert!(log.contains("<warning|main> caught ENVOY_SIGTERM"), "{log}");
    let log = serving(
        &["--component-log-level", "admin:off,main:error"],
        |_, _| {},
    );
    assert_eq!(log, "");
    let log = serving(&[], |_, _| {});
    assert!(log.contains("][info][admin] [crates/server/src/"), "{log}");
}

#[test]
fn a_level_can_be_changed_for_one_logger() {
    let mut levels = String::new();
    serving(
        &["-l", "error", "--component-log-level", "upstream:trace"],
        |proxy, _| {
            levels = proxy.admin("/server_info").expect("it answers");
        },
    );
    assert!(
        levels.contains("\"component_log_level\": \"upstream:trace\""),
        "{levels}"
    );
}

#[test]
fn the_log_file_is_opened_anew_at_sigusr1() {
    let scratch = Scratch::new().expect("a directory");
    let path = scratch.path().join("nuncio.log");
    let moved = scratch.path().join("moved.log");
    let output = serving(
        &["--log-path", path.to_str().expect("UTF-8")],
        |proxy, _| {
            std::fs::rename(&path, &moved).expect("it is there");
            let pid = i32::try_from(proxy.id())
                .ok()
                .and_then(Pid::from_raw)
                .expect("a process");
            kill_process(pid, Signal::USR1).expect("it is there");
            // An answer of the admin comes from the loop that has taken the signal when the file is there.
            while !path.exists() {
                proxy.admin("/ready").expect("it answers");
            }
        },
    );
    assert_eq!(output, "");
    let read = |path: &Path| std::fs::read_to_string(path).expect("it is there");
    assert!(
        read(&moved).contains("starting main dispatch loop"),
        "{}",
        read(&moved)
    );
    assert!(read(&path).contains("exiting"), "{}", read(&path));
}

#[test]
fn identity_and_tags_come_from_flags() {
    let scratch = Scratch::new().expect("a directory");
    let id = scratch.path().join("id");
    let address = scratch.path().join("address");
    let flags = [
        "--service-node",
        "n",
        "--service-cluster",
        "c",
        "--service-zone",
        "z",
        "--stats-tag",
        "a:b",
        "--stats-tag",
        "a:c",
        "--base-id",
        "7",
        "--base-id-path",
        id.to_str().expect("UTF-8"),
        "--admin-address-path",
        address.to_str().expect("UTF-8"),
    ];
    serving(&flags, |proxy, _| {
        let info = proxy.admin("/server_info").expect("it answers");
        for expected in [
            "\"id\": \"n\"",
            "\"cluster\": \"c\"",
            "\"zone\": \"z\"",
            "\"a:b\"",
        ] {
            assert!(info.contains(expected), "{expected}: {info}");
        }
        let stats = proxy
            .admin("/stats/prometheus?filter=server.live")
            .expect("it answers");
        assert!(stats.contains("envoy_server_live{a=\"b\"} 1"), "{stats}");
    });
    assert_eq!(std::fs::read_to_string(&id).expect("it was written"), "7");
    let address = std::fs::read_to_string(&address).expect("it was written");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
}

#[test]
fn an_address_file_that_cannot_be_written_is_told_and_survived() {
    let log = serving(&["--admin-address-path", "/nonexistent/address"], |_, _| {});
    assert!(
        log.contains("cannot open admin address output file /nonexistent/address for writing."),
        "{log}"
    );
}
