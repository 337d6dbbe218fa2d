//! Dumps compared with Envoy 1.40's of `bootstrap.yaml` (times made equal, the node without what Envoy adds).

use crate::admin::testing::TestServer;

const ENVOY_DUMP: &str = include_str!("envoy_dump.json");

fn refused(path: &str) -> (u16, String) {
    let (status, content_type, text) = TestServer::default().get(path);
    assert_eq!(content_type, "text/plain", "{path}");
    (status, text)
}

#[test]
fn the_whole_dump_is_envoys() {
    let ours = TestServer::default().body("/config_dump?include_eds");
    for (ours, envoy) in ours.lines().zip(ENVOY_DUMP.lines()) {
        assert_eq!(ours, envoy);
    }
    assert_eq!(ours, ENVOY_DUMP);
}

#[test]
fn endpoints_are_shown_on_demand_only() {
    let dump = TestServer::default().body("/config_dump");
    assert!(!dump.contains("EndpointsConfigDump"));
    assert!(dump.contains("ScopedRoutesConfigDump"));
}

#[test]
fn a_resource_can_be_picked_and_masked_through_its_any() {
    let path = "/config_dump?resource=static_clusters&mask=cluster.name,cluster.circuit_breakers";
    let json = r#"{
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
   "cluster": {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "name": "eds_like",
    "circuit_breakers": {
     "thresholds": [
      {
       "max_connections": 7,
       "max_retries": 2
      }
     ]
    }
   }
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
   "cluster": {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "name": "service_dns"
   }
  }
 ]
}
"#;
    assert_eq!(TestServer::default().body(path), json);
}

#[test]
fn a_mask_without_resource_picks_fields_of_sections() {
    let json = r#"{
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
   "bootstrap": {
    "admin": {
     "address": {
      "socket_address": {
       "address": "127.0.0.1",
       "port_value": 28901
      }
     }
    }
   }
  }
 ]
}
"#;
    assert_eq!(
        TestServer::default().body("/config_dump?mask=bootstrap.admin.address"),
        json
    );
    let both = TestServer::default().body("/config_dump?mask=version_info");
    assert_eq!(both.matches("ConfigDump\"\n").count(), 2, "{both}");
}

#[test]
fn names_are_matched_whole() {
    let path = "/config_dump?name_regex=service_d.*&resource=static_clusters&mask=cluster.name,cluster.type";
    let dump = TestServer::default().body(path);
    assert!(
        dump.contains("\"type\": \"STRICT_DNS\"") && !dump.contains("eds_like"),
        "{dump}"
    );
    let none =
        TestServer::default().body("/config_dump?resource=static_listeners&name_regex=listener");
    assert_eq!(none, "{}\n");
}

#[test]
fn a_path_deeper_than_any_message_is_refused_and_takes_no_stack() {
    let dots = ".".repeat(60_000);
    for query in ["resource=static_clusters&mask=", "mask="] {
        for path in [&*dots, &format!("cluster{}", ".cluster".repeat(60_000))] {
            let (status, text) = refused(&format!("/config_dump?{query}{path}"));
            assert_eq!(status, 400);
            assert!(text.starts_with("FieldMask "));
        }
    }
    // Also beside one that keeps all that is below.
    let path = format!("cluster,cluster{}", ".cluster".repeat(100));
    let answer = refused(&format!(
        "/config_dump?resource=static_clusters&mask={path}"
    ));
    assert_eq!(answer.0, 400);
}

#[test]
fn what_cannot_be_dumped_is_explained() {
    assert_eq!(
        refused("/config_dump?resource=zz"),
        (404, "zz not found in config dump".to_owned())
    );
    assert_eq!(
        refused("/config_dump?resource=bootstrap"),
        (
            400,
            "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field"
                .to_owned()
        )
    );
    assert_eq!(
        refused("/config_dump?name_regex=("),
        (
            400,
            "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): (".to_owned()
        )
    );
    for mask in ["zzz", "configs", "static_clusters.cluster", "bootstrap.zzz"] {
        let text = format!("FieldMask {mask} could not be successfully applied to any configs.");
        assert_eq!(refused(&format!("/config_dump?mask={mask}")), (400, text));
    }
    for mask in ["zzz", "cluster", "cluster.load_assignment.endpoints.x"] {
        let text = format!("FieldMask paths: \"{mask}\"\n could not be successfully used.");
        assert_eq!(
            refused(&format!(
                "/config_dump?resource=static_clusters&mask={mask}"
            )),
            (400, text)
        );
    }
}
