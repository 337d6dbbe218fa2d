//! Fields that the API does not have, in files that are read while Nuncio runs, by what the command line wants of them.
//! What each counts is what Envoy 1.40 counts of the same files.
#![forbid(unsafe_code)]

use std::fs;

use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;

const CLUSTER: &str =
    "{'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster, name: one, colour: blue}";

/// The clusters accepted, rejected, the fields counted, and what the log says, with the same file read twice.
fn of_clusters(arguments: &[&str]) -> ([u64; 3], String) {
    let scratch = Scratch::new().expect("a directory can be made");
    let directory = scratch.path();
    let (admin, path) = (free_port(), directory.join("clusters.yaml"));
    let response = |version: &str| format!("version_info: {version}\nresources: [{CLUSTER}]\n");
    fs::write(&path, response("one")).expect("it can be written");
    let config = format!(
        "node: {{id: node-1, cluster: cluster-1}}\nadmin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: \
         {admin}}}}}}}\ndynamic_resources: {{cds_config: {{path_config_source: {{path: '{}'}}}}}}\n",
        path.display()
    );
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory).expect("it starts");
    let next = directory.join("next.yaml");
    fs::write(&next, response("two")).expect("it can be written");
    fs::rename(&next, &path).expect("it can be moved");
    let count = |name: &str| {
        let page = proxy.admin("/stats").expect("it answers");
        stat_on(&page, name).expect("it is counted")
    };
    proxy.until("the file was read again", || {
        count("cluster_manager.cds.update_attempt") == 2
            && count("cluster_manager.cds.update_success")
                + count("cluster_manager.cds.update_rejected")
                == 2
    });
    let counts = [
        "cluster_manager.cds.update_success",
        "cluster_manager.cds.update_rejected",
        "server.dynamic_unknown_fields",
    ];
    let log = fs::read_to_string(directory.join("proxy.log")).expect("it has a log");
    (counts.map(count), log)
}

#[test]
fn they_are_told_and_counted_once_unless_the_command_line_says_more() {
    let (counts, log) = of_clusters(&[]);
    assert_eq!(counts, [2, 0, 1]);
    assert_eq!(
        log.matches("warning: there is no field `colour`").count(),
        1,
        "{log}"
    );
}

#[test]
fn resources_with_them_are_rejected_where_that_is_wanted() {
    let reject = "--reject-unknown-dynamic-fields";
    for arguments in [&[reject][..], &[reject, "--ignore-unknown-dynamic-fields"]] {
        let (counts, log) = of_clusters(arguments);
        assert_eq!(counts, [0, 2, 0]);
        let said = "Filesystem config update rejected: Protobuf message (type envoy.service.discovery.v3.DiscoveryResponse";
        assert!(log.contains(said), "{log}");
        assert!(
            log.contains("no such field: 'colour') has unknown fields"),
            "{log}"
        );
    }
}

#[test]
fn nothing_is_said_of_them_where_they_are_to_be_ignored() {
    let (counts, log) = of_clusters(&["--ignore-unknown-dynamic-fields"]);
    assert_eq!(counts, [2, 0, 0]);
    assert!(!log.contains("colour"), "{log}");
}
