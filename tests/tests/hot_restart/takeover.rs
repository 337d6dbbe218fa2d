//! What a new process takes over from the one before, and when that one ends.

use nuncio_testkit::client::Client;
use nuncio_testkit::proxy::Scratch;

use crate::chain::{Chain, Epoch, body, get_on};

const NO_HURRY: [&str; 4] = ["--drain-time-s", "600", "--parent-shutdown-time-s", "600"];

#[test]
fn connections_of_both_processes_are_counted_until_the_old_one_is_gone() {
    let chain = Chain::new(1);
    let first = chain.start(
        0,
        &[&NO_HURRY[..], &["--drain-strategy", "immediate"]].concat(),
    );
    let mut old = Client::connect(chain.port).expect("the listener accepts");
    let answer = get_on(&mut old, "/").expect("it answers");
    assert_eq!(answer.header("connection"), None);
    let second = chain.start(1, &NO_HURRY);
    let active = |expected| second.stat("http.http.downstream_cx_active") == Some(expected);
    second.until("the old connection is seen", || active(1));
    let mut new = Client::connect(chain.port).expect("the listener accepts");
    get_on(&mut new, "/").expect("it answers");
    second.until("both connections are seen", || active(2));
    let last = get_on(&mut old, "/").expect("the old connection is still served");
    assert_eq!(last.header("connection").as_deref(), Some("close"));
    second.until("the new connection is left", || active(1));
    let counted = second.stat("http.http.downstream_rq_total");
    assert_eq!(counted, Some(3));
    let kept = get_on(&mut new, "/").expect("it answers");
    assert_eq!(kept.header("connection"), None);
    // The next but one does not wait for the first one's time.
    let third = chain.start(2, &NO_HURRY);
    first.ends();
    assert_eq!(third.stat("server.hot_restart_generation"), Some(3));
    drop(second);
}

#[test]
fn the_first_start_is_remembered_and_the_current_one_is_its_own() {
    let chain = Chain::new(1);
    let first = chain.start(0, &NO_HURRY);
    let has_lived = |epoch: &Epoch| epoch.stat("server.uptime").is_some_and(|uptime| uptime > 0);
    first.until("it has lived for a second", || has_lived(&first));
    let second = chain.start(1, &NO_HURRY);
    assert!(has_lived(&second), "the time of the first counts");
    let info = second.proxy.admin("/server_info").expect("it answers");
    for expected in [
        "\"restart_epoch\": 1",
        "\"hot_restart_version\": \"nuncio.1\"",
        "\"hot_restart_initializing\": false",
    ] {
        assert!(info.contains(expected), "{expected}: {info}");
    }
    let version = second.proxy.admin("/hot_restart_version");
    assert_eq!(version.expect("it answers"), "nuncio.1");
}

#[test]
fn counts_start_anew_where_the_parents_are_not_wanted() {
    let chain = Chain::new(1);
    let _first = chain.start(0, &NO_HURRY);
    assert_eq!(body(chain.port, "/"), "direct");
    let arguments = [&NO_HURRY[..], &["--skip-hot-restart-parent-stats"]].concat();
    let second = chain.start(1, &arguments);
    assert_eq!(body(chain.port, "/"), "direct");
    second.until("the request is counted", || {
        second.stat("http.http.downstream_rq_total") == Some(1)
    });
}

#[test]
fn a_chosen_base_id_is_written_down_for_those_that_follow() {
    let chain = Chain::new(1);
    let directory = Scratch::new().expect("a directory can be made");
    let path = directory.path().join("base_id");
    let path = path.to_str().expect("UTF-8");
    let dynamic = ["--use-dynamic-base-id", "--base-id-path", path];
    let first = chain.start(0, &dynamic);
    let chosen = std::fs::read_to_string(path).expect("it was written");
    let log = first.proxy.log().expect("it has a log");
    let said = format!("initializing epoch 0 (base id={chosen}, hot restart version=nuncio.1)");
    assert!(log.contains(&said), "{log}");
    let times = ["--base-id", &chosen, "--parent-shutdown-time-s", "0"];
    let _second = chain.start(1, &times);
    first.ends();
}

#[test]
fn a_socket_may_be_a_file_which_goes_with_its_process() {
    let chain = Chain::new(1);
    let directory = Scratch::new().expect("a directory can be made");
    let path = directory.path().join("s");
    let path = path.to_str().expect("UTF-8");
    let arguments = ["--socket-path", path, "--parent-shutdown-time-s", "0"];
    let first = chain.start(0, &arguments);
    let file = |epoch: u32| format!("{path}_nuncio_{}0_{epoch}", chain.base_id);
    assert!(std::fs::exists(file(0)).expect("it can be looked for"));
    let _second = chain.start(1, &arguments);
    first.ends();
    let left = [0, 1].map(|epoch| std::fs::exists(file(epoch)).expect("it can be looked for"));
    assert_eq!(left, [false, true]);
}

#[test]
fn a_process_that_is_taken_over_from_does_not_reload_any_more() {
    let chain = Chain::new(1);
    let first = chain.start(0, &NO_HURRY);
    let _second = chain.start(1, &NO_HURRY);
    first.proxy.hang_up().expect("it lives");
    first.until("it says so", || {
        let log = first.proxy.log().unwrap_or_default();
        log.contains("another process takes over from this one, which does not reload any more")
    });
}
