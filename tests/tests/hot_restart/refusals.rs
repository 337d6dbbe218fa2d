//! What is refused at start, in the words of Envoy 1.40 where it has any.

use crate::chain::{Chain, body};

#[test]
fn a_second_process_of_the_same_base_id_and_epoch_is_refused_in_envoys_words() {
    let chain = Chain::new(1);
    let first = chain.start(0, &[]);
    let (code, err) = chain.fail(0, &chain.config(), &[]);
    let expected = format!(
        "unable to bind domain socket with base_id={}0, id=0, errno=98 (see --base-id option)\n",
        chain.base_id
    );
    assert_eq!((code, err), (Some(1), expected));
    assert_eq!(body(chain.port, "/"), "direct");
    first.proxy.stop().expect("it ends well");
}

#[test]
fn without_hot_restart_processes_do_not_know_each_other() {
    let chain = Chain::new(1);
    let first = chain.start(0, &["--disable-hot-restart"]);
    let version = first.proxy.admin("/hot_restart_version");
    assert_eq!(version.expect("it answers"), "disabled");
    assert_eq!(first.stat("server.hot_restart_generation"), None);
    // Nobody has taken the name.
    let other = Chain {
        base_id: chain.base_id.clone(),
        ..Chain::new(1)
    };
    let _second = other.start(0, &[]);
}

#[test]
fn a_missing_parent_is_an_error_unless_it_may_be_missing() {
    let chain = Chain::new(1);
    let (code, err) = chain.fail(3, &chain.config(), &[]);
    let expected = format!(
        "hot restart: there is no process of epoch 2 with base id {0} at @envoy_domain_socket_nuncio_{0}0_2 \
         (Connection refused): with --skip-hot-restart-on-no-parent this is no error\n",
        chain.base_id
    );
    assert_eq!((code, err), (Some(1), expected));
    let alone = chain.start(3, &["--skip-hot-restart-on-no-parent"]);
    let log = alone.proxy.log().expect("it has a log");
    let said = "hot restart: there is no parent, falling back to regular restart";
    assert!(log.contains(said), "{log}");
    assert_eq!(alone.stat("server.hot_restart_generation"), Some(1));
    assert_eq!(body(chain.port, "/"), "direct");
}

#[test]
fn a_socket_that_cannot_be_bound_is_refused_in_envoys_words() {
    let chain = Chain::new(1);
    let nowhere = ["--socket-path", "/nonexistent/s"];
    let (code, err) = chain.fail(0, &chain.config(), &nowhere);
    let expected = format!(
        "unable to bind domain socket with base_id={}0, id=0, errno=2 (see --base-id option)\n",
        chain.base_id
    );
    assert_eq!((code, err), (Some(1), expected));
    let long = format!("/tmp/{}", "x".repeat(100));
    let (code, err) = chain.fail(0, &chain.config(), &["--socket-path", &long]);
    let expected = format!(
        "Path \"{long}_nuncio_{}0_0\" exceeds maximum UNIX domain socket path size of 108.\n",
        chain.base_id
    );
    assert_eq!((code, err), (Some(1), expected));
}
