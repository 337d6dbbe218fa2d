//! The report against a small table and small configurations.

use super::{Kind, Status, used, whole};
use crate::bootstrap::{Input, load};
use crate::typed::SupportTable;

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
const ADMIN: &str = "envoy.config.bootstrap.v3.Admin";

fn table() -> SupportTable {
    let mut table = SupportTable::default();
    table.add_field(BOOTSTRAP, "admin");
    table.add_field(BOOTSTRAP, "static_resources");
    table.add_inert(ADMIN, "profile_path", "no profiler");
    table.add_field(
        "envoy.config.bootstrap.v3.Bootstrap.StaticResources",
        "clusters",
    );
    table.add_field("envoy.config.cluster.v3.Cluster", "name");
    table.add_field("envoy.config.cluster.v3.Cluster", "lb_policy");
    table.add_enum_value("envoy.config.cluster.v3.Cluster.LbPolicy", "RANDOM");
    table
}

fn statuses(yaml: &str) -> Vec<(Kind, &'static str, Status)> {
    let input = Input {
        yaml: Some(yaml.to_owned()),
        ..Input::default()
    };
    let tree = load(&input).unwrap().tree;
    let uses = used(&table(), &tree).into_iter();
    uses.map(|one| (one.kind, one.name, one.status)).collect()
}

#[test]
fn each_set_field_and_enum_value_has_a_status() {
    let found = statuses(
        "{admin: {profile_path: /p, address: {pipe: {path: /x}}},
          static_resources: {clusters: [{name: a, lb_policy: RANDOM}, {name: b, lb_policy: RING_HASH}]}}",
    );
    use Status::{Honoured, Inert, Unsupported};
    let expected = [
        (Kind::Field, "static_resources", Honoured),
        (Kind::Field, "clusters", Honoured),
        (Kind::Field, "name", Honoured),
        (Kind::Field, "lb_policy", Honoured),
        (Kind::Value, "RANDOM", Honoured),
        (Kind::Field, "name", Honoured),
        (Kind::Field, "lb_policy", Honoured),
        (Kind::Value, "RING_HASH", Unsupported),
        (Kind::Field, "admin", Honoured),
        (Kind::Field, "profile_path", Inert("no profiler")),
        (Kind::Field, "address", Unsupported),
        (Kind::Field, "pipe", Unsupported),
        (Kind::Field, "path", Unsupported),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_protobuf_cannot_tell_from_nothing_is_not_used() {
    assert_eq!(statuses("{admin: {profile_path: \"\"}}").len(), 1);
}

#[test]
fn the_whole_api_is_listed_with_members_of_oneofs_and_values() {
    let rows = whole(&table());
    let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let cluster = named("envoy.config.cluster.v3.Cluster");
    assert_eq!(cluster.taken(), 2);
    assert!(
        cluster
            .rows
            .iter()
            .any(|row| row.name == "type" && row.oneof == Some("cluster_discovery_type"))
    );
    let policies = named("envoy.config.cluster.v3.Cluster.LbPolicy");
    assert!(policies.is_enum && policies.taken() == 1);
    assert!(!named("envoy.extensions.filters.http.lua.v3.Lua").is_taken);
    assert!(rows.iter().all(|row| !row.name.contains(".v2.")));
}
