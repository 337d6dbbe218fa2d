//! An admin on a unix domain socket.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nuncio_testkit::proxy::Scratch;
use nuncio_tests::binary::nuncio;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _it_was_ours = self.0.wait();
    }
}

fn ask(socket: &Path, head: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let request = format!("{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn the_admin_answers_on_a_unix_domain_socket_and_logs_its_clients_without_an_address() {
    let directory = Scratch::new().expect("a directory can be made");
    let (socket, log) = (
        directory.path().join("admin.sock"),
        directory.path().join("admin.log"),
    );
    std::fs::write(&socket, "in the way").expect("a file can be written");
    let config = format!(
        "admin:
  address: {{pipe: {{path: '{}', mode: 384}}}}
  access_log: [{{name: f, typed_config: {{'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog,
    path: '{}', log_format: {{text_format_source: {{inline_string: \"%REQ(:PATH)% %RESPONSE_CODE%\\n\"}}}}}}}}]
static_resources: {{}}
",
        socket.display(),
        log.display()
    );
    let child = Command::new(nuncio())
        .args(["--disable-hot-restart", "--config-yaml", &config])
        .stderr(Stdio::null())
        .spawn()
        .expect("the proxy starts");
    let running = Running(child);
    let begun = Instant::now();
    let ready = loop {
        match ask(&socket, "GET /ready") {
            Some(answer) if answer.contains("LIVE") => break answer,
            answer => assert!(begun.elapsed() < PATIENCE, "{answer:?}"),
        }
        std::thread::yield_now();
    };
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n"), "{ready}");
    let mode = std::fs::metadata(&socket)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let end = ask(&socket, "POST /quitquitquit").expect("an answer");
    assert!(end.ends_with("OK\n\r\n0\r\n\r\n"), "{end}");
    let mut running = running;
    running.0.wait().expect("it ends");
    let lines = std::fs::read_to_string(&log).expect("a log");
    assert!(lines.starts_with("/ready 200\n"), "{lines}");
}
